package upstream

import (
	"errors"
	"io"
	"net/http"
	"sync"
	"time"
)

const bufferSize = 128 << 10

// buffers hold what is on its way to a store.
var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

var errShortBody = errors.New("the body ended before its length")

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

// upload writes the head and then the body.
func (c *conn) upload(req *http.Request, timeout time.Duration) *upload {
	up := &upload{done: make(chan struct{})}
	_ = c.raw.SetReadDeadline(time.Time{}) // the time for an answer begins when all is sent
	go func() {
		buffer := buffers.Get().(*[bufferSize]byte)
		defer buffers.Put(buffer)
		theirs, err := c.copyBody(req, buffer[:], copy(buffer[:], c.head), timeout)
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

// copyBody sends what the first bytes of buffer hold, and the body. theirs says
// that it was the store that failed. The first part of the body goes out with
// the head, and the last only when the body's reader says that it is the end.
func (c *conn) copyBody(req *http.Request, buffer []byte, held int, timeout time.Duration) (theirs bool, err error) {
	for left := req.ContentLength; left > 0 || held > 0; held = 0 {
		n, err := fill(req.Body, buffer[held:], left)
		if err != nil {
			return false, err
		}
		left -= int64(n)
		_ = c.raw.SetWriteDeadline(time.Now().Add(timeout))
		if _, err := c.Write(buffer[:held+n]); err != nil {
			return true, err
		}
	}
	return false, nil
}

// fill reads a buffer full, or what is left of the body. At the body's end it
// asks for the end itself, so that a reader which verifies can still object.
func fill(body io.Reader, buffer []byte, left int64) (int, error) {
	want := int(min(int64(len(buffer)), left))
	n := 0
	for n < want {
		m, err := body.Read(buffer[n:want])
		n += m
		switch {
		case err == io.EOF && int64(n) < left:
			return n, errShortBody
		case err == io.EOF:
			return n, nil
		case err != nil:
			return n, err
		}
	}
	return n, nil
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
