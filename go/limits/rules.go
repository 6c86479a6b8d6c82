package limits

import (
	"time"

	"osp/go/s3op"
)

// Scope says whose share a rule is about.
type Scope uint8

// The scopes. Some shares are a client's own, others are common to many.
const (
	Token          Scope = iota // each client key
	TokenAndBucket              // each client key in each entry
	Address                     // each address of clients without a signature
	Class                       // each client key for which the validator chose a class
	AddressClass                // each address, likewise, of clients without a signature
	Entry                       // each entry of cos_map
	Anonymous                   // all clients without a signature together
	All                         // everybody together
)

// common reports whether clients share what such a rule gives.
func (s Scope) common() bool { return s >= Entry }

// ofAddresses reports whether there are as many such shares as a client has addresses.
func (s Scope) ofAddresses() bool { return s == Address || s == AddressClass }

var scopes = [...]string{"token", "token_and_bucket", "address", "classes", "classes of addresses", "entry", "anonymous", "all"}

// String is the scope's name in a configuration, and in that of an account: see fields.
func (s Scope) String() string { return scopes[s] }

// Window is how many bytes may come at once, in time, and the most that is paid for
// in advance before a stream has to pause. Twice as much, and new requests are refused.
const Window = time.Second

// Measures are what one rule limits. What is zero is not limited.
type Measures struct {
	Requests Rate
	In, Out  Rate // bytes of bodies

	Concurrent  int64 // requests at a time
	Largest     int64 // bytes of an object
	DayRequests int64 // of a day in UTC
	DayBytes    int64 // in and out
}

// bytes is the Rate of a direction.
func (m *Measures) bytes(d Direction) *Rate {
	if d == In {
		return &m.In
	}
	return &m.Out
}

// Rule limits what happens within a scope: all of it, and each class of operations.
type Rule struct {
	Measures
	Of [s3op.Classes]Measures
}

// Rules are the limits of a server. nil: there is no such rule.
type Rules struct {
	All, Entry, Token, TokenAndBucket, Anonymous, Address *Rule

	// Classes are those that a validator may choose, in the place of Token, or beside Address.
	Classes map[string]*Rule
}

// OrNone returns nil if there is no rule, so that requests don't look for one.
func (r *Rules) OrNone() *Rules {
	if r == nil {
		return nil
	}
	for _, rule := range []*Rule{r.All, r.Entry, r.Token, r.TokenAndBucket, r.Anonymous, r.Address} {
		if rule != nil {
			return r
		}
	}
	if len(r.Classes) > 0 {
		return r
	}
	return nil
}

// EntryRules are those of one entry of cos_map. nil: those of the server hold.
type EntryRules struct {
	All   *Rule // in the place of Rules.Entry
	Token *Rule // in the place of Rules.TokenAndBucket
}

// Same reports whether two say the same.
func (e *EntryRules) Same(o *EntryRules) bool {
	if e == nil || o == nil {
		return e == o
	}
	return same(e.All, o.All) && same(e.Token, o.Token)
}

func same(a, b *Rule) bool { return a == b || a != nil && b != nil && *a == *b }

// Subject is whose share a request takes.
type Subject struct {
	Token     string // client key; empty: there is no signature
	Entry     string // of cos_map; empty: the request is about none
	Address   string // of a client without a signature
	Operation s3op.Class
	Size      int64 // of the object that is to be stored, as declared; 0: there is none
}

// owner is who takes turns with others.
func (s *Subject) owner() string {
	if s.Token != "" {
		return s.Token
	}
	return s.Address
}
