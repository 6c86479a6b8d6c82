package h1

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"testing"
	"time"
)

// faulty is a connection of which a read panics.
type faulty struct {
	net.Conn
	good int // reads before that
}

func (f *faulty) Read(p []byte) (int, error) {
	if f.good--; f.good < 0 {
		panic("a bug")
	}
	return f.Conn.Read(p)
}

// faultyListener makes such connections.
type faultyListener struct {
	net.Listener
	good int
}

func (l faultyListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return &faulty{c, l.good}, err
}

func TestAPanicEndsItsConnectionOnly(t *testing.T) {
	for name, c := range map[string]struct {
		good int
		says string
	}{
		"in a head":         {0, get},
		"in a body":         {1, "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nab"},
		"in the background": {1, get},
	} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		s := &Server{ReadHeaderTimeout: time.Minute, IdleTimeout: time.Minute, MaxHeaderBytes: 64 << 10, Log: slog.New(slog.DiscardHandler)}
		s.Handler = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if _, err := read(r.Body); err == nil {
				<-r.Context().Done()
			}
		})
		ended := make(chan error, 1)
		go func() { ended <- s.Serve(faultyListener{l, c.good}) }()
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(20 * time.Second)) // or a failing test would hang
		_, _ = io.WriteString(conn, c.says)
		if _, err := io.ReadAll(conn); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("a panic %s: the connection stays", name)
		}
		_ = conn.Close()
		if err := s.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		<-ended
	}
}

// nobody is a connection whose other end the system does not know.
type nobody struct{ net.Conn }

func (nobody) RemoteAddr() net.Addr { return nil }

func TestAConnectionMayComeFromNowhere(t *testing.T) {
	here, there := net.Pipe()
	defer there.Close()
	if c := newConn(&Server{}, nobody{here}); c.remote != "" {
		t.Errorf("it comes from %s", c.remote)
	}
}

// read reads a body as an upload does: in another goroutine, with a firewall.
func read(body io.Reader) (n int64, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			if v := recover(); v != nil {
				err = fmt.Errorf("panic: %v", v)
			}
		}()
		n, err = io.Copy(io.Discard, body)
	}()
	<-done
	return n, err
}
