package access

import (
	"net/http"

	"osp/go/policy"
	"osp/go/s3op"
)

// Explained is what policies say about one action that a request needs.
type Explained struct {
	Operation string
	Action    string // empty: no action would be enough
	Resource  string
	Refused   bool // and so the request is
	policy.Verdict
}

// Explain says how policies come to their decision about a request, by all that the
// gate would ask them. complete is what an entry says of its store. Whoever has not
// signed may only read from a bucket, whatever policies say; and a list of buckets,
// which has those that the client may list, is refused only where it is denied.
func (c *Checker) Explain(who Principal, what *s3op.Request, from *Origin, policies Policies, complete bool) []Explained {
	terms := Terms{Policies: policies}
	q := About(who, what, from, terms)
	if who.AccessKey == "" && (what.Bucket == "" || what.Writes()) {
		return []Explained{{Operation: q.request.Operation, Resource: q.resource(), Refused: true}}
	}
	var out []Explained
	explain := func(q *Question) {
		out = append(out, c.explain(q)...)
		for _, other := range q.OtherVersions(complete, true) {
			out = append(out, c.explain(other)...)
		}
	}
	explain(&q)
	if what.Fallback != "" && (!complete || what.Unlisted != nil) {
		explain(q.Instead(what.Fallback))
	}
	if source := what.CopySource; source != nil {
		explain(q.Source(source, http.MethodGet, s3op.GetObject, terms))
	}
	if what.RenameSource != "" {
		source := &s3op.CopySource{Bucket: what.Bucket, Key: what.RenameSource}
		explain(q.Source(source, http.MethodGet, s3op.GetObject, terms))
		explain(q.Source(source, http.MethodDelete, s3op.DeleteObject, terms))
	}
	if what.Unlisted != nil && what.Operation != s3op.Unknown {
		explain(q.Instead(s3op.Unknown))
	}
	return out
}

func (c *Checker) explain(q *Question) (out []Explained) {
	about := Explained{Operation: q.request.Operation, Resource: q.resource(), Refused: true}
	for _, action := range q.actions(nil) {
		about.Action, about.Verdict = action.String(), c.decide(q, action, q.Policies[:])
		about.Refused = about.Effect == policy.Deny || about.Effect == policy.None && about.Operation != string(s3op.ListBuckets)
		out = append(out, about)
	}
	if out == nil {
		out = append(out, about)
	}
	return out
}
