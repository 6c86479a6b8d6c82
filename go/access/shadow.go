package access

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"osp/go/callbacks"
	"osp/go/policy"
	"osp/go/shared"
)

const (
	shadowsAtATime = 4   // questions of the shadow that are decided at the same time
	shadowsWaiting = 128 // that may wait for that; the rest is dropped
	// shadowsHold bounds the memory of those that wait or are decided, in bytes. Each keeps the
	// head of its request, of which there is room for several of the longest.
	shadowsHold = 1 << 20
)

// What can come of a question to the shadow.
const (
	Agreed      = "agreed"
	WouldAllow  = "would_allow"  // what was refused
	WouldRefuse = "would_refuse" // what was allowed
	Failed      = "failed"       // it came to no decision
	Dropped     = "dropped"      // so many wait, or so much, that it was not asked
)

// Comparison is what came of one question to the shadow.
type Comparison struct {
	Outcome     string             // one of those above
	Request     *callbacks.Request // that was asked about; nil where it was not asked
	Now, Shadow Decision           // zero where it was not asked
	Panic       error              // nil: there was none
}

// Shadow is another set of rules, a policy and a validator in the place of those that
// decide: it is asked about the same, and what it says is compared and has no effect. It
// is asked beside the request, which does not wait for it, with a cache and places of its
// own. Its goroutines begin with the first question. A nil Shadow is off.
type Shadow struct {
	checker *Checker
	sample  float64
	seen    func(Comparison)

	begin  sync.Once
	trials chan trial
	held   atomic.Int64 // bytes, of the trials that are not over
	ctx    context.Context
	stop   context.CancelFunc
}

// trial is a question that was decided.
type trial struct {
	question *Question
	now      Decision
}

// NewShadow makes a Shadow of the owner's ShadowValidator and the Shadow of each
// question's terms. sample is the share of the questions that it is asked about; with 0 it
// is off. seen must not make whoever calls it wait: that may be a request.
func NewShadow(owner callbacks.Set, o Options, sample float64, seen func(Comparison)) *Shadow {
	if sample == 0 {
		return nil
	}
	rules := callbacks.Set{Validator: owner.ShadowValidator, ValidatorSeesRequest: owner.ShadowValidatorSeesRequest}
	s := &Shadow{checker: New(rules, o), sample: sample, seen: seen}
	s.ctx, s.stop = context.WithCancel(context.Background())
	return s
}

// On reports whether there are other rules, with a policy or without. Then a question
// has to say more than token and bucket: differences are told with the operation and the key.
func (s *Shadow) On(p *policy.Policy) bool {
	return s != nil && (p != nil || s.checker.validator != nil)
}

// offer has a question compared, unless there are no other rules for it, or it is not in
// the sample. Where nothing was decided there is nothing to compare with.
func (s *Shadow) offer(q *Question, now Decision) {
	if now.err != nil || !s.On(q.Shadow) {
		return
	}
	if s.sample < 1 && rand.Float64() >= s.sample {
		return
	}
	s.begin.Do(s.start)
	if !s.enqueue(trial{q, now}) {
		s.seen(Comparison{Outcome: Dropped})
	}
}

// enqueue reports whether there is room for a trial.
func (s *Shadow) enqueue(t trial) bool {
	if s.held.Add(t.size()) <= shadowsHold {
		select {
		case s.trials <- t:
			return true
		default:
		}
	}
	s.held.Add(-t.size())
	return false
}

// size is about how many bytes of memory a trial keeps from being freed.
func (t trial) size() int64 {
	const itself = 1 << 10 // the question, and the rest of the exchange that it is about
	r := &t.question.request
	return int64(itself + t.question.size + len(r.Key) + len(r.Path) + len(t.now.Reason))
}

func (s *Shadow) start() {
	s.trials = make(chan trial, shadowsWaiting)
	for range shadowsAtATime {
		go func() {
			for {
				select {
				case t := <-s.trials:
					s.seen(s.compare(t))
					s.held.Add(-t.size())
				case <-s.ctx.Done():
					return
				}
			}
		}()
	}
}

func (s *Shadow) compare(t trial) (c Comparison) {
	c = Comparison{Outcome: Failed, Request: &t.question.request, Now: t.now}
	defer func() {
		if p := recover(); p != nil { // no request is there to fail instead of the process
			c.Panic = fmt.Errorf("%v\n%s", p, debug.Stack())
		}
	}()
	q := *t.question
	q.Policies[0] = q.Shadow
	c.Shadow = s.checker.Check(s.ctx, &q)
	switch {
	case c.Shadow.err != nil:
	case c.Shadow.Allowed == c.Now.Allowed:
		c.Outcome = Agreed
	case c.Shadow.Allowed:
		c.Outcome = WouldAllow
	default:
		c.Outcome = WouldRefuse
	}
	return c
}

func (s *Shadow) forget(list []shared.Revocation) {
	if s != nil {
		s.checker.Forget(list...)
	}
}

// Close ends it. What waits is not decided any more.
func (s *Shadow) Close() {
	if s != nil {
		s.stop()
	}
}
