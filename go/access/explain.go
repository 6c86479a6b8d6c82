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
	Bound     Bound // that says so, of a session; zero: the policies that govern everybody
	Refused   bool  // and so the request is
	policy.Verdict
}

// Explain says how policies come to their decision about a request, by all that the
// gate would ask them at a bucket. Whoever has not
// signed may only read from a bucket, whatever policies say; and a list of buckets,
// which has those that the client may list, is refused only where it is denied.
func (c *Checker) Explain(who Principal, what *s3op.Request, from *Origin, here Site) []Explained {
	q := About(who, what, from, here.Terms)
	if who.AccessKey == "" && who.Session == nil && (what.Bucket == "" || what.Writes()) {
		return []Explained{{Operation: q.request.Operation, Resource: q.resource(), Refused: true}}
	}
	var out []Explained
	_ = q.Touched(what, here, func(*s3op.CopySource) (Site, error) { return here, nil }, func(q *Question, _ bool) error {
		out = append(out, c.explain(q)...)
		return nil
	})
	return out
}

func (c *Checker) explain(q *Question) (out []Explained) {
	about := Explained{Operation: q.request.Operation, Resource: q.resource(), Refused: true}
	for _, action := range q.actions(nil) {
		about.Action = action.String()
		say := func(bound Bound, policies ...*policy.Policy) {
			about.Bound, about.Verdict = bound, c.decide(q, action, policies)
			about.Refused = about.Effect == policy.Deny || about.Effect == policy.None && about.Operation != string(s3op.ListBuckets)
			out = append(out, about)
		}
		for bound, p := range c.boundsOf(q) {
			say(bound, p)
		}
		say(0, q.Policies[:]...)
	}
	if out == nil {
		out = append(out, about)
	}
	return out
}
