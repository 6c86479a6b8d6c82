package h1

import "time"

// tick is how often a connection looks whether its request has become a long
// one: one that lasts for one to two of them is watched.
const tick = 50 * time.Millisecond

// watch looks whether the client leaves while the handler works, which ends the
// request's context. Most requests have ended before it would be worth it, so
// it begins late, in the goroutine of a timer that goes on from request to
// request. All of it is under conn.mu.
type watch struct {
	timer   *time.Timer
	ticking bool
	wanted  bool   // a handler runs and has read its request's body
	reading bool   // the watch reads from the connection
	request uint64 // counts those that wanted it
	seen    uint64 // as it was at the last tick
}

// begin has a handler run. It reports whether the connection still is.
func (c *conn) begin(w *response) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone {
		return false
	}
	c.current = w
	if w.body.err != nil {
		c.arm()
	}
	return true
}

// arm has the watch begin before long. It needs c.mu.
func (c *conn) arm() {
	c.watch.wanted = true
	c.watch.request++
	if c.watch.ticking {
		return
	}
	c.watch.ticking = true
	if c.watch.timer == nil {
		c.watch.timer = time.AfterFunc(tick, c.look)
		return
	}
	c.watch.timer.Reset(tick)
}

// look watches a request that was there at the last tick already.
func (c *conn) look() {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case !c.watch.wanted || c.watch.reading:
		c.watch.ticking = false
	case c.watch.seen != c.watch.request:
		c.watch.seen = c.watch.request
		c.watch.timer.Reset(tick)
	default:
		c.watch.ticking = false
		c.listen()
	}
}

// listen reads until the client leaves, the handler returns, or the buffer is
// full of further requests. It needs c.mu, and gives it up while it waits.
func (c *conn) listen() {
	c.watch.reading = true
	if c.r == c.w {
		c.r, c.w = 0, 0
	}
	c.readUntil(time.Time{})
	for c.watch.wanted && c.w < len(c.buf) {
		at := c.w
		c.mu.Unlock()
		n, err := c.overhear(c.buf[at:])
		c.mu.Lock()
		c.w += n
		if err != nil {
			if c.watch.wanted { // or the handler's return has ended it
				c.gone = true
				c.current.ctx.cancel()
			}
			break
		}
	}
	c.watch.reading = false
	c.changed.Broadcast()
}

// overhear reads for the watch, whose goroutine is nobody else's: a panic has
// to end there, or the process would.
func (c *conn) overhear(p []byte) (n int, err error) {
	defer func() {
		if v := recover(); v != nil {
			c.server.panicked("watching a connection", v)
			n, err = 0, errGone
		}
	}()
	return c.net.Read(p)
}

// finish ends what goes on beside a handler that has returned. It reports
// whether the request's body was read, and whether the rest of it can still be.
func (c *conn) finish(w *response) (read, readable bool) {
	read, readable = w.body.stop()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.current = nil
	c.watch.wanted = false
	if c.watch.reading {
		c.readUntil(past)
	}
	for c.watch.reading {
		c.changed.Wait()
	}
	return read, readable
}

// stopWatch ends the timer.
func (c *conn) stopWatch() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.watch.timer != nil {
		c.watch.timer.Stop()
	}
}
