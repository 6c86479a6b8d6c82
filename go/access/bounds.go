package access

import (
	"fmt"
	"hash/maphash"
	"strings"

	"osp/go/lru"
	"osp/go/policy"
)

// Policies of sessions are kept as they were read: sessions that somebody made by one
// rule have the same ones. One that takes much more memory than its text, as no useful
// one does, is read again for each request of its session.
const (
	mostBounds   = 2048
	longestBound = 24 << 10 // bytes, see policy.Policy.Size
)

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
	if err == nil && p.Size() <= longestBound {
		b.read.Add(strings.Clone(document), p) // of a longer text that need not stay
	}
	return p, err
}

// outside reports whether a bound of the question's session refuses it, and which: the
// policy of its role, or one of its own.
func (c *Checker) outside(q *Question) (r ruling, refused bool) {
	if role := q.Policies[ofRole]; role != nil {
		if r = c.ruleBy(q, role); r.effect != policy.Allow {
			return r.within("the role's policy"), true
		}
	}
	if q.request.Session == nil {
		return ruling{}, false
	}
	for _, document := range q.request.Session.Policies {
		p, err := c.bounds.of(document)
		if err != nil {
			return ruling{reason: "a policy of the session can't be read"}, true
		}
		if r = c.ruleBy(q, p); r.effect != policy.Allow {
			return r.within("a policy of the session"), true
		}
	}
	return ruling{}, false
}

// within says which bound refuses.
func (r ruling) within(what string) ruling {
	r.reason = fmt.Sprintf("%s: %s", what, r.reason)
	return r
}
