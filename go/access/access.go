// Package access decides whether a verified request may go on, by the owner's
// Allow hook and a cache of its decisions. Whatever is not a clear yes is a
// refusal. It verifies no signature and looks at no credentials.
package access

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"osp/go/cache"
	"osp/go/hooks"
	"osp/go/s3err"
)

// longestRefusal bounds how long a refusal is kept, so that a grant made
// meanwhile takes effect soon.
const longestRefusal = 30 * time.Second

// ErrRefused is the cause of an AccessDenied that the owner's hook decided on,
// as opposed to one that it raised.
var ErrRefused = errors.New("refused by the validator")

// Options of a Checker.
type Options struct {
	Capacity int              // decisions kept, at least 1
	CacheBy  []string         // names out of config.CacheFields; empty: everything that the hook sees
	Now      func() time.Time // nil: time.Now
}

// Checker is safe for concurrent use. Make it with New.
type Checker struct {
	allow       func(context.Context, *hooks.Request) (hooks.Decision, error)
	seesRequest bool
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

// New makes a Checker for the owner's hooks.
func New(h hooks.Hooks, o Options) *Checker {
	c := &Checker{
		allow:       h.Allow,
		seesRequest: h.AllowSeesRequest,
		decisions:   cache.New[key, decision](o.Capacity, o.Now),
	}
	if c.seesRequest {
		c.parts = partsOf(o.CacheBy)
	}
	return c
}

// Check returns nil when the request may go on, and otherwise an answer of
// package s3err: AccessDenied when the hook refused or raised, SlowDown when
// it was not asked or did not answer in time; or ctx's own error. Without a
// hook every request may go on: a valid signature is enough.
//
// An allowance is kept for ttl, a refusal for at most 30 s of it, unless the
// decision brings its own; what a raised exception led to is never kept. The
// request must not change afterwards: a hook may still look at it.
func (c *Checker) Check(ctx context.Context, ttl time.Duration, r *hooks.Request) error {
	if c.allow == nil {
		return nil
	}
	k := c.parts.key(r)
	if d, ok := c.decisions.Lookup(k); ok {
		return d.refusal
	}
	return c.ask(ctx, k, ttl, c.visible(r))
}

func (c *Checker) ask(ctx context.Context, k key, ttl time.Duration, r *hooks.Request) error {
	d, err := c.decisions.Get(ctx, k, func(ctx context.Context) (cache.Entry[decision], error) {
		answer, err := c.allow(ctx, r)
		if err != nil {
			return cache.Entry[decision]{}, fmt.Errorf("validator: %w", err)
		}
		return cache.Entry[decision]{
			Value: decision{refusalOf(answer), sha256.Sum256([]byte(r.Token)), r.Bucket},
			TTL:   keepFor(answer, ttl),
		}, nil
	})
	if err != nil {
		return hooks.Refusal(ctx, err)
	}
	return d.refusal
}

// visible is what the hook gets to see of a request: never more than its
// decision is cached by, unless the owner narrowed that. Headers are in no
// key, so they are left out.
func (c *Checker) visible(r *hooks.Request) *hooks.Request {
	if !c.seesRequest {
		return &hooks.Request{Token: r.Token, Bucket: r.Bucket}
	}
	seen := *r
	seen.Header = nil
	return &seen
}

func refusalOf(d hooks.Decision) error {
	switch {
	case d.Allow:
		return nil
	case d.Reason == "":
		return s3err.AccessDenied.Because(ErrRefused)
	default:
		return s3err.AccessDenied.Because(fmt.Errorf("%w: %s", ErrRefused, d.Reason))
	}
}

func keepFor(d hooks.Decision, ttl time.Duration) time.Duration {
	if d.TTL != nil {
		ttl = *d.TTL
	}
	if !d.Allow {
		ttl = min(ttl, longestRefusal)
	}
	return ttl
}

// Forget drops the decisions about a token, a bucket, or both together; an
// empty name matches all. Hooks that are asked at that moment answer those who
// wait, but their answers are not kept.
func (c *Checker) Forget(token, bucket string) {
	hash := sha256.Sum256([]byte(token))
	c.decisions.DeleteFunc(func(_ key, d decision) bool {
		return (token == "" || d.token == hash) && (bucket == "" || d.bucket == bucket)
	})
}
