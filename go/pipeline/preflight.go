package pipeline

import (
	"net/http"
	"strings"

	"osp/go/names"
	"osp/go/s3err"
	"osp/go/sigv4"
	"osp/go/upstream"
)

// preflightFields make a request a CORS preflight
// (https://fetch.spec.whatwg.org/#http-cors-protocol).
var preflightFields = []string{"Origin", "Access-Control-Request-Method", "Access-Control-Request-Headers"}

// isPreflight reports whether a browser asks if a page may send a request.
// Browsers never sign that.
func (x *exchange) isPreflight() bool {
	return x.r.Method == http.MethodOptions && x.r.Header.Get("Origin") != "" &&
		x.r.Header.Get("Access-Control-Request-Method") != "" && !sigv4.ClaimsSignature(x.signable())
}

// preflight hands the question on to the bucket's CORS configuration. The
// store gets it as it would from the browser itself, without credentials and
// with nothing that preflights don't have; and a no sounds the same, whatever
// its reason is and whether or not there is such a bucket.
func (p *Pipeline) preflight(x *exchange) error {
	if err := p.askBucket(x); err != nil && !x.w.begun {
		return s3err.AccessDenied.Because(err)
	}
	return nil
}

// maxPreflights are under way at a time, preflightsEach of one address: each has a
// connection to a store, and anybody may send them.
const (
	maxPreflights  = 128
	preflightsEach = 32
)

func (p *Pipeline) askBucket(x *exchange) error {
	if x.bucket == nil {
		return s3err.NoSuchBucket
	}
	release, err := p.preflights.acquire(network(p.hosts.client(x.r)))
	if err != nil {
		return err
	}
	defer release()
	if err := p.admit(x); err != nil { // of its address; anybody may ask, and would use up the common shares
		return err
	}
	if err := names.CheckKey(x.bucket, x.req.Key); err != nil {
		return err
	}
	key, err := names.Key(x.bucket, x.req.Key)
	if err != nil {
		return err
	}
	call := &upstream.Call{Bucket: x.bucket, Unsigned: true, Method: http.MethodOptions, Key: key, Header: make(http.Header)}
	for _, name := range preflightFields {
		if values := x.r.Header[name]; values != nil {
			call.Header[name] = values
		}
	}
	resp, err := p.do(x.r.Context(), x, call)
	if err != nil {
		return err
	}
	_ = resp.Body.Close() // all that matters is in the header
	if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusNoContent {
		return s3err.AccessDenied
	}
	for name, values := range resp.Header {
		if name == "Vary" || strings.HasPrefix(name, "Access-Control-") {
			x.w.Header()[name] = values
		}
	}
	x.w.WriteHeader(http.StatusOK)
	return nil
}
