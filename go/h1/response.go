package h1

import (
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"osp/go/serving"
)

const (
	// outBuffer is the size of the buffer through which a response is written: a
	// response that fits leaves in one write.
	outBuffer = 20 << 10
	// framingRoom is the room kept free in it for what frames a body.
	framingRoom = 64
)

var outBuffers = sync.Pool{New: func() any { return new([outBuffer]byte) }}

// response is a request's http.ResponseWriter. One goroutine at a time writes it.
type response struct {
	c    *conn
	head *head           // of the request
	body body            // of the request
	ctx  serving.Context // of the request

	header    http.Header
	status    int   // 0: WriteHeader was not called
	length    int64 // as declared; -1: unknown
	written   int64 // bytes of the body
	bodiless  bool  // the response has no body, whatever the handler writes
	headEnded bool  // the fields that say where the body ends have been written
	headEnd   int   // where in conn.out they belong, until then
	chunked   bool
	close     bool // the connection is closed after the response
	err       error
}

func newResponse(c *conn, h *head) *response {
	if c.responseHeader == nil {
		c.responseHeader = make(http.Header)
	}
	c.wantWriteDeadline = time.Time{}
	w := &response{c: c, head: h, header: c.responseHeader, length: -1, close: h.close}
	w.body = body{c: c, chunked: h.length < 0, left: max(h.length, 0)}
	w.body.wantsContinue = h.expect != "" && h.minor > 0 && h.length != 0
	if h.length == 0 {
		w.body.err = io.EOF
	}
	return w
}

// Header implements http.ResponseWriter.
func (w *response) Header() http.Header { return w.header }

// WriteHeader implements http.ResponseWriter. 1xx responses are sent at once.
func (w *response) WriteHeader(status int) {
	if status < 100 || status > 999 || status == http.StatusSwitchingProtocols {
		panic("h1: WriteHeader of " + strconv.Itoa(status))
	}
	if w.status != 0 {
		return
	}
	if status < http.StatusOK {
		w.writeStatusLine(status)
		w.writeFields(status)
		w.putStrings("\r\n")
		w.flush()
		return
	}
	w.status = status
	if w.body.withholdContinue() || w.body.preventsReuse() || w.c.server.conns.Draining() || hasElement(w.header.Get("Connection"), "close") {
		w.close = true
	}
	w.bodiless = w.head.method == http.MethodHead || status == http.StatusNoContent || status == http.StatusNotModified
	if declared := w.header["Content-Length"]; len(declared) == 1 {
		if n, ok := decimal(declared[0]); ok {
			w.length = n
		}
	}
	w.writeStatusLine(status)
	if !w.writeFields(status) {
		w.putStrings("Date: ", w.c.server.clock.Date(), "\r\n")
	}
	if w.close && w.head.minor > 0 {
		w.putStrings("Connection: close\r\n")
	}
	w.headEnd = len(w.c.out)
	if w.length >= 0 || w.bodiless && w.head.method != http.MethodHead {
		w.endHead(true)
	}
}

// writeStatusLine writes the status line.
func (w *response) writeStatusLine(status int) {
	if w.c.out == nil {
		w.c.out = outBuffers.Get().(*[outBuffer]byte)[:0]
	}
	w.putStrings("HTTP/1.", strconv.Itoa(w.head.minor), " ")
	w.c.out = strconv.AppendInt(w.c.out, int64(status), 10)
	w.putStrings(" ", http.StatusText(status), "\r\n")
}

func (w *response) putStrings(texts ...string) {
	for _, text := range texts {
		w.c.out = append(w.c.out, text...)
	}
}

// writeFields writes the handler's header, without the fields that are up to the
// connection, and with names as they are spelled there. It reports whether Date was
// among them.
func (w *response) writeFields(status int) (dated bool) {
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
			w.putStrings(name, ": ")
			at := len(w.c.out)
			w.putStrings(trim(value), "\r\n")
			for i := at; i < len(w.c.out)-2; i++ {
				if !valueBytes[w.c.out[i]] {
					w.c.out[i] = ' '
				}
			}
		}
	}
	return dated
}

// endHead completes the head in the buffer, where a part of the body may already
// follow it. whole says that the body's length is known: either it was declared or
// all of the body is in the buffer.
func (w *response) endHead(whole bool) {
	var end []byte
	waiting := len(w.c.out) - w.headEnd
	w.headEnded = true
	w.chunked = !whole && w.head.minor > 0 && !w.bodiless
	switch {
	case w.status == http.StatusNoContent || w.status == http.StatusNotModified && w.header["Content-Length"] == nil:
	case w.length >= 0: // with a 304 it is that of the content that is not sent (RFC 9110 section 8.6)
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
		w.putStrings("\r\n")
	}
	w.c.out = slices.Insert(w.c.out, w.headEnd, end...)
}

