package callbacks

import (
	"context"
	"sync"
	"time"

	"osp/go/cache"
	"osp/go/turns"
)

// ticket is a question on its way through the gate, and the context in which it is
// asked: it has the values of the asker's, but ends when the answer is taken or the
// deadline has passed, which is the asker's if that comes sooner. Few look at that,
// so what tells them is made when they ask.
type ticket struct {
	context.Context // without an end
	begun, deadline time.Time
	call            Call
	lane            *lane
	answered        chan error // a late answer finds room and nobody

	line  *line // in which it waits; nil: none
	place *turns.Place[*ticket]

	mu   sync.Mutex
	err  error // nil: it has not ended
	done chan struct{}
}

func newTicket(ctx context.Context, call Call, lane *lane, timeout time.Duration) *ticket {
	begun := time.Now()
	deadline := begun.Add(timeout)
	if sooner, ok := ctx.Deadline(); ok && sooner.Before(deadline) {
		deadline = sooner
	}
	return &ticket{
		Context: context.WithoutCancel(ctx), begun: begun, deadline: deadline, call: call, lane: lane, answered: make(chan error, 1),
	}
}

// askedBefore returns the question of a load whose caller has left, or nil.
func askedBefore(ctx context.Context) *ticket {
	t, _ := cache.Sofar(ctx).(*ticket)
	return t
}

// Begun is when a question was asked: now, unless whoever asked it has left.
func Begun(ctx context.Context) time.Time {
	if t := askedBefore(ctx); t != nil {
		return t.begun
	}
	return time.Now()
}

// waitIn puts it at the end of its client's in a line.
func (t *ticket) waitIn(l *line) { t.line, t.place = l, l.Push(t.call.client(), t) }

func (t *ticket) leaveLine() {
	t.line.Remove(t.place)
	t.line = nil
}

// Deadline implements context.Context.
func (t *ticket) Deadline() (time.Time, bool) { return t.deadline, true }

// Done implements context.Context.
func (t *ticket) Done() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.done == nil {
		t.done = make(chan struct{})
		if t.err != nil {
			close(t.done)
		}
	}
	return t.done
}

// Err implements context.Context.
func (t *ticket) Err() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.err
}

// end ends the context, once.
func (t *ticket) end(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.err != nil {
		return
	}
	t.err = err
	if t.done != nil {
		close(t.done)
	}
}
