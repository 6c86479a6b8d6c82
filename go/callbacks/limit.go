package callbacks

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

// strangersPart is the part of the places that questions about strangers may
// take: an eighth of them, and one at least. As many as that part of the queue
// wait beside it.
const strangersPart = 8

// anonymousPart is the same of questions about requests without a signature: a
// half. A public site needs more than a scan may have.
const anonymousPart = 2

// stranger marks the context of a question.
type stranger struct{}

// AboutStranger marks a question that anybody can cause: it is about an access
// key with which nobody has signed yet. Such questions share a small part of the
// places and have a small queue of their own, so that a scan with random keys
// leaves the rest to clients who are known.
func AboutStranger(ctx context.Context) context.Context {
	return context.WithValue(ctx, stranger{}, true)
}

// Limited returns callbacks that share one set of limits: at most concurrency of
// them run at a time, at most queue wait for their turn, and none takes longer
// than timeout from question to answer, waiting included. Past any of these
// the caller gets ErrOverloaded, though a callback that does not return keeps its
// place until it does. A panic in a callback becomes an error. Questions that
// anybody can cause, about strangers and about requests without a signature
// (which have no token), reach limits of their own sooner.
//
// When the caller's context is cancelled while its question waits, the
// question is dropped. One that is being answered goes on to its end or
// deadline, since its answer is worth caching by then.
func Limited(h Set, concurrency, queue int, timeout time.Duration) Set {
	g := &gate{
		slots: make(chan struct{}, concurrency), start: make(chan struct{}, 1), idle: make(chan func()), timeout: timeout,
		known: newLane(concurrency, queue, 1), strangers: newLane(concurrency, queue, strangersPart),
		anonymous: newLane(concurrency, queue, anonymousPart),
	}
	if concurrency == 2 { // of which they would take both
		g.anonymous.places = g.strangers.places
	}
	limited := Set{ValidatorSeesRequest: h.ValidatorSeesRequest}
	if h.HMACFetcher != nil {
		limited.HMACFetcher = func(ctx context.Context, accessKey string) (Secret, error) {
			return ask(ctx, g, g.about(ctx), func(ctx context.Context) (Secret, error) { return h.HMACFetcher(ctx, accessKey) })
		}
	}
	if h.Validator != nil {
		limited.Validator = func(ctx context.Context, r *Request) (Decision, error) {
			return ask(ctx, g, g.onBehalfOf(r.Token), func(ctx context.Context) (Decision, error) { return h.Validator(ctx, r) })
		}
	}
	if h.BucketCredsFetcher != nil {
		limited.BucketCredsFetcher = func(ctx context.Context, token, bucket string) (secret.Value, error) {
			return ask(ctx, g, g.onBehalfOf(token), func(ctx context.Context) (secret.Value, error) {
				return h.BucketCredsFetcher(ctx, token, bucket)
			})
		}
	}
	return limited
}

// lane is for questions of one kind, of which only so many run and so many
// wait. It counts no others, so a crowd in one lane fills no other one: it may
// make a question wait there that would have run, but never has it refused.
type lane struct {
	places   chan struct{} // held by each question that has a slot or waits for one
	admitted atomic.Int64
	most     int64
}

// newLane makes a lane for a part of all places and of the queue. Of each it has
// one at least, if there is any.
func newLane(concurrency, queue, part int) *lane {
	places := max(1, concurrency/part)
	waiting := min(queue, max(1, queue/part))
	return &lane{places: make(chan struct{}, places), most: int64(places + waiting)}
}

// admit is followed by leave, also when it fails.
func (l *lane) admit() error {
	if l.admitted.Add(1) > l.most {
		return fmt.Errorf("%w: %d questions run or wait already", ErrOverloaded, l.most)
	}
	return nil
}

func (l *lane) leave() { l.admitted.Add(-1) }

// gate lets questions through, one slot each, one after the other.
type gate struct {
	start   chan struct{} // held by the question that has its head start
	slots   chan struct{}
	idle    chan func() // to workers that wait for another question
	timeout time.Duration

	known, strangers, anonymous *lane
}

// about is the lane of a question about an access key.
func (g *gate) about(ctx context.Context) *lane {
	if ctx.Value(stranger{}) != nil {
		return g.strangers
	}
	return g.known
}

// onBehalfOf is the lane of a question about a request, by its token.
func (g *gate) onBehalfOf(token string) *lane {
	if token == "" {
		return g.anonymous
	}
	return g.known
}

// enter takes a place of the lane, then a slot, and then a head start, and gives
// back what it has when it fails: at once when the lane is full, when caller is
// cancelled, and when deadline passes.
func (g *gate) enter(l *lane, caller, deadline context.Context) error {
	err := l.admit()
	if err == nil {
		err = g.await(caller, deadline, l.places, g.slots, g.start)
	}
	if err != nil {
		l.leave()
	}
	return err
}

// await takes all of the places, in that order, or none.
func (g *gate) await(caller, deadline context.Context, places ...chan struct{}) error {
	for i, place := range places {
		if err := g.take(place, caller, deadline); err != nil {
			for _, taken := range places[:i] {
				<-taken
			}
			return err
		}
	}
	return nil
}

func (g *gate) take(place chan<- struct{}, caller, deadline context.Context) error {
	select {
	case place <- struct{}{}:
		return nil
	default: // and only now what takes longer
	}
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

// hold begins the head start of what has entered by a lane. What it returns ends
// the stay.
func (g *gate) hold(l *lane) (leave func()) {
	start := time.AfterFunc(headStart, func() { <-g.start })
	return func() {
		if start.Stop() {
			<-g.start
		}
		<-g.slots
		<-l.places
		l.leave()
	}
}

func (g *gate) late() error { return fmt.Errorf("%w: no answer within %v", ErrOverloaded, g.timeout) }

type result[T any] struct {
	answer T
	err    error
}

func ask[T any](ctx context.Context, g *gate, l *lane, callback func(context.Context) (T, error)) (T, error) {
	var none T
	deadline, cancel := context.WithTimeout(context.WithoutCancel(ctx), g.timeout)
	if err := g.enter(l, ctx, deadline); err != nil {
		cancel()
		return none, err
	}
	answered := make(chan result[T], 1) // a late answer finds room and nobody
	g.begin(func() {
		r := result[T]{err: errNoAnswer}
		defer func() { answered <- r }() // last: whoever has it finds the place free
		defer g.hold(l)()
		r = call(deadline, callback)
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

// call runs a callback and turns a panic into an error.
func call[T any](ctx context.Context, callback func(context.Context) (T, error)) (r result[T]) {
	defer func() {
		if p := recover(); p != nil {
			r.err = fmt.Errorf("callback panicked: %v\n%s", p, debug.Stack())
		}
	}()
	r.answer, r.err = callback(ctx)
	return r
}
