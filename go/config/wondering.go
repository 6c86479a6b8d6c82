package config

import (
	"net/http"
	"time"

	"osp/go/policy"
)

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
