package access

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"osp/go/callbacks"
	"osp/go/s3err"
)

// ErrRefused is the cause of an AccessDenied that the owner's callback decided on,
// as opposed to one that it raised.
var ErrRefused = errors.New("refused by the validator")

var errNoReason = s3err.AccessDenied.Because(ErrRefused)

// Source says where a decision comes from.
type Source uint8

// The sources. The zero Source is that of no decision.
const (
	Signature  Source = iota + 1 // there is no validator: a valid signature is enough
	Asked                        // the validator was asked, perhaps for one just like it that came at the same time
	Remembered                   // it had been asked before
	Policy                       // a policy says so, and no validator was asked
)

// Decision is what came of a question. The zero Decision is a refusal.
type Decision struct {
	Allowed bool
	Source  Source
	tell    bool   // the client may read the reason, too
	Reason  string // of a refusal, if one was given; it is for the log
	Limits  string // class of limits that the validator chose; empty: none

	err error // why nothing was decided; nil: something was
}

// String is how the log says it.
func (d Decision) String() string {
	switch {
	case d.err != nil:
		return "no decision"
	case d.Allowed:
		return "allow"
	case d.Reason == "":
		return "refuse"
	}
	return "refuse: " + d.Reason
}

// Refusal is the one place where a decision becomes an answer of package s3err:
// nil when the request may go on, AccessDenied when a policy or the callback refused
// or it raised, SlowDown when it was not asked or did not answer in time; or the error
// of the asker's own context.
func (d Decision) Refusal() error {
	if d.Allowed && d.err == nil {
		return nil
	}
	return d.refusal()
}

func (d *Decision) refusal() error {
	switch {
	case d.err != nil:
		return d.err
	case d.Source == Policy:
		return s3err.AccessDenied.Because(fmt.Errorf("%w: %s", errByPolicy, d.Reason))
	case d.Reason == "":
		return errNoReason
	}
	refusal := s3err.AccessDenied
	if d.tell {
		refusal = refusal.Msg("Access Denied: " + d.Reason)
	}
	return refusal.Because(fmt.Errorf("%w: %s", ErrRefused, d.Reason))
}

// remembered is what is kept of an answer: a plain value, so that it could be
// written down. It names its token and bucket, which the key hides, so that they
// can be forgotten.
type remembered struct {
	allowed bool
	reason  string
	limits  string
	token   [sha256.Size]byte
	bucket  string
}

// decision is what a kept answer means to who asks now.
func (c *Checker) decision(kept remembered, source Source) Decision {
	return Decision{Allowed: kept.allowed, Source: source, Reason: kept.reason, Limits: kept.limits, tell: c.showReasons}
}

// longestRefusal bounds how long a refusal is kept, so that a grant made
// meanwhile takes effect soon.
const longestRefusal = 30 * time.Second

// keepFor is how long a decision serves others. One that holds once, because the
// validator has looked at a header (object_storage_proxy/_headers.py notes that),
// serves nobody else.
func keepFor(d callbacks.Decision, ttl time.Duration) time.Duration {
	if d.TTL != nil {
		ttl = *d.TTL
	}
	if d.Once {
		ttl = 0
	}
	if !d.Allow {
		ttl = min(ttl, longestRefusal)
	}
	return ttl
}
