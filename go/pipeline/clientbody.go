package pipeline

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"osp/go/limits"
	"osp/go/s3err"
)

const (
	// rateWindow is how long a client may keep the proxy waiting for its body
	// before what it sent meanwhile is weighed. Only the time spent waiting
	// counts: a store that is slow is not the client's fault.
	rateWindow = 30 * time.Second
	// minRate is the least that a client has to send in a window, in bytes. A
	// modem did more; a client that does less holds connections to harm.
	minRate = 16 << 10
)

// clientBody is a request's body that must keep coming.
type clientBody struct {
	body io.Reader
	read *atomic.Int64 // counts the bytes

	waited time.Duration // in this window
	got    int           // in this window
	ended  bool
	until  time.Time // when it has to be there; zero: as long as it keeps coming

	mu   sync.Mutex
	conn *http.ResponseController // nil once the handler has returned

	limits *limits.Ticket  // nil: its bytes may come as fast as they can
	ctx    context.Context // of the request
}

func newClientBody(x *exchange) *clientBody {
	x.body = &clientBody{body: x.r.Body, conn: &x.w.conn, read: &x.received, ctx: x.r.Context()}
	x.paceBody()
	return x.body
}

// release leaves the connection to the next request. A store may have answered
// before an upload's end; the upload reads until it notices, and its connection
// may serve another by then.
func (b *clientBody) release() {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.conn = nil
}

// Read implements io.Reader. Its errors are IncompleteBody for a body that
// breaks off, and RequestTimeout for one that stalls or trickles.
func (b *clientBody) Read(p []byte) (int, error) {
	if b.ended {
		return 0, io.EOF
	}
	begun := time.Now()
	b.deadline(b.latest(begun))
	n, err := b.body.Read(p[:b.limits.Chunk(limits.In, len(p))])
	b.waited += time.Since(begun)
	b.got += n
	b.read.Add(int64(n))
	if paused := b.limits.Move(b.ctx, limits.In, n); paused != nil && err == nil {
		return n, paused
	}
	switch {
	case err == io.EOF:
		b.ended = true
		// A deadline left standing would end the connection's watch for the
		// client's leaving, and with it the request, while the store works.
		b.deadline(time.Time{})
		return n, io.EOF
	case errors.Is(err, os.ErrDeadlineExceeded):
		return n, s3err.RequestTimeout.Because(err)
	case err != nil: // it broke off, or contradicts what was declared
		return n, s3err.IncompleteBody.Because(err)
	}
	if b.waited >= rateWindow || b.got >= minRate {
		if b.got < minRate {
			return n, s3err.RequestTimeout.Because(errors.New("the body arrives too slowly"))
		}
		b.waited, b.got = 0, 0
	}
	return n, nil
}

// latest is how long a read that begins now may take.
func (b *clientBody) latest(begun time.Time) time.Time {
	latest := begun.Add(rateWindow - b.waited)
	if !b.until.IsZero() && b.until.Before(latest) {
		return b.until
	}
	return latest
}

// deadline sets when reading from the client ends. A connection that can't has
// none, as in tests without a network.
func (b *clientBody) deadline(t time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.conn != nil {
		_ = b.conn.SetReadDeadline(t)
	}
}