// Write implements io.Writer. What is too short to be worth a packet is buffered
// until there is more, until Flush, or until the handler returns.
func (w *response) Write(p []byte) (int, error) {
	if err := w.countBody(int64(len(p))); err != nil || w.bodiless {
		return len(p), err
	}
	if !w.headEnded {
		if len(w.c.out)+len(p)+framingRoom <= outBuffer {
			w.c.out = append(w.c.out, p...)
			return len(p), nil
		}
		w.endHead(false)
	}
	if !w.chunked {
		w.writeBuffered(p)
	} else if len(p) > 0 {
		w.c.out = append(strconv.AppendInt(w.c.out, int64(len(p)), 16), "\r\n"...)
		w.writeBuffered(p)
		w.putStrings("\r\n")
	}
	if w.err != nil {
		return 0, w.err
	}
	return len(p), nil
}

// countBody counts bytes of the body that are about to be written. Its error says
// why they must not be.
func (w *response) countBody(n int64) error {
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

// writeBuffered writes through the buffer; what is long bypasses it.
func (w *response) writeBuffered(p []byte) {
	if len(w.c.out)+len(p)+framingRoom > outBuffer {
		room := max(0, min(len(p), outBuffer-framingRoom-len(w.c.out)))
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

// flush writes what is buffered.
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
	w.c.applyWriteDeadline()
	if _, w.err = w.c.net.Write(p); w.err != nil {
		w.ctx.Cancel() // the client has disconnected
	}
}

// BelongsTo says whose request it is: connections of one client share its turns.
func (w *response) BelongsTo(client string) {
	if w.c.client != client {
		w.c.client = strings.Clone(client) // without the rest of its request
	}
}

// Splices reports whether the kernel can move a body to the client.
func (w *response) Splices() bool { return w.c.splicer != nil }

// ReadFrom implements io.ReaderFrom. The kernel moves the data (splice(2)) if it
// comes from a TCP connection and goes to one without TLS, and if the response's
// length was declared.
func (w *response) ReadFrom(r io.Reader) (int64, error) {
	from, limited := r.(*io.LimitedReader)
	if w.c.splicer == nil || !limited || w.status == 0 || w.length < 0 || w.bodiless || w.written+from.N > w.length {
		return io.Copy(struct{ io.Writer }{w}, r)
	}
	w.flush()
	if w.err != nil {
		return 0, w.err
	}
	w.c.applyWriteDeadline()
	n, err := w.c.splicer.ReadFrom(r)
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
	if !w.headEnded {
		w.endHead(false)
	}
	w.flush()
	return w.err
}

// SetReadDeadline is for http.ResponseController. It has no effect once the body
// has been read, and fails once the handler has returned.
func (w *response) SetReadDeadline(t time.Time) error {
	w.c.mu.Lock()
	defer w.c.mu.Unlock()
	switch {
	case w.body.handlerDone:
		return net.ErrClosed
	case w.body.err != nil:
		return nil
	}
	w.c.readDeadline = time.Time{}
	return w.c.net.SetReadDeadline(t)
}

// SetWriteDeadline is for http.ResponseController. It takes effect with the next
// write.
func (w *response) SetWriteDeadline(t time.Time) error {
	w.c.mu.Lock()
	defer w.c.mu.Unlock()
	if w.body.handlerDone {
		return net.ErrClosed
	}
	w.c.wantWriteDeadline = t
	return nil
}

// end completes the response after the handler has returned, and reports whether
// the connection can serve further requests.
func (w *response) end() bool {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if !w.headEnded {
		if w.head.method != http.MethodHead || w.written > 0 {
			w.length = w.written
		}
		w.endHead(true)
	}
	whole := w.bodiless || w.length < 0 || w.written == w.length
	if w.chunked {
		w.putStrings("0\r\n\r\n")
	}
	w.flush()
	w.releaseBuffer()
	return whole && w.err == nil && !w.close
}

// abort ends an incomplete response so that nobody takes it for a complete one.
func (w *response) abort() {
	w.releaseBuffer()
	if w.headEnded && !w.chunked && w.length < 0 && !w.bodiless {
		if raw, ok := serving.Raw(w.c.net).(interface{ SetLinger(int) error }); ok {
			_ = raw.SetLinger(0) // only a reset differs from the end of such a response
		}
	}
	_ = serving.Raw(w.c.net).Close() // without TLS's close_notify, which would mean a clean end
}

// releaseBuffer makes the header and the buffer available to the next response.
func (w *response) releaseBuffer() {
	clear(w.header)
	if cap(w.c.out) == outBuffer {
		outBuffers.Put((*[outBuffer]byte)(w.c.out[:outBuffer]))
	}
	w.c.out = nil
}
