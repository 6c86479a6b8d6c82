package front

import (
	"crypto/tls"
	"io"
	"net"
	"sync"
)

// coalescingConn is a TLS connection that sends the records of one Write together.
// crypto/tls makes a system call for each record, of 16 KiB at most.
type coalescingConn struct {
	*tls.Conn
	below *writeCoalescer
}

// Write implements io.Writer.
func (c *coalescingConn) Write(p []byte) (int, error) {
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

// Together sends what write writes together, records of TLS and all.
func (c *coalescingConn) Together(write func(io.Writer) error) error {
	c.below.hold()
	err := write(c.Conn)
	if ferr := c.below.release(); err == nil {
		err = ferr
	}
	return err
}

// maxHeld is how many bytes of a Write are sent together.
const maxHeld = 128 << 10

// NetConn returns the connection below TLS.
func (c *coalescingConn) NetConn() net.Conn { return c.below.Conn }

// maxRecord is the content of the longest TLS record (RFC 8446 section 5.1).
const maxRecord = 16 << 10

var coalesceBuffers = sync.Pool{New: func() any { b := make([]byte, 0, maxHeld+8<<10); return &b }}

// writeCoalescer is the connection below TLS. Between hold and release it keeps what
// is written to it. If TLS writes from another goroutine meanwhile, an alert for
// example, the order is kept.
type writeCoalescer struct {
	net.Conn

	mu   sync.Mutex
	kept *[]byte // nil: nothing is held
}

func (c *writeCoalescer) hold() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.kept = coalesceBuffers.Get().(*[]byte)
}

// release writes what was kept.
func (c *writeCoalescer) release() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	kept := c.kept
	c.kept = nil
	_, err := c.Conn.Write(*kept)
	*kept = (*kept)[:0]
	coalesceBuffers.Put(kept)
	return err
}

// Write implements io.Writer.
func (c *writeCoalescer) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.kept == nil {
		return c.Conn.Write(p)
	}
	*c.kept = append(*c.kept, p...)
	return len(p), nil
}
