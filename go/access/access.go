// Package access decides whether a principal may do what is asked for, by the owner's
// policies, and by the validator and a cache of its decisions. Whatever is not a clear
// yes is a refusal.
// A question is made of plain values, so that it can be asked without a request.
// It verifies no signature and looks at no credentials.
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
	"osp/go/policy"
	"osp/go/s3err"
	"osp/go/shared"
)

// atATime bounds how many of one client's questions are asked at the same
// time, so that it leaves room for those of others.
const atATime = 8

// Options of a Checker.
type Options struct {
	Capacity    int              // decisions kept, at least 1
	CacheBy     []string         // names out of config.CacheFields; empty: everything that the callback sees
	ShowReasons bool             // the callback's reason for a refusal goes to the client
	Now         func() time.Time // nil: time.Now
	Shared      *shared.State    // with whom decisions are shared; nil: with nobody
	Shadow      *Shadow          // is told of each decision; nil: there is none
}

// Checker is safe for concurrent use. Make it with New.
type Checker struct {
	validator   callbacks.Callback[*callbacks.Request, callbacks.Decision] // nil: there is none
	seesRequest bool
	showReasons bool
	now         func() time.Time
	parts       parts
	bounds      bounds
	shared      *shared.State
	shadow      *Shadow
	knownBy     string // how a decision is known in a fleet
	decisions   *cache.Cache[key, remembered]
}

// New makes a Checker for the owner's callbacks.
func New(owner callbacks.Set, o Options) *Checker {
	c := &Checker{
		validator:   owner.Validator,
		seesRequest: owner.ValidatorSeesRequest,
		showReasons: o.ShowReasons,
		now:         o.Now,
		shared:      o.Shared,
		bounds:      newBounds(),
		shadow:      o.Shadow,
		decisions:   cache.New[key, remembered](o.Capacity, o.Now),
	}
	if o.Shared != nil {
		c.decisions.Trust(o.Shared.Generation, shared.Moment)
	} else {
		c.decisions.Here() // a load is a question and no more
	}
	if c.now == nil {
		c.now = time.Now
	}
	c.knownBy = "two arguments"
	if c.seesRequest {
		c.parts = partsOf(o.CacheBy)
		c.knownBy = c.parts.String()
	}
	return c
}

// SeesRequest reports whether the callback looks at more than token and bucket.
// If it does not, questions that differ in nothing else are one to it.
func (c *Checker) SeesRequest() bool { return c.seesRequest }

// Check decides about one question. What a bound of a session does not allow, or a policy
// denies, is refused. Of everything else
// the validator's word is final; without one, what the policies that govern the question
// allow may go on, and nothing else. Without a policy and a callback every request may: a
// valid signature is enough, but not for a role. What policies say is never kept: they are
// cheap.
//
// An allowance is kept for the question's TTL, a refusal for at most 30 s of it,
// unless the decision brings its own; what a raised exception led to is never
// kept. What is not kept serves this very request: others that look the same, at
// the same time, are asked about themselves, since what decided may be something
// that the key lacks. That nothing was decided in time goes for all of them.
func (c *Checker) Check(ctx context.Context, q *Question) Decision {
	d := c.check(ctx, q)
	c.shadow.offer(q, d)
	return d
}

// Repeated is for a question to which the answer is that to the one before, which was
// allowed: to nobody but the shadow it may be another one.
func (c *Checker) Repeated(q *Question) {
	c.shadow.offer(q, Decision{Allowed: true, Source: Remembered})
}

func (c *Checker) check(ctx context.Context, q *Question) Decision {
	if r, refused := c.outside(q); refused {
		return r.decision()
	}
	switch r := c.rule(q); {
	case r.effect == policy.Deny, r.effect != noPolicy && c.validator == nil:
		return r.decision()
	case c.validator == nil && q.ofRole():
		return ruling{reason: "nothing says what the session's role may do"}.decision()
	case c.validator == nil:
		return Decision{Allowed: true, Source: Signature}
	}
	k := c.parts.key(&q.request)
	if kept, ok := c.decisions.Lookup(k); ok {
		return c.decision(kept, Remembered)
	}
	return c.ask(ctx, k, q.TTL, c.visible(q))
}

func (c *Checker) ask(ctx context.Context, k key, ttl time.Duration, r *callbacks.Request) Decision {
	get := c.decisions.Get
	if ttl == 0 { // unless a decision brings its own
		get = c.decisions.Ask
	}
	load := func(ctx context.Context) (cache.Entry[remembered], error) {
		answer, err := c.validator(ctx, r)
		if errors.Is(err, callbacks.ErrOverloaded) {
			// Nothing was decided. Each of those who waited would wait as long again,
			// and take a place from others.
			err = cache.ForAll(err)
		}
		if err != nil {
			return cache.Entry[remembered]{}, fmt.Errorf("validator: %w", err)
		}
		return cache.Entry[remembered]{
			Value: remembered{allowed: answer.Allow, reason: answer.Reason, limits: answer.Limits, token: sha256.Sum256([]byte(r.Token)), bucket: strings.Clone(r.Bucket)},
			TTL:   keepFor(answer, ttl),
		}, nil
	}
	if c.shared != nil && ttl != 0 {
		load = shared.Load(c.shared, c.item(k, r, ttl), decisionCodec(r), load)
	}
	kept, err := get(ctx, k, load)
	if err != nil {
		return Decision{err: callbacks.Refusal(ctx, err)}
	}
	return c.decision(kept, Asked)
}

// CheckAll is Check for many questions of one client, several at a time. It
// returns a decision for each; or the first error that is no refusal, which
// leaves the others undecided.
func (c *Checker) CheckAll(ctx context.Context, questions []*Question) ([]Decision, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	decisions := make([]Decision, len(questions))
	var next atomic.Int64
	var wait sync.WaitGroup
	for range min(atATime, len(questions)) {
		wait.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(questions)) && ctx.Err() == nil; i = next.Add(1) - 1 {
				decisions[i] = c.Check(ctx, questions[i])
				if err := decisions[i].err; err != nil && !errors.Is(err, s3err.AccessDenied) {
					cancel(err)
				}
			}
		})
	}
	wait.Wait()
	return decisions, context.Cause(ctx)
}

// Stats says how useful the remembered decisions were.
func (c *Checker) Stats() cache.Stats { return c.decisions.Stats() }

// Forget drops the decisions that any of these revocations is about. Callbacks
// that are asked at that moment answer those who wait, but their answers are not
// kept.
func (c *Checker) Forget(list ...shared.Revocation) {
	revoked := shared.RevokedBy(list)
	c.shadow.forget(list)
	c.decisions.DeleteFunc(func(_ key, kept remembered) bool { return revoked.About(kept.token, kept.bucket) })
}
