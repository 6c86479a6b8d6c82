// Package policy reads policies in the language of IAM, version 2012-10-17, and
// decides by them: a question comes to an explicit deny, to an allow, or to nothing,
// each with the statement that says so. It knows plain values only: no request, no
// cache, no callback. What it does not understand in a document is a mistake, and
// never passed over.
//
// The rules are those of AWS's IAM User Guide; the comments name its pages. A policy
// says to whom a statement applies by a member of our own, see readPrincipal.
package policy

import (
	"crypto/sha256"
	"strconv"
	"time"

	"osp/go/s3op"
	"osp/go/session"
)

// Effect is what a policy says about a question.
type Effect uint8

// The effects. The zero Effect is that nothing was said, which is a refusal.
const (
	None Effect = iota
	Allow
	Deny
)

func (e Effect) String() string { return [...]string{"nothing", "allow", "deny"}[e] }

// Verdict is what a policy says, and by which statement; nil if it says nothing.
type Verdict struct {
	Effect    Effect
	Statement *Statement
}

// Request is what conditions ask about, beside the members of a Question.
type Request interface {
	// Param is a parameter of the query, decoded.
	Param(name string) (value string, given bool)
	// Field is a header that orders something of the store, by its canonical name.
	Field(name string) (value string, given bool)
}

// Question is whether somebody may perform one action on one resource.
type Question struct {
	Action    s3op.Action
	Resource  string           // `bucket/key`, or `bucket`, decoded; empty: the service
	Token     string           // the client's access key id, or what its session says; empty: nobody signed
	Session   *session.Session // of a temporary key; nil: none
	VersionID string           // empty: none is named
	ClientIP  string           // empty: unknown
	Secure    bool             // the client came by https
	Now       func() time.Time
	Request   Request
}

// Policy is a document that was understood. It is immutable. A nil Policy says
// nothing about anything.
type Policy struct {
	denies, allows index
	digest         [sha256.Size]byte
	closer         bool // see LooksCloser
}

// LooksCloser reports whether what the policy says about a session may depend on more than
// its token, its role and its name: on claims, tags or the source identity.
func (p *Policy) LooksCloser() bool { return p.closer }

// Same reports whether two policies are the same document.
func (p *Policy) Same(q *Policy) bool {
	return p == q || p != nil && q != nil && p.digest == q.digest
}

// Decide says what follows from the policy for one action. An explicit deny takes
// precedence over any allow ("Policy evaluation logic").
func (p *Policy) Decide(q *Question) Verdict {
	if p == nil {
		return Verdict{}
	}
	var noted notes
	if s := p.denies.find(q, unreadable, &noted); s != nil {
		return Verdict{Deny, s}
	}
	if s := p.allows.find(q, yes, &noted); s != nil {
		return Verdict{Allow, s}
	}
	return Verdict{}
}

// Statement is one statement of a policy.
type Statement struct {
	Sid   string
	Index int // in the document, from 0
	Line  int // in the document, from 1

	denies       bool
	actions      actionSet
	everybody    bool      // also who has not signed
	tokens       []pattern // of those who have, unless it is about everybody
	roles        []pattern // of sessions, likewise
	claims       []claim   // likewise
	resources    []pattern
	notResources bool // it is about all others
	conditions   []condition
	note         int // where it is noted what the conditions come to, if they may be looked at several times; 0: nowhere
}

// notes has what the conditions of statements come to, for one question: with each pattern
// of a resource that fits they are looked at.
type notes [1 + mostNoted]struct {
	known bool
	truth truth
}

// mostNoted is at least as many statements of several resources as the policy of a session
// may have.
const mostNoted = maxSessionPatterns / 2

// holds is applies, of which a question takes note.
func (s *Statement) holds(q *Question, noted *notes) truth {
	if s.note == 0 {
		return s.applies(q)
	}
	note := &noted[s.note]
	if !note.known {
		note.known, note.truth = true, s.applies(q)
	}
	return note.truth
}

// String is how messages name the statement.
func (s *Statement) String() string {
	if s.Sid != "" {
		return "statement " + strconv.Quote(s.Sid)
	}
	return "Statement[" + strconv.Itoa(s.Index) + "]"
}

// claim is one that the identity token of a session may have, with its values.
type claim struct {
	name     string
	patterns []pattern
}

// actionSet has a bit for each s3op.Action.
type actionSet [4]uint64

func (a *actionSet) add(action s3op.Action) { a[action/64] |= 1 << (action % 64) }

func (a *actionSet) flip(action s3op.Action) { a[action/64] ^= 1 << (action % 64) }

func (a *actionSet) has(action s3op.Action) bool { return a[action/64]&(1<<(action%64)) != 0 }

func (a *actionSet) empty() bool { return *a == actionSet{} }

func (a *actionSet) join(b *actionSet) {
	for i := range a {
		a[i] |= b[i]
	}
}
