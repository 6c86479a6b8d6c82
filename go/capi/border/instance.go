package border

import (
	"context"
	"sync"
	"time"
)

// Server is what the border needs of a proxy.Server that listens.
type Server interface {
	Serve()
	HTTPPort() int
	HTTPSPort() int
	MetricsPort() int
	ReopenLogs() error
	Update(document []byte) error
	Forget(ctx context.Context, token, bucket *string) error
	Stop(ctx context.Context) error
	Done() <-chan struct{}
}

// Instance is one running server with its bridge: what a handle stands for.
type Instance struct {
	server Server
	bridge *Bridge

	mu       sync.Mutex
	deadline time.Time   // of the stop under way; zero: none
	timer    *time.Timer // ends the drain
	poisoned bool

	stopped chan struct{}
}

// Start serves in the background until Stop, or until the server ends by itself.
func Start(server Server, bridge *Bridge) *Instance {
	i := &Instance{server: server, bridge: bridge, stopped: make(chan struct{})}
	server.Serve()
	go func() {
		<-server.Done()
		i.mu.Lock()
		defer i.mu.Unlock()
		if i.deadline.IsZero() { // it ended by itself and leaves only the bridge to stop
			i.begin(0)
		}
	}()
	return i
}

// Server returns the server, for its ports.
func (i *Instance) Server() Server { return i.server }

// Stop begins to stop: requests in flight and callbacks under way get drain,
// then they are cut. A later Stop can shorten that time.
func (i *Instance) Stop(drain time.Duration) {
	drain = max(drain, 0)
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.deadline.IsZero() {
		i.begin(drain)
	} else if deadline := time.Now().Add(drain); deadline.Before(i.deadline) {
		i.deadline = deadline
		i.timer.Reset(drain)
	}
}

func (i *Instance) begin(drain time.Duration) {
	ctx, cancel := context.WithCancel(context.Background())
	i.deadline = time.Now().Add(drain)
	i.timer = time.AfterFunc(drain, cancel)
	go i.stop(ctx, cancel)
}

func (i *Instance) stop(ctx context.Context, cancel context.CancelFunc) {
	defer close(i.stopped)
	defer cancel()
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
	i.Stop(0)
}

// Poisoned reports whether Poison was called.
func (i *Instance) Poisoned() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.poisoned
}
