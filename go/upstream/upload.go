package upstream

import (
	"io"
	"time"
)

const (
	// lateGrace is how long an answer that came before the end of its upload
	// waits for that: often the last write has not yet returned.
	lateGrace = 50 * time.Millisecond
	// failedGrace is how long a store that stopped to read may take to say why.
	failedGrace = time.Second
)

// upload is a request's body on its way, in a goroutine of its own, because a
// store may answer before it has read everything.
type upload struct {
	done chan struct{}
	err  error // read it after done
}

// upload writes a request whose body is longer than a parcel. It takes over the
// parcel's buffer.
func (c *conn) upload(m *parcel, timeout time.Duration) *upload {
	up := &upload{done: make(chan struct{})}
	buffer, wire, body, left := m.buffer, m.wire, m.req.Body, m.left
	m.buffer = nil
	c.readUntil(time.Time{}) // the time for an answer begins when all is sent
	go func() {
		defer buffers.Put(buffer)
		theirs, err := c.copyBody(wire, body, left, buffer, timeout)
		switch {
		case err == nil:
			_ = c.raw.SetReadDeadline(time.Now().Add(timeout))
		case theirs:
			_ = c.raw.SetReadDeadline(time.Now().Add(failedGrace))
		}
		up.err = err
		close(up.done)
		if err != nil && !theirs {
			c.abort() // after the reason is known to whoever waits for an answer
		}
	}()
	return up
}

// copyBody sends what has been read of a request, and then what is left of its
// body, through buffer. theirs says that it was the store that failed. A panic
// ends the request: it has a goroutine of its own, and would end the process.
func (c *conn) copyBody(next []byte, body io.Reader, left int64, buffer *[bufferSize]byte, timeout time.Duration) (theirs bool, err error) {
	defer func() {
		if v := recover(); v != nil {
			theirs, err = false, panicked(v)
		}
	}()
	for {
		_ = c.raw.SetWriteDeadline(time.Now().Add(timeout))
		if _, err := c.Write(next); err != nil {
			return true, err
		}
		if left == 0 {
			return false, nil
		}
		n, err := fill(body, buffer[:], left)
		if err != nil {
			return false, err
		}
		next, left = buffer[:n], left-int64(n)
	}
}

// succeeded reports whether all was sent, which may need a moment more.
func (u *upload) succeeded() bool {
	select {
	case <-u.done:
		return u.err == nil
	default:
	}
	late := time.NewTimer(lateGrace)
	defer late.Stop()
	select {
	case <-u.done:
		return u.err == nil
	case <-late.C:
		return false
	}
}

// explain returns why an exchange failed: the upload's own reason where it has
// one, since the connection ended on its account.
func (u *upload) explain(err error) error {
	select {
	case <-u.done:
		if u.err != nil {
			return u.err
		}
	default: // it waits for the client, and will find the connection closed
	}
	return err
}
