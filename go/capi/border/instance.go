package border

import (
	"context"
	"math"
	"sync"
	"time"

	"osp/go/session"
	"osp/go/shared"
)

// Server is what the border needs of a proxy.Server that listens.
type Server interface {
	Serve()
	HTTPPort() int
	HTTPSPort() int
	MetricsPort() int
	ReopenLogs() error
	Update(document []byte) error
	Issue(document []byte) (session.Keys, error)
	Forget(ctx context.Context, what shared.Revocation) error
	AnnounceStop()
	Stop(ctx context.Context) error
	Done() <-chan struct{}
}

// Instance is one running server with its bridge: what a handle stands for.
type Instance struct {
	server Server
	bridge *Bridge

	mu       sync.Mutex
	stopping *stopping // nil: no stop is under way
	poisoned bool

	stopped chan struct{}
}

// stopping is a stop under way: a delay in which everything is still served, and the
// drain.
type stopping struct {
	delay, drain ending
}

// ending is when a part of a stop ends at the latest.
type ending struct {
	at    time.Time
	timer *time.Timer
}

func newEnding(in time.Duration, end func()) ending {
	return ending{time.Now().Add(in), time.AfterFunc(in, end)}
}

// shorten has it end in that time, if that is earlier.
func (e *ending) shorten(in time.Duration) {
	if at := time.Now().Add(in); at.Before(e.at) {
		e.at = at
		e.timer.Reset(in)
	}
}

// Start serves in the background until Stop, or until the server ends by itself.
func Start(server Server, bridge *Bridge) *Instance {
	i := &Instance{server: server, bridge: bridge, stopped: make(chan struct{})}
	server.Serve()
	go func() {
		<-server.Done()
		i.mu.Lock()
		defer i.mu.Unlock()
		if i.stopping == nil { // it ended by itself and leaves only the bridge to stop
			i.begin(0, 0)
		}
	}()
	return i
}

// Server returns the server, for its ports.
func (i *Instance) Server() Server { return i.server }

// Stop announces a stop and serves on for delay; then requests in flight and
// callbacks under way get drain, and are cut. A later Stop can shorten both times.
func (i *Instance) Stop(delay, drain time.Duration) {
	delay, drain = max(delay, 0), max(drain, 0)
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.stopping == nil {
		i.begin(delay, drain)
		return
	}
	i.stopping.delay.shorten(delay)
	i.stopping.drain.shorten(sum(delay, drain))
}

func (i *Instance) begin(delay, drain time.Duration) {
	ctx, cut := context.WithCancel(context.Background())
	delayed, endDelay := context.WithCancel(ctx)
	i.stopping = &stopping{newEnding(delay, endDelay), newEnding(sum(delay, drain), cut)}
	i.server.AnnounceStop()
	go func() {
		defer cut()
		<-delayed.Done()
		i.stop(ctx)
	}()
}

// sum adds times that may be the longest there are.
func sum(a, b time.Duration) time.Duration {
	if b > math.MaxInt64-a {
		return math.MaxInt64
	}
	return a + b
}

func (i *Instance) stop(ctx context.Context) {
	defer close(i.stopped)
	_ = i.server.Stop(ctx) // an error says that requests were cut, which its own log tells
	i.bridge.CutOff()
	select {
	case <-i.bridge.Idle():
	case <-ctx.Done():
	}
}

// Wait waits for at most timeout and reports whether the server has stopped.
func (i *Instance) Wait(timeout time.Duration) bool {
	timer := time.NewTimer(max(timeout, 0))
	defer timer.Stop()
	select {
	case <-i.stopped:
		return true
	case <-timer.C:
	}
	select { // both may have been ready
	case <-i.stopped:
		return true
	default:
		return false
	}
}

// Poison is for an instance whose state can't be trusted after a panic: no
// callback any more, and a stop without drain.
func (i *Instance) Poison() {
	i.mu.Lock()
	i.poisoned = true
	i.mu.Unlock()
	i.bridge.CutOff()
	i.Stop(0, 0)
}

// Poisoned reports whether Poison was called.
func (i *Instance) Poisoned() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.poisoned
}
