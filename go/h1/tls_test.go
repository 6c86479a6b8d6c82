package h1

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"osp/go/serving/servingtest"
)

// serveTLS runs a server and returns how to connect to it.
func serveTLS(t *testing.T, handler http.HandlerFunc) (dial func() *tls.Conn) {
	t.Helper()
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{Handler: handler, ReadHeaderTimeout: time.Minute, IdleTimeout: time.Minute, MaxHeaderBytes: 64 << 10, Log: slog.New(slog.DiscardHandler)}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(servingtest.TLS(inner)) }()
	t.Cleanup(func() {
		_ = s.Close() // it never fails
		<-ended
	})
	return func() *tls.Conn {
		conn, err := tls.Dial("tcp", inner.Addr().String(), &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(20 * time.Second)) // or a failing test would hang
		t.Cleanup(func() { _ = conn.Close() })
		return conn
	}
}

func TestItServesOverTLS(t *testing.T) {
	asked := make(chan struct{}, 1)
	dial := serveTLS(t, func(w http.ResponseWriter, r *http.Request) {
		if r.TLS == nil || !r.TLS.HandshakeComplete {
			t.Error("the handler doesn't learn of TLS")
		}
		switch r.URL.Path {
		case "/leave":
			asked <- struct{}{}
			<-r.Context().Done()
			asked <- struct{}{}
		case "/refuse":
			http.Error(w, "no", http.StatusForbidden)
		case "/break":
			_, _ = io.WriteString(w, "half")
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		default:
			_, _ = io.Copy(w, r.Body)
		}
	})
	conn := dial()
	r := bufio.NewReader(conn)
	for range 2 {
		_, _ = io.WriteString(conn, "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody")
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		if body, err := io.ReadAll(resp.Body); string(body) != "body" || err != nil {
			t.Errorf("got %q, %v", body, err)
		}
	}
	_, _ = io.WriteString(conn, "GET /leave HTTP/1.1\r\nHost: a\r\n\r\n")
	<-asked
	_ = conn.Close()
	<-asked // or the test would hang

	conn = dial()
	_, _ = io.WriteString(conn, "PUT /refuse HTTP/1.1\r\nHost: a\r\nContent-Length: 9000000\r\n\r\nbegins")
	if got, err := io.ReadAll(conn); !strings.HasPrefix(string(got), "HTTP/1.1 403") || err != nil {
		t.Errorf("a refusal: %q, %v", got, err)
	}
	conn = dial()
	_, _ = io.WriteString(conn, "GET /break HTTP/1.0\r\n\r\n")
	if got, err := io.ReadAll(conn); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("half an answer ends well: %q", got)
	}
}
