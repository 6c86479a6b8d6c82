package callbacks

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync/atomic"
	"time"
)

var errNoAnswer = errors.New("callback ended without an answer")

// headStart: a callback that answers at once, as most do, is better alone than
// in a crowd of threads that fight over Python's lock. Only when one has not
// answered within this time does the next begin beside it.
const headStart = 500 * time.Microsecond

// keepWorker is how long a goroutine that asked waits for another question. What
// encodes, calls and decodes goes deep, and the stack for that has grown then.
const keepWorker = time.Second

// crowd says who can cause a question, and so which share of the limits it has.
type crowd int

const (
	known     crowd = iota // clients with whose keys somebody has signed before
	strangers              // anybody: it is about a key with which nobody has signed yet
	anonymous              // anybody: it is about a request without a signature
	crowds
)

// crowdOf is the crowd of a question about a verified request, by its token.
func crowdOf(token string) crowd {
	if token == "" {
		return anonymous
	}
	return known
}

// partOf is the part of the places that questions of a crowd may take, and the
// part of the queue: an eighth for strangers, so that a scan with random keys
// leaves the rest to clients who are known, and a half for requests without a
// signature, since a public site needs more than a scan may have.
var partOf = [crowds]int{known: 1, strangers: 8, anonymous: 2}

// Limits returns limits that all callbacks of a Set share: at most concurrency of
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
func Limits(concurrency, queue int, timeout time.Duration) Interceptor {
	g := &gate{slots: make(chan struct{}, concurrency), start: make(chan struct{}, 1), idle: make(chan func()), timeout: timeout}
	for c, part := range partOf {
		g.lanes[c] = newLane(concurrency, queue, part)
	}
	if concurrency == 2 { // of which they would take both
		g.lanes[anonymous].places = g.lanes[strangers].places
	}
	return g.intercept
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
		return fmt.Errorf("%w: %d questions are already running or waiting", ErrOverloaded, l.most)
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

	lanes [crowds]*lane
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

// intercept is an Interceptor: it lets a call through, within the limits.
func (g *gate) intercept(ctx context.Context, call Call) error {
	l := g.lanes[call.crowd()]
	deadline, cancel := context.WithTimeout(context.WithoutCancel(ctx), g.timeout)
	if err := g.enter(l, ctx, deadline); err != nil {
		cancel()
		return err
	}
	answered := make(chan error, 1) // a late answer finds room and nobody
	g.begin(func() {
		err := errNoAnswer
		defer func() { answered <- err }() // last: whoever has it finds the place free
		defer g.hold(l)()
		err = firewall(deadline, call)
	})
	// Not before the answer is taken: a deadline that is cancelled looks like one that has passed.
	defer cancel()
	select {
	case err := <-answered:
		if deadline.Err() == context.DeadlineExceeded && errors.Is(err, context.DeadlineExceeded) {
			return g.late()
		}
		return err
	case <-deadline.Done():
		return g.late()
	}
}

// firewall turns a panic into an error.
func firewall(ctx context.Context, call Call) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("callback panicked: %v\n%s", p, debug.Stack())
		}
	}()
	return call.Do(ctx)
}
