package serving

import (
	"context"
	"slices"
	"sync"
	"time"
)

// Context is a request's context. It does what one of package context
// would, at a third of the cost: most requests end before anybody has asked for
// Done.
type Context struct {
	mu    sync.Mutex
	err   error         // once it has ended
	done  chan struct{} // nil: nobody has asked for it yet
	after []*afterFunc
	room  [1]*afterFunc // where most requests' only one is kept
}

// afterFunc is to be run when the context ends; its address identifies it.
type afterFunc struct {
	of  *Context
	run func()
}

// stop implements what context.AfterFunc returns.
func (a *afterFunc) stop() bool {
	c := a.of
	c.mu.Lock()
	defer c.mu.Unlock()
	at := slices.Index(c.after, a)
	if at >= 0 {
		c.after = slices.Delete(c.after, at, at+1)
	}
	return at >= 0
}

// Deadline implements context.Context.
func (*Context) Deadline() (time.Time, bool) { return time.Time{}, false }

// Value implements context.Context.
func (*Context) Value(any) any { return nil }

// Err implements context.Context.
func (c *Context) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Done implements context.Context.
func (c *Context) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done == nil {
		c.done = make(chan struct{})
		if c.err != nil {
			close(c.done)
		}
	}
	return c.done
}

// AfterFunc implements what context.AfterFunc looks for.
func (c *Context) AfterFunc(f func()) (stop func() bool) {
	a := &afterFunc{c, f}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		go f()
		return a.stop
	}
	if c.after == nil {
		c.after = c.room[:0]
	}
	c.after = append(c.after, a)
	return a.stop
}

// Cancel ends the context.
func (c *Context) Cancel() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return
	}
	c.err = context.Canceled
	if c.done != nil {
		close(c.done)
	}
	for _, a := range c.after {
		go a.run()
	}
	c.after = nil
}
