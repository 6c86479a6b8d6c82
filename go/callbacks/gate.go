package callbacks

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"osp/go/cache"
	"osp/go/turns"
)

// lane is for questions of one kind, of which only so many run and so many
// wait. It counts no others, so a crowd in one lane fills no other one: it may
// make a question wait there that would have run, but never has it refused.
type lane struct {
	places   *places
	admitted int // run or wait
	most     int
}

// places are held by questions that run or wait in the gate's line.
type places struct {
	free    int
	waiting line // for a place
}

// line has those who wait for something. The clients that they are about take turns, so
// that one with many questions makes the others wait for one of them at a time.
type line = turns.Line[*ticket]

// newLane makes a lane for a part of all places and of the queue. Of each it has
// one at least, if there is any.
func newLane(concurrency, queue, part int) *lane {
	run := max(1, concurrency/part)
	wait := min(queue, max(1, queue/part))
	return &lane{places: &places{free: run}, most: run + wait}
}

// gate lets questions through, one slot each, one after the other. Whoever has
// asked one goes on with the next, so that in a crowd a question takes its
// turn without a goroutine being woken for it.
type gate struct {
	timeout time.Duration
	alone   time.Duration // how long a question is, before the next begins beside it
	idle    chan *ticket  // to workers that wait for another question
	timers  sync.Pool     // of *time.Timer, for those who wait for an answer

	mu       sync.Mutex
	lanes    [crowds]*lane
	line     line // of those that have a place
	slots    int  // that are free
	first    *ticket
	since    time.Time   // when first began
	lookout  *time.Timer // ends a head start that somebody waits for
	watching bool        // lookout is set
}

func newGate(concurrency, queue int, timeout time.Duration) *gate {
	g := &gate{timeout: timeout, alone: headStart, idle: make(chan *ticket), slots: concurrency}
	for c, part := range partOf {
		g.lanes[c] = newLane(concurrency, queue, part)
	}
	if concurrency == 2 { // of which they would take both
		g.lanes[anonymous].places = g.lanes[strangers].places
	}
	return g
}

// intercept is an Interceptor: it lets a call through, within the limits.
func (g *gate) intercept(ctx context.Context, call Call) error {
	t := askedBefore(ctx)
	asked := t != nil
	if !asked {
		t = newTicket(ctx, call, g.lanes[call.crowd()], g.timeout)
		begins, err := g.enter(t)
		if err != nil {
			return err
		}
		if begins {
			g.begin(t)
		}
	}
	err := g.wait(ctx, t)
	if cache.IsLeft(err) {
		return err
	}
	// Not before the answer is taken: a deadline that is cancelled looks like one that has passed.
	t.end(context.Canceled)
	if asked && err == nil {
		call.take(t.call)
	}
	return err
}

// wait returns what came of a question. A caller who leaves takes it back unless
// it was asked; or leaves it to whoever waits for it instead.
func (g *gate) wait(caller context.Context, t *ticket) error {
	timer := g.timer(time.Until(t.deadline))
	defer g.spare(timer)
	left := caller.Done()
	for {
		select {
		case err := <-t.answered:
			if err != nil && !time.Now().Before(t.deadline) { // coroutines are told to end then, too
				return g.late()
			}
			return err
		case <-timer.C:
			t.end(context.DeadlineExceeded)
			g.withdraw(t)
			return g.late()
		case <-left:
			if err := cache.Left(caller, t); err != nil {
				return err
			}
			switch withdrawn := g.withdraw(t); {
			case withdrawn && errors.Is(caller.Err(), context.DeadlineExceeded):
				return g.late()
			case withdrawn:
				return caller.Err()
			}
			left = nil // it is being asked: its answer is worth waiting for
		}
	}
}

// timer returns one that has just been set to the time that a question has left.
func (g *gate) timer(left time.Duration) *time.Timer {
	if timer, ok := g.timers.Get().(*time.Timer); ok {
		timer.Reset(left)
		return timer
	}
	return time.NewTimer(left)
}

func (g *gate) spare(timer *time.Timer) {
	timer.Stop()
	g.timers.Put(timer)
}

