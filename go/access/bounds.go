package access

import (
	"fmt"
	"hash/maphash"
	"iter"
	"strings"

	"osp/go/lru"
	"osp/go/policy"
)

// mostBounds is how many policies of sessions are kept as they were read, of which none
// takes much memory: sessions that somebody made by one rule have the same ones.
const mostBounds = 1024

// bounds are the policies that come with sessions, by their text. Each only narrows: what
// it does not allow is refused, whatever else allows it.
type bounds struct {
	read *lru.Map[string, *policy.Policy]
}

func newBounds() bounds {
	return bounds{lru.New[string, *policy.Policy](mostBounds, maphash.Comparable, nil)}
}

// of reads a policy, which was checked when its session was issued.
func (b bounds) of(document string) (*policy.Policy, error) {
	if p, ok := b.read.Get(document); ok {
		return p, nil
	}
	p, err := policy.ParseSession([]byte(document))
	if err == nil {
		b.read.Add(strings.Clone(document), p) // of a longer text that need not stay
	}
	return p, err
}

// outside reports whether a bound of the question's session refuses it, and which.
func (c *Checker) outside(q *Question) (r ruling, refused bool) {
	for bound, p := range c.boundsOf(q) {
		r = ruling{reason: "it can't be read"}
		if p != nil {
			r = c.ruleBy(q, p)
		}
		if r.effect != policy.Allow {
			return r.within(bound), true
		}
	}
	return ruling{}, false
}

// Bound says which policy narrows a session: the one of its role, or one of its own, of
// which the first is ByItself. The zero Bound is none.
type Bound int

// The bounds of a session.
const (
	ByRole Bound = iota + 1
	ByItself
)

// boundsOf yields what narrows the question's session; a policy that can't be read is nil.
func (c *Checker) boundsOf(q *Question) iter.Seq2[Bound, *policy.Policy] {
	return func(yield func(Bound, *policy.Policy) bool) {
		if role := q.Policies[ofRole]; role != nil && !yield(ByRole, role) {
			return
		}
		if q.request.Session == nil {
			return
		}
		for i, document := range q.request.Session.Policies {
			p, err := c.bounds.of(document)
			if err != nil {
				p = nil
			}
			if !yield(ByItself+Bound(i), p) {
				return
			}
		}
	}
}

// within says which bound refuses.
func (r ruling) within(bound Bound) ruling {
	what := "a policy of the session"
	if bound == ByRole {
		what = "the role's policy"
	}
	r.reason = fmt.Sprintf("%s: %s", what, r.reason)
	return r
}
