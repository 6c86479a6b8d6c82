package access

import (
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
	here := Site{Terms: terms, Complete: complete, OpaqueKeys: complete}
	_ = q.Touched(what, here, func(*s3op.CopySource) (Site, error) { return here, nil }, func(q *Question, _ bool) error {
		out = append(out, c.explain(q)...)
		return nil
	})
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
