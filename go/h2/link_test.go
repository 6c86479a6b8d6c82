package h2

import (
	"bytes"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// link is a client's connection that says what it is told to, right or wrong.
type link struct {
	*net.TCPConn
	*http2.Framer
	t       testing.TB
	block   bytes.Buffer
	encoder *hpack.Encoder
	decoder *hpack.Decoder
}

// dial connects, and says what a client has to say at first.
func (s *running) dial(settings ...http2.Setting) *link {
	s.t.Helper()
	l := s.connect()
	if _, err := io.WriteString(l.TCPConn, http2.ClientPreface); err != nil {
		s.t.Fatal(err)
	}
	l.must(l.WriteSettings(settings...))
	return l
}

func (s *running) connect() *link {
	s.t.Helper()
	conn, err := net.Dial("tcp", s.address)
	if err != nil {
		s.t.Fatal(err)
	}
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second)) // or a failing test would hang
	s.t.Cleanup(func() { _ = conn.Close() })
	l := &link{TCPConn: conn.(*net.TCPConn), Framer: http2.NewFramer(conn, conn), t: s.t, decoder: hpack.NewDecoder(4096, nil)}
	l.AllowIllegalWrites = true
	l.encoder = hpack.NewEncoder(&l.block)
	return l
}

func (l *link) must(err error) {
	l.t.Helper()
	if err != nil {
		l.t.Fatal(err)
	}
}

// encode returns a head of pairs of names and values.
func (l *link) encode(fields ...string) []byte {
	l.block.Reset()
	for i := 0; i < len(fields); i += 2 {
		_ = l.encoder.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]}) // a buffer never fails
	}
	return bytes.Clone(l.block.Bytes())
}

var plain = []string{":method", "GET", ":scheme", "https", ":authority", "a", ":path", "/"}

func put(more ...string) []string {
	return append([]string{":method", "PUT", ":scheme", "https", ":authority", "a", ":path", "/"}, more...)
}

// ask begins a stream with a whole head.
func (l *link) ask(stream uint32, ends bool, fields ...string) {
	l.t.Helper()
	l.must(l.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: l.encode(fields...), EndStream: ends, EndHeaders: true}))
}

// heard is what became of a stream, or of the connection.
type heard struct {
	status string
	header map[string]string
	body   []byte
	ended  bool          // by END_STREAM
	code   http2.ErrCode // of RST_STREAM or GOAWAY
	reset  bool
	away   bool
	closed bool
}

// hear reads until a stream has ended or been reset, or the connection has ended, or
// is about to.
func (l *link) hear(stream uint32) (h heard) {
	l.t.Helper()
	for {
		f, err := l.ReadFrame()
		if err != nil {
			if e := net.Error(nil); errors.As(err, &e) && e.Timeout() {
				l.t.Fatalf("nothing came of stream %d: %+v", stream, h)
			}
			h.closed = true
			return h
		}
		switch f := f.(type) {
		case *http2.HeadersFrame:
			fields, err := l.decoder.DecodeFull(f.HeaderBlockFragment())
			l.must(err)
			if f.StreamID != stream {
				continue
			}
			h.header = make(map[string]string)
			for _, field := range fields {
				h.header[field.Name] = field.Value
			}
			h.status += h.header[":status"]
			h.ended = f.StreamEnded()
		case *http2.DataFrame:
			if f.StreamID == stream {
				h.body = append(h.body, f.Data()...)
				h.ended = f.StreamEnded()
			}
		case *http2.RSTStreamFrame:
			if f.StreamID == stream {
				h.code, h.reset = f.ErrCode, true
			}
		case *http2.GoAwayFrame:
			h.code, h.away = f.ErrCode, true
		}
		if h.ended || h.reset || h.away {
			return h
		}
	}
}

// await reads until a frame fulfils a condition.
func (l *link) await(fulfils func(http2.Frame) bool) {
	l.t.Helper()
	for {
		f, err := l.ReadFrame()
		l.must(err)
		if fulfils(f) {
			return
		}
	}
}

// ping shows that all that was sent before has been read.
func (l *link) ping() {
	l.t.Helper()
	l.must(l.WritePing(false, [8]byte{1}))
	l.await(func(f http2.Frame) bool { p, ok := f.(*http2.PingFrame); return ok && p.IsAck() })
}
