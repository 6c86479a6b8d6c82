package pipeline

import (
	"errors"
	"io"
	"net/http"
	"sync"
	"syscall"
	"time"

	"osp/go/names"
	"osp/go/s3err"
	"osp/go/s3op"
	"osp/go/upstream"
)

// responseWriter remembers whether an answer has begun, and gives every write
// its time.
type responseWriter struct {
	http.ResponseWriter
	conn  http.ResponseController
	begun bool
	until time.Time // the deadline of writing

	status int   // of the answer, once it has begun
	sent   int64 // bytes of its body
	failed bool  // the client did not take them
}

func newResponseWriter(w http.ResponseWriter) *responseWriter {
	rw := &responseWriter{ResponseWriter: w, conn: *http.NewResponseController(w)}
	rw.extend() // the deadline of the request before on this connection may have passed
	return rw
}

// extend renews the deadline of writing, if it is no longer about as far as it
// can be. A connection that can't have one has none, as in tests without a network.
func (w *responseWriter) extend() {
	if now := time.Now(); w.until.Sub(now) < writeStall-time.Second {
		w.until = now.Add(writeStall)
		_ = w.conn.SetWriteDeadline(w.until)
	}
}

// WriteHeader implements http.ResponseWriter.
func (w *responseWriter) WriteHeader(status int) {
	if status >= http.StatusOK && !w.begun {
		w.begun, w.status = true, status
	}
	w.extend()
	w.ResponseWriter.WriteHeader(status)
}

// Write implements io.Writer.
func (w *responseWriter) Write(p []byte) (int, error) {
	w.extend()
	n, err := w.ResponseWriter.Write(p)
	w.sent += int64(n)
	w.failed = w.failed || err != nil
	return n, err
}

const copyBufferSize = 128 << 10

var copyBuffers = sync.Pool{New: func() any { return new([copyBufferSize]byte) }}

// answer streams the store's answer to the client. An error after the first
// byte makes the caller break the connection; whatever it is, it says whose
// fault it is.
func (p *Pipeline) answer(x *exchange, resp *http.Response) error {
	defer resp.Body.Close()
	if err := passOn(x, resp); err != nil {
		return x.brokenOff(err)
	}
	return nil
}

func passOn(x *exchange, resp *http.Response) error {
	to := names.Answer{Place: x.place(), Source: x.source()}
	header := resp.Header
	if to.Hides() {
		header = withoutNames(header)
	}
	clientHeader(x.w.Header(), header)
	if x.r.Method == http.MethodHead {
		x.w.WriteHeader(resp.StatusCode)
		return nil
	}
	// Where an upload went is always said in the client's terms: the store's own
	// address may be of no use to it.
	if to.Hides() || len(x.refused) > 0 || x.req.Operation == s3op.CompleteMultipartUpload {
		return answerRewritten(x, resp, to)
	}
	x.w.WriteHeader(resp.StatusCode)
	return x.stream(resp.Body)
}

// ReadFrom implements io.ReaderFrom, for http.ResponseWriters that splice.
func (w *responseWriter) ReadFrom(r io.Reader) (int64, error) {
	w.extend()
	n, err := w.ResponseWriter.(io.ReaderFrom).ReadFrom(r)
	w.sent += n
	return n, err
}

// stream copies a store's body to the client; from one plain connection to
// another the kernel moves it.
func (x *exchange) stream(from io.Reader) error {
	w := x.w
	var spliced io.ReaderFrom
	if client, ok := w.ResponseWriter.(interface{ Splices() bool }); ok && client.Splices() {
		spliced = w
	}
	if done, err := upstream.Forward(w, spliced, from); done || err != nil {
		return err
	}
	return copyAsItComes(w, from)
}

// newsOfLeaving is how long after a reset it takes to hear that it was the client.
const newsOfLeaving = 500 * time.Millisecond

// brokenOff says whose fault it is that an answer did not come to its end.
// Where the kernel moves the bytes a reset is either side's, but the server
// watches the client's.
func (x *exchange) brokenOff(err error) error {
	left := x.w.failed || errors.Is(err, syscall.EPIPE) || x.r.Context().Err() != nil
	if !left && errors.Is(err, syscall.ECONNRESET) {
		select {
		case <-x.r.Context().Done():
			left = true
		case <-time.After(newsOfLeaving):
		}
	}
	if left {
		return clientLeft.Because(err)
	}
	if e := (*s3err.Error)(nil); errors.As(err, &e) {
		return err
	}
	return s3err.BadGateway.Because(err)
}

// copyAsItComes sends bytes on at once when no more are waiting: a read that
// leaves room in the buffer says so.
func copyAsItComes(w *responseWriter, from io.Reader) error {
	buffer := copyBuffers.Get().(*[copyBufferSize]byte)
	defer copyBuffers.Put(buffer)
	for {
		n, err := from.Read(buffer[:])
		if n > 0 {
			if _, werr := w.Write(buffer[:n]); werr != nil {
				return werr
			}
			if n < len(buffer) && err == nil {
				if ferr := w.conn.Flush(); ferr != nil {
					return clientLeft.Because(ferr)
				}
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
