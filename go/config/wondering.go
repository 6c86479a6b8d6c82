package config

import (
	"net/http"
	"time"

	"osp/go/policy"
)

// Replay are requests of an access log: somebody wants to know what a policy says about them.
type Replay struct {
	Policy   *policy.Policy
	Complete bool // the stores have every operation of S3
	Requests []Recorded
}

// Recorded is what an access log tells of a request.
type Recorded struct {
	Token     string // empty: without a signature
	Operation string
	Method    string
	Bucket    string
	Key       string // percent-encoded
	Client    string // address; empty: unknown
	Secure    bool
	Time      time.Time
}

// ParseReplay reads a JSON object with the members policy, complete and requests, a list of
// objects with token, operation, method, bucket, key, client_ip, secure and time (as in the
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
}

// ParseWondering reads a JSON object with the members policy, token, method, target,
// headers, client_ip, secure, time (Unix seconds), complete and unknown_operations. Its
// error is that of Parse.
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
	w.Unknown, _ = top.take("unknown_operations").boolean()
	top.finish()
	if len(mistakes.Mistakes) > 0 {
		return nil, mistakes
	}
	return w, nil
}
