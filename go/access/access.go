// Package access decides whether a verified request may go on, by the owner's
// Allow callback and a cache of its decisions. Whatever is not a clear yes is a
// refusal. It verifies no signature and looks at no credentials.
package access

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"osp/go/cache"
	"osp/go/callbacks"
	"osp/go/s3err"
)

// longestRefusal bounds how long a refusal is kept, so that a grant made
// meanwhile takes effect soon.
const longestRefusal = 30 * time.Second

// atATime bounds how many of one client's questions are asked at the same
// time, so that it leaves room for those of others.
const atATime = 8

// ErrRefused is the cause of an AccessDenied that the owner's callback decided on,
// as opposed to one that it raised.
var ErrRefused = errors.New("refused by the validator")

// Options of a Checker.
type Options struct {
	Capacity    int              // decisions kept, at least 1
	CacheBy     []string         // names out of config.CacheFields; empty: everything that the callback sees
	ShowReasons bool             // the callback's reason for a refusal goes to the client
	Now         func() time.Time // nil: time.Now
}

// Checker is safe for concurrent use. Make it with New.
type Checker struct {
	allow       func(context.Context, *callbacks.Request) (callbacks.Decision, error)
	seesRequest bool
	showReasons bool
	parts       parts
	decisions   *cache.Cache[key, decision]
}

// decision is what is kept of an answer. It names its token and bucket, which
// the key hides, so that they can be forgotten.
type decision struct {
	refusal error // nil: allowed
	token   [sha256.Size]byte
	bucket  string
}

// New makes a Checker for the owner's callbacks.
func New(h callbacks.Set, o Options) *Checker {
	c := &Checker{
		allow:       h.Validator,
		seesRequest: h.ValidatorSeesRequest,
		showReasons: o.ShowReasons,
		decisions:   cache.New[key, decision](o.Capacity, o.Now),
	}
	if c.seesRequest {
		c.parts = partsOf(o.CacheBy)
	}
	return c
}

// Check returns nil when the request may go on, and otherwise an answer of
// package s3err: AccessDenied when the callback refused or raised, SlowDown when
// it was not asked or did not answer in time; or ctx's own error. Without a
// callback every request may go on: a valid signature is enough.
//
// An allowance is kept for ttl, a refusal for at most 30 s of it, unless the
// decision brings its own; what a raised exception led to is never kept. What
// is not kept serves this very request: others that look the same, at the same
// time, are asked about themselves, since what decided may be something that
// the key lacks. That nothing was decided in time goes for all of them. The request must not change afterwards: a callback may still look
// at it.
func (c *Checker) Check(ctx context.Context, ttl time.Duration, r *callbacks.Request) error {
	if c.allow == nil {
		return nil
	}
	k := c.parts.key(r)
	if d, ok := c.decisions.Lookup(k); ok {
		return d.refusal
	}
	return c.ask(ctx, k, ttl, c.visible(r))
}

func (c *Checker) ask(ctx context.Context, k key, ttl time.Duration, r *callbacks.Request) error {
	get := c.decisions.Get
	if ttl == 0 { // unless a decision brings its own
		get = c.decisions.Ask
	}
	d, err := get(ctx, k, func(ctx context.Context) (cache.Entry[decision], error) {
		answer, err := c.allow(ctx, r)
		if errors.Is(err, callbacks.ErrOverloaded) {
			// Nothing was decided. Each of those who waited would wait as long again,
			// and take a place from others.
			err = cache.ForAll(err)
		}
		if err != nil {
			return cache.Entry[decision]{}, fmt.Errorf("validator: %w", err)
		}
		return cache.Entry[decision]{
			Value: decision{c.refusalOf(answer), sha256.Sum256([]byte(r.Token)), strings.Clone(r.Bucket)},
			TTL:   keepFor(answer, ttl),
		}, nil
	})
	if err != nil {
		return callbacks.Refusal(ctx, err)
	}
	return d.refusal
}

// Question is one of several to ask together, with the arguments of Check.
type Question struct {
	Request *callbacks.Request
	TTL     time.Duration
}

// CheckAll is Check for many questions of one client, several at a time. It
// returns a refusal or nil for each; or the first error that is no refusal,
// which leaves the others undecided.
func (c *Checker) CheckAll(ctx context.Context, questions []Question) ([]error, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	refusals := make([]error, len(questions))
	var next atomic.Int64
	var wait sync.WaitGroup
	for range min(atATime, len(questions)) {
		wait.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(questions)) && ctx.Err() == nil; i = next.Add(1) - 1 {
				refusals[i] = c.Check(ctx, questions[i].TTL, questions[i].Request)
				if refusals[i] != nil && !errors.Is(refusals[i], s3err.AccessDenied) {
					cancel(refusals[i])
				}
			}
		})
	}
	wait.Wait()
	return refusals, context.Cause(ctx)
}

// visible is what the callback gets to see of a request: never more than its
// decision is cached by, unless the owner narrowed that, and the headers: they
// are in no key, so a decision that needed them has to say Once.
func (c *Checker) visible(r *callbacks.Request) *callbacks.Request {
	if !c.seesRequest {
		return &callbacks.Request{Token: r.Token, Bucket: r.Bucket}
	}
	return r
}

func (c *Checker) refusalOf(d callbacks.Decision) error {
	switch {
	case d.Allow:
		return nil
	case d.Reason == "":
		return s3err.AccessDenied.Because(ErrRefused)
	}
	refusal := s3err.AccessDenied
	if c.showReasons {
		refusal = refusal.Msg("Access Denied: " + d.Reason)
	}
	return refusal.Because(fmt.Errorf("%w: %s", ErrRefused, d.Reason))
}

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

// Stats says how useful the remembered decisions were.
func (c *Checker) Stats() cache.Stats { return c.decisions.Stats() }

// Forget drops the decisions about a token, a bucket, or both together; nil
// matches all. Callbacks that are asked at that moment answer those who wait, but
// their answers are not kept.
func (c *Checker) Forget(token, bucket *string) {
	var hash [sha256.Size]byte
	if token != nil {
		hash = sha256.Sum256([]byte(*token))
	}
	c.decisions.DeleteFunc(func(_ key, d decision) bool {
		return (token == nil || d.token == hash) && (bucket == nil || d.bucket == *bucket)
	})
}
