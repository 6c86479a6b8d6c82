package pipeline

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"osp/go/access"
	"osp/go/policy"
	"osp/go/stores"
)

// question is what policies and the validator are asked about a verified request. It
// is a part of the exchange, and made once.
func (p *Pipeline) question(x *exchange, terms access.Terms) *access.Question {
	var from *access.Origin
	shadowed := p.shadow.On(x.stores.Shadow)
	if shadowed || p.looksCloser(x) { // or nobody would look at it
		from = &access.Origin{
			Client: p.hosts.client(x.r), Silent: p.hosts.silent(x.r), Secure: x.clientScheme == "https", ContentLength: x.r.ContentLength,
			Header: x.shownHeader, Field: x.field,
		}
		if x.r.TLS != nil && len(x.r.TLS.PeerCertificates) > 0 {
			from.Certificate = x.r.TLS.PeerCertificates[0]
		}
		if shadowed {
			from.Size = x.headSize()
		}
	}
	x.question = access.About(x.who, x.req, from, terms)
	return &x.question
}

// headSize is about how many bytes of memory the head of the request takes, with the fields of a form.
func (x *exchange) headSize() int {
	const ofField = 64              // its place in a map
	size := 2 * len(x.r.RequestURI) // as it came, and read
	for name, values := range x.r.Header {
		for _, value := range values {
			size += ofField + len(name) + len(value)
		}
	}
	if x.form != nil {
		for _, f := range x.form.fields {
			size += ofField + len(f.Name) + len(f.Value)
		}
	}
	return size
}

// looksCloser reports whether whoever decides looks at more than token and bucket.
func (p *Pipeline) looksCloser(x *exchange) bool {
	return p.access.SeesRequest() || x.stores.Governed() || x.who.Session != nil
}

// terms are what holds for decisions about a bucket.
func (x *exchange) terms(b *stores.Bucket) access.Terms {
	return access.Terms{TTL: b.TTL, Policies: access.Policies{x.stores.Policy, b.Policy, x.role()}, Shadow: x.stores.Shadow}
}

// site is what the pipeline knows of a bucket and a question does not.
func (x *exchange) site(b *stores.Bucket) access.Site {
	return access.Site{Terms: x.terms(b), Complete: b.Complete, OpaqueKeys: b.OpaqueKeys}
}

// role is the policy of the session's role, nil if there is none.
func (x *exchange) role() *policy.Policy {
	if in := x.who.Session; in != nil && in.Configured {
		return x.stores.Roles[in.Role]
	}
	return nil
}

// field is a header of S3's that the store gets, by its canonical name: one that the
// client has signed, that the query orders, or that a form has.
func (x *exchange) field(name string) (value string, given bool) {
	if x.form != nil {
		return first(x.form.header[name])
	}
	if value, given = first(x.r.Header[name]); given {
		_, signed := slices.BinarySearch(x.verified.SignedHeaders(), strings.ToLower(name))
		return value, signed
	}
	return x.req.Query.Field(name)
}

func first(values []string) (value string, given bool) {
	if len(values) == 0 {
		return "", false
	}
	return values[0], true
}

// shownHeader are the fields for a validator to look at: those that may go to a
// store, those that the client has signed or that the query orders, and the host.
// Of a form they are those of the form: no field of its request is about the object.
func (x *exchange) shownHeader() http.Header {
	var header http.Header
	if x.form != nil {
		header = maps.Clone(x.form.header)
	} else {
		header = fieldsOf(x.r.Header, x.verified.SignedHeaders(), true, validatorOnly)
	}
	for _, p := range x.req.Query {
		if name := p.Field(); name != "" {
			header[name] = []string{p.Value}
		}
	}
	header["Host"] = []string{x.r.Host}
	return header
}
