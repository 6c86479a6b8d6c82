package hooks

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync/atomic"
	"time"

	"osp/go/secret"
)

var errNoAnswer = errors.New("callback ended without an answer")

// headStart: a callback that answers at once, as most do, is better alone than
// in a crowd of threads that fight over Python's lock. Only when one has not
// answered within this time does the next begin beside it.
const headStart = 500 * time.Microsecond

// keepWorker is how long a goroutine that asked waits for another question. What
// encodes, calls and decodes goes deep, and the stack for that has grown then.
const keepWorker = time.Second

// strangersPart is the part of the places, and of the queue, that questions about
// strangers may take: an eighth of them, and one at least.
const strangersPart = 8

// stranger marks the context of a question.
type stranger struct{}

// AboutStranger marks a question that anybody can cause: it is about an access
// key with which nobody has signed yet. Such questions share a small part of the
// places and of the queue, so that a scan with random keys leaves the rest to
// clients who are known.
func AboutStranger(ctx context.Context) context.Context {
	return context.WithValue(ctx, stranger{}, true)
}

// Limited returns hooks that share one set of limits: at most concurrency of
// them run at a time, at most queue wait for their turn, and none takes longer
// than timeout from question to answer, waiting included. Past any of these
// the caller gets ErrOverloaded, though a hook that does not return keeps its
// place until it does. A panic in a hook becomes an error. Questions about
// strangers reach the limits sooner.
//
// When the caller's context is cancelled while its question waits, the
// question is dropped. One that is being answered goes on to its end or
// deadline, since its answer is worth caching by then.
func Limited(h Hooks, concurrency, queue int, timeout time.Duration) Hooks {
	g := &gate{
		slots: make(chan struct{}, concurrency), start: make(chan struct{}, 1), idle: make(chan func()),
		queue: line{most: int64(queue)}, timeout: timeout,
		strangers: make(chan struct{}, part(concurrency)), strangersQueue: line{most: int64(part(queue))},
	}
	limited := Hooks{AllowSeesRequest: h.AllowSeesRequest}
	if h.Secret != nil {
		limited.Secret = func(ctx context.Context, accessKey string) (Secret, error) {
			return ask(ctx, g, func(ctx context.Context) (Secret, error) { return h.Secret(ctx, accessKey) })
		}
	}
	if h.Allow != nil {
		limited.Allow = func(ctx context.Context, r *Request) (Decision, error) {
			return ask(ctx, g, func(ctx context.Context) (Decision, error) { return h.Allow(ctx, r) })
		}
	}
	if h.BucketCreds != nil {
		limited.BucketCreds = func(ctx context.Context, token, bucket string) (secret.Value, error) {
			return ask(ctx, g, func(ctx context.Context) (secret.Value, error) { return h.BucketCreds(ctx, token, bucket) })
		}
	}
	return limited
}

func part(of int) int { return max(1, of/strangersPart) }

// line counts those who wait.
type line struct {
	waiting atomic.Int64
	most    int64
}

// join is followed by leave, also when it fails.
func (l *line) join() error {
	if l.waiting.Add(1) > l.most {
		return fmt.Errorf("%w: %d questions wait already", ErrOverloaded, l.most)
	}
	return nil
}

func (l *line) leave() { l.waiting.Add(-1) }

// gate lets questions through, one slot each, one after the other.
type gate struct {
	start   chan struct{} // held by the question that has its head start
	slots   chan struct{}
	idle    chan func() // to workers that wait for another question
	queue   line
	timeout time.Duration

	strangers      chan struct{} // held by a question about one, beside its slot, and while it waits for that
	strangersQueue line          // to strangers; each of it is in queue as well
}

// enter takes a slot and then a head start, for which nobody has to queue. It
// fails at once when the queue is full, when caller is cancelled, and when
// deadline passes.
func (g *gate) enter(caller, deadline context.Context) error {
	if err := g.awaitSlot(caller, deadline); err != nil {
		return err
	}
	err := g.await(g.start, caller, deadline)
	if err != nil {
		<-g.slots
	}
	return err
}

