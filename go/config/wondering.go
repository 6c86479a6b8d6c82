package config

import (
	"net/http"
	"time"

	"osp/go/policy"
	"osp/go/session"
)

// Replay are requests of an access log: somebody wants to know what a policy says about them.
type Replay struct {
	Policy   *policy.Policy
	Complete bool // the stores have every operation of S3
	Requests []Recorded
}

// Recorded is what an access log tells of a request.
type Recorded struct {
	Token     string           // empty: without a signature
	Session   *session.Session // as far as a log tells of it; nil: there was none
	Operation string
	Method    string
	Bucket    string
	Key       string // percent-encoded
	Client    string // address; empty: unknown
	Secure    bool
	Time      time.Time
}

// ParseReplay reads a JSON object with the members policy, complete and requests, a list of
// objects with token, role, session, operation, method, bucket, key, client_ip, secure and time (as in the
// log). Its error is that of Parse.
func ParseReplay(data []byte) (*Replay, error) {
	mistakes := &MistakesError{}
	top := decode(data, mistakes)
	if top == nil {
		return nil, mistakes
	}
	r := &Replay{Policy: readPolicy(top.need("policy"))}
	r.Complete, _ = top.take("complete").boolean()
	for _, item := range top.need("requests").items() {
		if d := item.dict(); d != nil {
			r.Requests = append(r.Requests, readRecorded(d))
		}
	}
	top.finish()
	if len(mistakes.Mistakes) > 0 {
		return nil, mistakes
	}
	return r, nil
}

func readRecorded(d *dict) (r Recorded) {
	r.Token, _ = d.take("token").str()
	role, ofRole := d.take("role").str()
	if name, named := d.take("session").str(); named || ofRole {
		r.Session = &session.Session{Token: r.Token, Role: role, Name: name}
	}
	r.Operation, _ = d.need("operation").str()
	r.Method, _ = d.need("method").str()
	r.Bucket, _ = d.take("bucket").str()
	r.Key, _ = d.take("key").str()
	r.Client, _ = d.take("client_ip").str()
	r.Secure, _ = d.take("secure").boolean()
	at := d.need("time")
	if text, ok := at.str(); ok {
		var err error
		if r.Time, err = time.Parse(time.RFC3339, text); err != nil {
			at.reject("must be a time such as 2026-01-31T12:00:00Z")
		}
	}
	d.finish()
	return r
}

const latest = 250 * 365 * 24 * time.Hour // after 1970

// Wondering is a request that nobody sends: somebody wants to know what a policy
// says about it.
type Wondering struct {
	Policy   *policy.Policy
	Token    string // empty: without a signature
	Method   string
	Target   string // as on the wire
	Header   http.Header
	Client   string // address; empty: unknown
	Secure   bool
	Now      time.Time
	Complete bool // the store has every operation of S3
	Unknown  bool // the entry lets what S3 does not have through

	OpaqueKeys bool             // the store takes no key or version for another
	Session    *session.Session // of temporary keys; nil: there are none
	RolePolicy *policy.Policy   // of its role; nil: there is none
}

// ParseWondering reads a JSON object with the members policy, token, method, target,
// headers, client_ip, secure, time (Unix seconds), complete, keys, unknown_operations and session.
// Its error is that of Parse.
func ParseWondering(data []byte) (*Wondering, error) {
	mistakes := &MistakesError{}
	top := decode(data, mistakes)
	if top == nil {
		return nil, mistakes
	}
	w := &Wondering{Policy: readPolicy(top.need("policy")), Header: http.Header{}, Now: time.Now()}
	w.Token, _ = top.take("token").str()
	w.Method, _ = top.need("method").str()
	w.Target, _ = top.need("target").str()
	if headers := top.take("headers").dict(); headers != nil {
		for name := range headers.fields {
			text, _ := headers.take(name).str()
			w.Header.Set(name, text)
		}
	}
	w.Client, _ = top.take("client_ip").str()
	w.Secure, _ = top.take("secure").boolean()
	if since, ok := top.take("time").seconds(0, latest); ok {
		w.Now = time.Unix(0, 0).Add(since)
	}
	w.Complete, _ = top.take("complete").boolean()
	w.OpaqueKeys = w.Complete
	if keys, ok := top.take("keys").oneOf("opaque", "path"); ok {
		w.OpaqueKeys = keys == "opaque"
	}
	w.Unknown, _ = top.take("unknown_operations").boolean()
	if of := top.take("session"); of != nil {
		w.readSession(of)
	}
	top.finish()
	if len(mistakes.Mistakes) > 0 {
		return nil, mistakes
	}
	return w, nil
}

// readSession reads the session of a request: an object that may have role, role_policy, name,
// policies (as those of ParseIssuance), claims and tags.
func (w *Wondering) readSession(v *value) {
	d := v.dict()
	if d == nil {
		return
	}
	if w.Token == "" {
		v.reject("needs a token, as which its holder is seen")
	}
	s := &session.Session{Token: w.Token, Claims: readClaims(d.take("claims").dict()), Tags: map[string]string{}}
	s.Role, _ = d.take("role").str()
	s.Name, _ = d.take("name").str()
	w.RolePolicy = d.take("role_policy").policy(policy.ParseIdentity)
	for _, item := range d.take("policies").items() {
		s.Policies = append(s.Policies, string(readAttached(item)))
	}
	if tags := d.take("tags").dict(); tags != nil {
		for name := range tags.fields {
			s.Tags[name], _ = tags.take(name).str()
		}
	}
	d.finish()
	w.Session = s
}
