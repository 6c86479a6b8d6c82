package upstream

import (
	"io"
	"time"
)

const (
	// uploadGrace is how long the end of an upload may take after the end of its
	// response: often only the last write has not yet returned.
	uploadGrace = 50 * time.Millisecond
	// failedUploadGrace is how long a store that stopped reading may take to say why.
	failedUploadGrace = time.Second
)

// upload is a request's body being sent, in a goroutine of its own, because a store
// may respond before it has read everything.
type upload struct {
	done chan struct{}
	err  error // valid after done
}

// upload writes a request whose body is longer than a wireRequest's buffer, which it
// takes over.
func (c *conn) upload(w *wireRequest, timeout time.Duration) *upload {
	up := &upload{done: make(chan struct{})}
	buffer, wire, body, left := w.buffer, w.bytes, w.req.Body, w.left
	w.buffer = nil
	c.setReadDeadline(time.Time{}) // the time for a response begins when all is sent
	go func() {
		defer buffers.Put(buffer)
		storeFailed, err := c.copyBody(wire, body, left, buffer, timeout)
		switch {
		case err == nil:
			_ = c.raw.SetReadDeadline(time.Now().Add(timeout))
		case storeFailed:
			_ = c.raw.SetReadDeadline(time.Now().Add(failedUploadGrace))
		}
		up.err = err
		close(up.done)
		if err != nil && !storeFailed {
			c.abort() // only now that whoever waits for a response can know why
		}
	}()
	return up
}

// copyBody sends what has been read of a request, and then what is left of its
// body, through buffer. storeFailed says that the error is the store's, not the
// body's. A panic becomes an error: in a goroutine of its own it would end the
// process.
func (c *conn) copyBody(next []byte, body io.Reader, left int64, buffer *[bufferSize]byte, timeout time.Duration) (storeFailed bool, err error) {
	defer func() {
		if v := recover(); v != nil {
			storeFailed, err = false, panicked(v)
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

// succeeded reports whether all was sent; it may wait a moment for that.
func (u *upload) succeeded() bool {
	select {
	case <-u.done:
		return u.err == nil
	default:
	}
	late := time.NewTimer(uploadGrace)
	defer late.Stop()
	select {
	case <-u.done:
		return u.err == nil
	case <-late.C:
		return false
	}
}

// cause returns why a round trip failed: the upload's own error if it has one, since
// that closed the connection.
func (u *upload) cause(err error) error {
	select {
	case <-u.done:
		if u.err != nil {
			return u.err
		}
	default: // it is waiting for the client, and will find the connection closed
	}
	return err
}
