package front

import (
	"crypto/tls"
	"net"
	"sync"
)

// corked is a TLS connection whose records leave together. crypto/tls writes
// each record, of 16 KiB at most, with a call of its own to the system.
type corked struct {
	*tls.Conn
	below *cork
}

// Write implements io.Writer.
func (c *corked) Write(p []byte) (int, error) {
	if len(p) <= maxRecord {
		return c.Conn.Write(p)
	}
	written := 0
	for written < len(p) {
		c.below.hold()
		n, err := c.Conn.Write(p[written:min(len(p), written+maxHeld)])
		if ferr := c.below.release(); err == nil {
			err = ferr
		}
		if err != nil {
			return written, err
		}
		written += n
	}
	return written, nil
}

// maxHeld is how much of a write is kept at a time.
const maxHeld = 128 << 10

// NetConn returns the connection below TLS.
func (c *corked) NetConn() net.Conn { return c.below.Conn }

// maxRecord is the content of the longest TLS record (RFC 8446 section 5.1).
const maxRecord = 16 << 10

var corkBuffers = sync.Pool{New: func() any { b := make([]byte, 0, maxHeld+8<<10); return &b }}

// cork is the connection below TLS. Between hold and release it keeps what is
// written to it. TLS may write from another goroutine meanwhile, an alert say:
// the order stays.
type cork struct {
	net.Conn

	mu   sync.Mutex
	kept *[]byte // nil: nothing is held
}

func (c *cork) hold() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.kept = corkBuffers.Get().(*[]byte)
}

// release writes what was kept.
func (c *cork) release() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	kept := c.kept
	c.kept = nil
	_, err := c.Conn.Write(*kept)
	*kept = (*kept)[:0]
	corkBuffers.Put(kept)
	return err
}

// Write implements io.Writer.
func (c *cork) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.kept == nil {
		return c.Conn.Write(p)
	}
	*c.kept = append(*c.kept, p...)
	return len(p), nil
}
