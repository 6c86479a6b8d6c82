package proxy

import (
	"io"
	"net/http"
	"sync"
	"time"

	"osp/go/s3err"
	"osp/go/s3req"
)

// responseWriter remembers whether an answer has begun, and gives every write
// its time.
type responseWriter struct {
	http.ResponseWriter
	conn  *http.ResponseController
	begun bool

	status int   // of the answer, once it has begun
	sent   int64 // bytes of its body
}

func newResponseWriter(w http.ResponseWriter) *responseWriter {
	rw := &responseWriter{ResponseWriter: w, conn: http.NewResponseController(w)}
	rw.extend() // the deadline of the request before on this connection may have passed
	return rw
}

// extend renews the deadline of writing. A connection that can't have one has
// none, as in tests without a network.
func (w *responseWriter) extend() { _ = w.conn.SetWriteDeadline(time.Now().Add(writeStall)) }

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
	return n, err
}

const copyBufferSize = 64 << 10

var copyBuffers = sync.Pool{New: func() any { return new([copyBufferSize]byte) }}

// answer streams the store's answer to the client. An error after the first
// byte makes the caller break the connection.
func (h *handler) answer(x *exchange, resp *http.Response) error {
	defer resp.Body.Close()
	clientHeader(x.w.Header(), resp.Header)
	if x.r.Method == http.MethodHead {
		x.w.WriteHeader(resp.StatusCode)
		return nil
	}
	// Where an upload went is always said in the client's terms: the store's own
	// address may be of no use to it.
	if x.bucket.Renamed() || len(x.refused) > 0 || x.req.Operation == s3req.CompleteMultipartUpload {
		return answerRewritten(x, resp)
	}
	x.w.WriteHeader(resp.StatusCode)
	return stream(x.w, resp.Body)
}

// stream copies as the bytes come: a read that leaves room in the buffer says
// that no more is waiting, so what is there goes out at once.
func stream(w *responseWriter, from io.Reader) error {
	buffer := copyBuffers.Get().(*[copyBufferSize]byte)
	defer copyBuffers.Put(buffer)
	for {
		n, err := from.Read(buffer[:])
		if n > 0 {
			if _, werr := w.Write(buffer[:n]); werr != nil {
				return clientLeft.Because(werr)
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
			return s3err.BadGateway.Because(err)
		}
	}
}
