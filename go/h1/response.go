package h1

import (
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

const (
	// outBuffer is how much of an answer waits for more of it before it is
	// written: what of an answer is not longer goes out in one piece.
	outBuffer = 20 << 10
	// frame is the room that is left for what frames a body.
	frame = 64
)

var outBuffers = sync.Pool{New: func() any { return new([outBuffer]byte) }}

// response is a request's http.ResponseWriter. One goroutine writes it.
type response struct {
	c    *conn
	head *head          // of the request
	body body           // of the request
	ctx  requestContext // of the request

	header   http.Header
	status   int   // 0: WriteHeader was not called
	length   int64 // as declared; -1: unknown
	written  int64
	bodiless bool // the answer has no body, whatever the handler writes
	framed   bool // how the body ends is written
	headEnd  int  // where that belongs, while it isn't
	chunked  bool
	close    bool // the connection ends with the answer
	err      error
}

func newResponse(c *conn, h *head) *response {
	if c.answers == nil {
		c.answers = make(http.Header)
	}
	c.want = time.Time{}
	w := &response{c: c, head: h, header: c.answers, length: -1, close: h.close}
	w.body = body{c: c, chunked: h.length < 0, left: max(h.length, 0)}
	w.body.asks = h.expect != "" && h.minor > 0 && h.length != 0
	if h.length == 0 {
		w.body.err = io.EOF
	}
	return w
}

// Header implements http.ResponseWriter.
func (w *response) Header() http.Header { return w.header }

// WriteHeader implements http.ResponseWriter. 1xx answers go out at once.
func (w *response) WriteHeader(status int) {
	if status < 100 || status > 999 || status == http.StatusSwitchingProtocols {
		panic("h1: WriteHeader of " + strconv.Itoa(status))
	}
	if w.status != 0 {
		return
	}
	if status < http.StatusOK {
		w.start(status)
		w.fields(status)
		w.put("\r\n")
		w.flush()
		return
	}
	w.status = status
	if w.body.withhold() || w.body.spoils() || w.c.server.draining.Load() || lists(w.header.Get("Connection"), "close") {
		w.close = true
	}
	w.bodiless = w.head.method == http.MethodHead || status == http.StatusNoContent || status == http.StatusNotModified
	if declared := w.header["Content-Length"]; len(declared) == 1 {
		if n, ok := decimal(declared[0]); ok {
			w.length = n
		}
	}
	w.start(status)
	if !w.fields(status) {
		w.put("Date: ", w.c.server.now(), "\r\n")
	}
	if w.close && w.head.minor > 0 {
		w.put("Connection: close\r\n")
	}
	w.headEnd = len(w.c.out)
	if w.length >= 0 || w.bodiless && w.head.method != http.MethodHead {
		w.frame(true)
	}
}

// start writes the status line.
func (w *response) start(status int) {
	if w.c.out == nil {
		w.c.out = outBuffers.Get().(*[outBuffer]byte)[:0]
	}
	w.put("HTTP/1.", strconv.Itoa(w.head.minor), " ", strconv.Itoa(status), " ", http.StatusText(status), "\r\n")
}

func (w *response) put(texts ...string) {
	for _, text := range texts {
		w.c.out = append(w.c.out, text...)
	}
}

// fields writes the handler's header, but for what is the connection's, with
// names as they are spelled there. It reports whether Date was among them.
func (w *response) fields(status int) (dated bool) {
	for name, values := range w.header {
		switch name {
		case "Content-Length", "Transfer-Encoding", "Connection":
			continue
		case "Content-Type":
			if status == http.StatusNotModified {
				continue
			}
		case "Date":
			dated = true
		}
		if !IsToken(name) {
			continue
		}
		for _, value := range values {
			w.put(name, ": ")
			at := len(w.c.out)
			w.put(trim(value), "\r\n")
			for i := at; i < len(w.c.out)-2; i++ {
				if !valueBytes[w.c.out[i]] {
					w.c.out[i] = ' '
				}
			}
		}
	}
	return dated
}

// frame ends the head, behind which a part of the body may wait already. whole
// says that the length is known, which is that of the rest then.
func (w *response) frame(whole bool) {
	var end []byte
	waiting := len(w.c.out) - w.headEnd
	w.framed = true
	w.chunked = !whole && w.head.minor > 0 && !w.bodiless
	switch {
	case w.status == http.StatusNoContent || w.status == http.StatusNotModified && w.header["Content-Length"] == nil:
	case w.length >= 0: // with a 304 it is that of the content which is not sent (RFC 9110 section 8.6)
		end = append(strconv.AppendInt(append(end, "Content-Length: "...), w.length, 10), "\r\n"...)
	case w.chunked:
		end = append(end, "Transfer-Encoding: chunked\r\n"...)
	}
	if w.head.minor == 0 {
		w.close = w.close || !whole && !w.bodiless
		if !w.close {
			end = append(end, "Connection: keep-alive\r\n"...)
		}
	}
	end = append(end, "\r\n"...)
	if w.chunked && waiting > 0 {
		end = append(strconv.AppendInt(end, int64(waiting), 16), "\r\n"...)
		w.put("\r\n")
	}
	w.c.out = slices.Insert(w.c.out, w.headEnd, end...)
}

// Write implements io.Writer. What is too short to be worth a packet waits for
// more, or for Flush, or for the handler's return.
func (w *response) Write(p []byte) (int, error) {
	if err := w.admit(int64(len(p))); err != nil || w.bodiless {
		return len(p), err
	}
	if !w.framed {
		if len(w.c.out)+len(p)+frame <= outBuffer {
			w.c.out = append(w.c.out, p...)
			return len(p), nil
		}
		w.frame(false)
	}
	if !w.chunked {
		w.push(p)
	} else if len(p) > 0 {
		w.c.out = append(strconv.AppendInt(w.c.out, int64(len(p)), 16), "\r\n"...)
		w.push(p)
		w.put("\r\n")
	}
	if w.err != nil {
		return 0, w.err
	}
	return len(p), nil
}

// admit counts what is about to be written, if it may be.
func (w *response) admit(n int64) error {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	switch {
	case w.err != nil:
		return w.err
	case n > 0 && w.bodiless && w.head.method != http.MethodHead:
		return http.ErrBodyNotAllowed
	case w.length >= 0 && w.written+n > w.length:
		return http.ErrContentLength
	}
	w.written += n
	return nil
}

// push writes through the buffer, or past it what doesn't fit.
func (w *response) push(p []byte) {
	if len(w.c.out)+len(p)+frame > outBuffer {
		room := max(0, min(len(p), outBuffer-frame-len(w.c.out)))
		w.c.out = append(w.c.out, p[:room]...)
		p = p[room:]
		w.flush()
		if len(p) >= outBuffer/2 {
			w.send(p)
			return
		}
	}
	w.c.out = append(w.c.out, p...)
}

// flush writes what waits.
func (w *response) flush() {
	if len(w.c.out) > 0 {
		w.send(w.c.out)
		w.c.out = w.c.out[:0]
	}
}

func (w *response) send(p []byte) {
	if w.err != nil {
		return
	}
	w.c.prepare()
	if _, w.err = w.c.net.Write(p); w.err != nil {
		w.ctx.cancel() // the client has left
	}
}

// Splices reports whether the kernel can move an answer to the client.
func (w *response) Splices() bool { return w.c.plain != nil }

// ReadFrom implements io.ReaderFrom. The kernel moves what comes from a
// connection to a plain one, if the length of the answer was declared.
func (w *response) ReadFrom(r io.Reader) (int64, error) {
	from, limited := r.(*io.LimitedReader)
	if w.c.plain == nil || !limited || w.status == 0 || w.length < 0 || w.bodiless || w.written+from.N > w.length {
		return io.Copy(struct{ io.Writer }{w}, r)
	}
	w.flush()
	if w.err != nil {
		return 0, w.err
	}
	w.c.prepare()
	n, err := w.c.plain.ReadFrom(r)
	w.written += n
	return n, err
}

// Flush implements http.Flusher.
func (w *response) Flush() { _ = w.FlushError() }

// FlushError is what http.ResponseController calls for Flush.
func (w *response) FlushError() error {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if !w.framed {
		w.frame(false)
	}
	w.flush()
	return w.err
}

// SetReadDeadline is for http.ResponseController. There is nothing to wait for
// once the body was read, or the handler has returned.
func (w *response) SetReadDeadline(t time.Time) error {
	w.c.mu.Lock()
	defer w.c.mu.Unlock()
	switch {
	case w.body.over:
		return net.ErrClosed
	case w.body.err != nil:
		return nil
	}
	w.c.until = time.Time{}
	return w.c.net.SetReadDeadline(t)
}

// SetWriteDeadline is for http.ResponseController. It counts from the next
// write on.
func (w *response) SetWriteDeadline(t time.Time) error {
	w.c.mu.Lock()
	defer w.c.mu.Unlock()
	if w.body.over {
		return net.ErrClosed
	}
	w.c.want = t
	return nil
}

// end completes the answer once the handler has returned, and reports whether
// the connection can serve on.
func (w *response) end() bool {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if !w.framed {
		if w.head.method != http.MethodHead || w.written > 0 {
			w.length = w.written
		}
		w.frame(true)
	}
	whole := w.bodiless || w.length < 0 || w.written == w.length
	if w.chunked {
		w.put("0\r\n\r\n")
	}
	w.flush()
	w.release()
	return whole && w.err == nil && !w.close
}

// abort ends an answer that is not whole so that nobody takes it for that.
func (w *response) abort() {
	w.release()
	if w.framed && !w.chunked && w.length < 0 && !w.bodiless {
		if raw, ok := w.c.raw().(interface{ SetLinger(int) error }); ok {
			_ = raw.SetLinger(0) // only a reset differs from the end of such an answer
		}
	}
	_ = w.c.raw().Close() // without the goodbye of TLS, which is a clean end too
}

// release gives back what the next answer will need.
func (w *response) release() {
	clear(w.header)
	if cap(w.c.out) == outBuffer {
		outBuffers.Put((*[outBuffer]byte)(w.c.out[:outBuffer]))
	}
	w.c.out = nil
}
