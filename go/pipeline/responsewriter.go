package pipeline

import (
	"io"
	"net/http"
	"time"
)

// writeTimeout is how long one write to the client may wait: readers pause to
// digest what they got, but not for ever.
const writeTimeout = 5 * time.Minute

// responseWriter remembers whether a response has begun, and gives every write
// its time.
type responseWriter struct {
	http.ResponseWriter
	conn  http.ResponseController
	begun bool
	until time.Time // the deadline of writing

	status int   // of the response, once it has begun
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
	if now := time.Now(); w.until.Sub(now) < writeTimeout-time.Second {
		w.until = now.Add(writeTimeout)
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

// sender is an http.ResponseWriter that reads a body into what it sends, as it comes.
type sender interface {
	SendFrom(r io.Reader) (int64, error)
}

// sendFrom has a body sent, of which each part has its time.
func (w *responseWriter) sendFrom(client sender, from io.Reader) error {
	n, err := client.SendFrom(extending{w, from})
	w.sent += n
	return err
}

// extending is a body whose every part renews the deadline of writing.
type extending struct {
	w    *responseWriter
	from io.Reader
}

// Read implements io.Reader.
func (e extending) Read(p []byte) (int, error) {
	n, err := e.from.Read(p)
	e.w.extend()
	return n, err
}

// ReadFrom implements io.ReaderFrom, for http.ResponseWriters that splice.
func (w *responseWriter) ReadFrom(r io.Reader) (int64, error) {
	w.extend()
	n, err := w.ResponseWriter.(io.ReaderFrom).ReadFrom(r)
	w.sent += n
	return n, err
}