func (g *gate) late() error { return fmt.Errorf("%w: no answer within %v", ErrOverloaded, g.timeout) }

// enter takes a place of the question's lane, or waits for one in the lane's line,
// and then in the gate's. It reports whether the question begins at once, and
// fails when the lane is full.
func (g *gate) enter(t *ticket) (begins bool, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	l := t.lane
	if l.admitted == l.most {
		full := fmt.Errorf("%w: %d questions run or wait already", ErrOverloaded, l.most)
		if !g.makeRoom(t, full) {
			return false, full
		}
	}
	l.admitted++
	if l.places.free == 0 {
		t.waitIn(&l.places.waiting)
		return false, nil
	}
	l.places.free--
	t.waitIn(&g.line)
	return g.next() != nil, nil // nobody can have been before it
}

// makeRoom refuses a question of the client that waits with most, if that is more than
// the client of t does. Strangers have one each. The caller holds mu.
func (g *gate) makeRoom(t *ticket, full error) bool {
	if t.lane != g.lanes[known] {
		return false
	}
	displaced, ok := t.lane.places.waiting.Displace(t.call.client())
	if !ok {
		return false
	}
	displaced.line = nil
	t.lane.admitted--
	displaced.answered <- full
	return true
}

// withdraw takes back a question that has not begun, and reports whether it was so.
func (g *gate) withdraw(t *ticket) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch t.line {
	case nil:
		return false
	case &g.line:
		t.leaveLine()
		g.vacate(t.lane)
	default:
		t.leaveLine()
		t.lane.admitted--
	}
	return true
}

// vacate gives a place to the next who waits for it. The caller holds mu.
func (g *gate) vacate(l *lane) {
	l.admitted--
	if t, ok := l.places.waiting.Pop(); ok {
		t.waitIn(&g.line)
	} else {
		l.places.free++
	}
}

// next lets the next question begin, if it may. The caller holds mu.
func (g *gate) next() *ticket {
	if g.first != nil && g.alone > 0 || g.slots == 0 {
		g.watch()
		return nil
	}
	t, ok := g.line.Pop()
	if ok {
		t.line = nil
		g.slots--
		g.first, g.since = t, time.Now()
		g.watch()
	}
	return t
}

// watch sees to it that whoever waits does so for no longer than a head start.
// One timer does for all of them. The caller holds mu.
func (g *gate) watch() {
	if g.watching || g.first == nil || g.line.Len() == 0 {
		return
	}
	g.watching = true
	left := g.alone - time.Since(g.since)
	if g.lookout == nil {
		g.lookout = time.AfterFunc(left, g.look)
	} else {
		g.lookout.Reset(left)
	}
}

// look ends a head start whose time is over.
func (g *gate) look() {
	g.mu.Lock()
	g.watching = false
	if g.first != nil && time.Since(g.since) >= g.alone {
		g.first = nil
	}
	t := g.next()
	g.mu.Unlock()
	if t != nil {
		g.begin(t)
	}
}

// end is for a question that has come to an end. It returns the next that begins.
func (g *gate) end(t *ticket) *ticket {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.first == t {
		g.first = nil
	}
	g.slots++
	g.vacate(t.lane)
	return g.next()
}

// begin asks beside its caller.
func (g *gate) begin(t *ticket) {
	select {
	case g.idle <- t:
	default:
		go g.work(t)
	}
}

func (g *gate) work(t *ticket) {
	patience := time.NewTimer(keepWorker)
	defer patience.Stop()
	for {
		for t != nil {
			t = g.ask(t)
		}
		patience.Reset(keepWorker)
		select {
		case t = <-g.idle:
		case <-patience.C:
			return
		}
	}
}

// ask asks a question and returns the next.
func (g *gate) ask(t *ticket) (next *ticket) {
	err, returned := errNoAnswer, false
	defer func() {
		next = g.end(t)
		t.answered <- err // last: whoever has it finds the place free
		if !returned && next != nil {
			g.begin(next) // for this goroutine ends
		}
	}()
	err = firewall(t, t.call)
	returned = true
	return nil
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