func (g *gate) awaitSlot(caller, deadline context.Context) error {
	select {
	case g.slots <- struct{}{}:
		return nil
	default:
	}
	defer g.queue.leave()
	if err := g.queue.join(); err != nil {
		return err
	}
	return g.await(g.slots, caller, deadline)
}

// enterStranger is enter within the part that is for strangers.
func (g *gate) enterStranger(caller, deadline context.Context) error {
	if err := g.awaitPart(caller, deadline); err != nil {
		return err
	}
	err := g.enter(caller, deadline)
	if err != nil {
		<-g.strangers
	}
	return err
}

func (g *gate) awaitPart(caller, deadline context.Context) error {
	select {
	case g.strangers <- struct{}{}:
		return nil
	default:
	}
	defer g.strangersQueue.leave()
	if err := g.strangersQueue.join(); err != nil {
		return err
	}
	defer g.queue.leave()
	if err := g.queue.join(); err != nil {
		return err
	}
	return g.await(g.strangers, caller, deadline)
}

func (g *gate) await(place chan<- struct{}, caller, deadline context.Context) error {
	select {
	case place <- struct{}{}:
		return nil
	case <-deadline.Done():
		return g.late()
	case <-caller.Done():
		return caller.Err()
	}
}

// begin runs f, which has entered, beside its caller.
func (g *gate) begin(f func()) {
	select {
	case g.idle <- f:
	default:
		go g.work(f)
	}
}

func (g *gate) work(f func()) {
	patience := time.NewTimer(keepWorker)
	defer patience.Stop()
	for {
		f()
		f = nil // and what it holds
		patience.Reset(keepWorker)
		select {
		case f = <-g.idle:
		case <-patience.C:
			return
		}
	}
}

// hold begins the head start of what has entered. What it returns ends the stay.
func (g *gate) hold() (leave func()) {
	start := time.AfterFunc(headStart, func() { <-g.start })
	return func() {
		if start.Stop() {
			<-g.start
		}
		<-g.slots
	}
}

func (g *gate) late() error { return fmt.Errorf("%w: no answer within %v", ErrOverloaded, g.timeout) }

type result[T any] struct {
	answer T
	err    error
}

func ask[T any](ctx context.Context, g *gate, hook func(context.Context) (T, error)) (T, error) {
	var none T
	deadline, cancel := context.WithTimeout(context.WithoutCancel(ctx), g.timeout)
	enter, leave := g.enter, func() {}
	if ctx.Value(stranger{}) != nil {
		enter, leave = g.enterStranger, func() { <-g.strangers }
	}
	if err := enter(ctx, deadline); err != nil {
		cancel()
		return none, err
	}
	answered := make(chan result[T], 1) // a late answer finds room and nobody
	g.begin(func() {
		r := result[T]{err: errNoAnswer}
		defer func() { answered <- r }() // last: whoever has it finds the place free
		defer leave()
		defer g.hold()()
		r = call(deadline, hook)
	})
	// Not before the answer is taken: a deadline that is cancelled looks like one that has passed.
	defer cancel()
	select {
	case r := <-answered:
		if r.err == nil {
			return r.answer, nil
		}
		if deadline.Err() == context.DeadlineExceeded && errors.Is(r.err, context.DeadlineExceeded) {
			return none, g.late()
		}
		return none, r.err
	case <-deadline.Done():
		return none, g.late()
	}
}

// call runs a hook and turns a panic into an error.
func call[T any](ctx context.Context, hook func(context.Context) (T, error)) (r result[T]) {
	defer func() {
		if p := recover(); p != nil {
			r.err = fmt.Errorf("callback panicked: %v\n%s", p, debug.Stack())
		}
	}()
	r.answer, r.err = hook(ctx)
	return r
}
