package limits

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"osp/go/turns"
)

// flow is what moves of an account in one direction. Streams move their bytes in pieces,
// each of which is charged when its turn has come; so what is owed is never more than a
// piece beyond what may be ahead, however many streams there are.
type flow struct {
	meter
	guess atomic.Int64          // of what is ahead: what other replicas may have moved that were not heard of yet
	crowd atomic.Pointer[crowd] // nil: nobody has had to wait yet
}

// crowd are the streams that wait. Whoever has many of them takes no more turns than
// others have.
type crowd struct {
	mu      sync.Mutex
	line    turns.Line[*piece]
	backlog map[string]time.Duration // what those of each owner cost that wait
	awaited atomic.Bool              // somebody waits, so a timer will look
	timer   int                      // the number of that; those before it do nothing
}

// piece is some bytes that wait.
type piece struct {
	owner  string
	cost   time.Duration
	passed chan struct{}
}

// shortestPause keeps streams from setting a timer for each piece.
const shortestPause = 10 * time.Millisecond

// pass returns when a piece has had its turn and is charged. The error is ctx's.
func (f *flow) pass(ctx context.Context, t *Table, owner string, cost time.Duration) error {
	if c := f.crowd.Load(); c == nil || !c.awaited.Load() {
		guess := t.guess(cost)
		if f.takeWithin(Window+shortestPause, cost+guess, t.clock()) {
			f.guessed(guess)
			return nil
		}
	}
	c := f.crowded()
	p := &piece{owner: owner, cost: cost, passed: make(chan struct{})}
	c.mu.Lock()
	place := c.line.Push(owner, p)
	c.backlog[owner] += cost
	if !c.awaited.Swap(true) {
		f.wake(t, c, t.clock())
	}
	c.mu.Unlock()
	select {
	case <-p.passed:
		return nil
	case <-ctx.Done():
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.line.Remove(place) {
		c.forget(p)
	}
	return ctx.Err()
}

// guessed notes that so much of what was charged is a guess.
func (f *flow) guessed(guess time.Duration) {
	if guess > 0 { // who is alone guesses nothing
		f.guess.Add(int64(guess))
	}
}

// crowded returns the crowd, which is made when it is first needed.
func (f *flow) crowded() *crowd {
	if c := f.crowd.Load(); c != nil {
		return c
	}
	f.crowd.CompareAndSwap(nil, &crowd{backlog: make(map[string]time.Duration)})
	return f.crowd.Load()
}

// wake has a timer look after those who wait, in the place of the one before. The caller
// holds mu.
func (f *flow) wake(t *Table, c *crowd, now time.Duration) {
	c.timer++
	number := c.timer
	t.later(max(0, f.ahead(now)-Window), func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if number == c.timer {
			f.serve(t, c)
		}
	})
}

// serve lets as many pieces pass as may, and comes back for the others. The caller holds mu.
func (f *flow) serve(t *Table, c *crowd) {
	now := t.clock()
	for f.ahead(now) <= Window+shortestPause {
		p, ok := c.line.Pop()
		if !ok {
			c.awaited.Store(false)
			return
		}
		c.forget(p)
		guess := t.guess(p.cost)
		f.charge(p.cost+guess, mostDebt, now)
		f.guessed(guess)
		close(p.passed)
	}
	f.wake(t, c, now)
}

// hear takes over what is ahead by the word of all replicas, in the place of a guess that
// was made before they were asked.
func (f *flow) hear(t *Table, guess, ahead time.Duration) {
	now := t.clock()
	f.correct(guess, ahead, now)
	if c := f.crowd.Load(); guess > 0 && c != nil && c.awaited.Load() {
		c.mu.Lock()
		defer c.mu.Unlock()
		f.serve(t, c)
	}
}

// forget notes that a piece does not wait any more. The caller holds mu.
func (c *crowd) forget(p *piece) {
	if c.backlog[p.owner] -= p.cost; c.backlog[p.owner] <= 0 {
		delete(c.backlog, p.owner)
	}
}

// owed is what is ahead of the clock, and what an owner's own streams wait with.
func (f *flow) owed(owner string, now time.Duration) time.Duration {
	owed := f.ahead(now)
	if c := f.crowd.Load(); c != nil && c.awaited.Load() {
		c.mu.Lock()
		owed += c.backlog[owner]
		c.mu.Unlock()
	}
	return owed
}
