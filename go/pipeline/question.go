package pipeline

import (
	"maps"
	"net/http"
	"time"

	"osp/go/access"
)

// question is what the validator is asked about a verified request, where a
// decision is kept for ttl. It is a part of the exchange, and made once.
func (p *Pipeline) question(x *exchange, ttl time.Duration) *access.Question {
	var from access.Origin
	if p.access.SeesRequest() { // or nobody would look at it
		from = access.Origin{Client: p.hosts.client(x.r), ContentLength: x.r.ContentLength, Header: x.shownHeader}
	}
	x.question = p.access.Question(access.PrincipalOf(x.verified), x.req, from, ttl)
	return &x.question
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
