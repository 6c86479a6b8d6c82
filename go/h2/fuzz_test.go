package h2

import (
	"bytes"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"osp/go/h1"
)

// FuzzHead shows that no head of HTTP/2 becomes a request that HTTP/1 could not have
// carried.
func FuzzHead(f *testing.F) {
	for _, fields := range [][]string{
		plain, put("content-length", "4", "host", "a", "cookie", "b"), put("te", "trailers", "x-amz-date", "1"),
		{":method", "OPTIONS", ":scheme", "http", ":authority", "a:1", ":path", "*"},
	} {
		var block bytes.Buffer
		encoder := hpack.NewEncoder(&block)
		for i := 0; i < len(fields); i += 2 {
			_ = encoder.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]}) // a buffer never fails
		}
		f.Add(block.Bytes(), 3, true)
	}
	f.Fuzz(func(t *testing.T, block []byte, cut int, ends bool) {
		var h head
		var d *hpack.Decoder
		d = hpack.NewDecoder(tableSize, func(f hpack.HeaderField) {
			if !h.field(f) {
				d.SetEmitEnabled(false)
			}
		})
		d.SetMaxStringLength(64 << 10)
		h.begin(1, ofRequest, ends, 64<<10)
		at := min(max(cut, 0), len(block))
		if h.fragment(d, block[:at]) != nil || h.fragment(d, block[at:]) != nil || h.finish(d) != nil || h.err != nil || h.tooLong {
			return
		}
		r, err := h.request()
		if err != nil {
			return
		}
		if !h1.IsToken(r.Method) || !h1.IsHost(r.Host) || r.Host == "" || strings.ContainsAny(r.RequestURI, " \r\n\x00") || r.RequestURI[0] != '/' && r.RequestURI != "*" {
			t.Errorf("%q %q %q", r.Method, r.Host, r.RequestURI)
		}
		for name, values := range r.Header {
			for _, value := range values {
				if _, _, err := h1.Field(name + ": " + value); err != nil || strings.TrimSpace(value) != value && strings.Trim(value, " \t") != value {
					t.Errorf("%q: %q", name, value)
				}
			}
		}
	})
}

// recorded is a connection on which all was said before it began.
type recorded struct {
	net.Conn // nil: what the server has no use for
	said     io.Reader
}

func (c recorded) Read(p []byte) (int, error)     { return c.said.Read(p) }
func (recorded) Write(p []byte) (int, error)      { return len(p), nil }
func (recorded) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (recorded) SetReadDeadline(time.Time) error  { return nil }
func (recorded) SetWriteDeadline(time.Time) error { return nil }
func (recorded) Close() error                     { return nil }

// FuzzConn shows that no client's bytes make a connection panic or hang.
func FuzzConn(f *testing.F) {
	var wire bytes.Buffer
	framer := http2.NewFramer(&wire, nil)
	l := &link{Framer: framer, t: f}
	l.encoder = hpack.NewEncoder(&l.block)
	_ = framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 10})
	l.ask(1, false, put()...)
	_ = framer.WriteDataPadded(1, true, []byte("body"), make([]byte, 5))
	l.ask(3, true, plain...)
	_ = framer.WriteWindowUpdate(0, 100)
	_ = framer.WriteRSTStream(3, http2.ErrCodeCancel)
	_ = framer.WritePing(false, [8]byte{})
	_ = framer.WritePriority(5, http2.PriorityParam{StreamDep: 1})
	_ = framer.WriteGoAway(0, http2.ErrCodeNo, nil)
	f.Add(wire.Bytes())
	s := newServer(echo, func(s *Server) { s.Log = slog.New(slog.NewTextHandler(panicking{f}, nil)) })
	f.Fuzz(func(_ *testing.T, said []byte) {
		newConn(s, recorded{said: io.MultiReader(strings.NewReader(http2.ClientPreface), bytes.NewReader(said))}).Serve()
	})
}

// panicking fails a test that logs anything.
type panicking struct{ t testing.TB }

func (p panicking) Write(b []byte) (int, error) {
	panic(string(b))
}

var _ http.ResponseWriter = (*stream)(nil)
