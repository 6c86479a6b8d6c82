package serving

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
)

// stubborn is a connection that does not retire.
type stubborn struct {
	Conn
	aborted chan struct{}
}

func (s stubborn) Retire() { <-s.aborted }
func (s stubborn) Abort()  { close(s.aborted) }

func TestAConnectionThatDoesNotRetireIsAborted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var conns Conns
		c := stubborn{aborted: make(chan struct{})}
		conns.add(c)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		stopped := make(chan error, 1)
		go func() { stopped <- conns.Shutdown(ctx) }()
		synctest.Wait()
		if !conns.mu.TryLock() {
			close(c.aborted)
			t.Fatal("all connections wait for one")
		}
		conns.mu.Unlock()
		if err := conns.Close(); err != nil {
			t.Error(err)
		}
		<-c.aborted
		if err := <-stopped; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
}
