package h1

import "time"

// tick is how often a connection checks whether its request has become a long
// one. A request that has lasted for one to two ticks gets a background read.
const tick = 50 * time.Millisecond

// Ticks are the same for all connections: timers that expire together wake the
// process up once, instead of once for each request where requests are rare.
var firstTick = time.Now()

func untilTick(now time.Time) time.Duration { return tick - now.Sub(firstTick)%tick }

// backgroundRead notices when the client disconnects while the handler works,
// and cancels the request's context then. Most requests end before that would be
// worth the effort, so it starts late, in the goroutine of a timer that carries
// on from request to request. All of it is guarded by conn.mu.
type backgroundRead struct {
	timer   *time.Timer
	ticking bool
	wanted  bool   // a handler runs and has read its request's body
	reading bool   // it is blocked in a read of the connection
	request uint64 // number of the last request that wanted it
	seen    uint64 // that number at the last tick
}

// handlerStarts notes that a handler runs from now on. It reports whether the
// connection is still open.
func (c *conn) handlerStarts(w *response) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone {
		return false
	}
	c.current = w
	if w.body.err != nil {
		c.scheduleBackgroundRead()
	}
	return true
}

// scheduleBackgroundRead makes a background read start soon. The caller holds c.mu.
func (c *conn) scheduleBackgroundRead() {
	c.background.wanted = true
	c.background.request++
	if c.background.ticking {
		return
	}
	c.background.ticking = true
	if c.background.timer == nil {
		c.background.timer = time.AfterFunc(untilTick(time.Now()), c.onTick)
		return
	}
	c.background.timer.Reset(untilTick(time.Now()))
}

// onTick starts a background read for a request that was already there at the
// last tick.
func (c *conn) onTick() {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case !c.background.wanted || c.background.reading:
		c.background.ticking = false
	case c.background.seen != c.background.request:
		c.background.seen = c.background.request
		c.background.timer.Reset(untilTick(time.Now()))
	default:
		c.background.ticking = false
		c.readUntilClosed()
	}
}

// readUntilClosed reads until the client disconnects, the handler returns, or the
// buffer is full of further requests. The caller holds c.mu, which is released
// during each read.
func (c *conn) readUntilClosed() {
	c.background.reading = true
	if c.r == c.w {
		c.r, c.w = 0, 0
	}
	c.setReadDeadline(time.Time{})
	for c.background.wanted && c.w < len(c.buf) {
		at := c.w
		c.mu.Unlock()
		n, err := c.readInBackground(c.buf[at:])
		c.mu.Lock()
		c.w += n
		if err != nil {
			if c.background.wanted { // otherwise the handler's return ended the read
				c.gone = true
				c.current.ctx.Cancel()
			}
			break
		}
	}
	c.background.reading = false
	c.readEnded.Broadcast()
}

// readInBackground is a Read whose panic is an error: nobody else would recover
// it in the timer's goroutine, and the process would end.
func (c *conn) readInBackground(p []byte) (n int, err error) {
	defer func() {
		if v := recover(); v != nil {
			c.server.logPanic("in a background read", v)
			n, err = 0, errClosed
		}
	}()
	return c.net.Read(p)
}

// handlerReturned ends what still runs beside a handler that has returned. It
// reports whether the request's body was read to its end and, if not, whether the
// rest can still be read.
func (c *conn) handlerReturned(w *response) (read, readable bool) {
	read, readable = w.body.stop()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.current = nil
	c.background.wanted = false
	if c.background.reading {
		c.setReadDeadline(aLongTimeAgo)
	}
	for c.background.reading {
		c.readEnded.Wait()
	}
	return read, readable
}

// stopBackgroundRead stops the timer for good.
func (c *conn) stopBackgroundRead() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.background.timer != nil {
		c.background.timer.Stop()
	}
}
