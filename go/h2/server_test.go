package h2

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"osp/go/serving/servingtest"
)

// running is a server on a port of its own.
type running struct {
	*Server
	t       testing.TB
	address string
}

func newServer(handler http.HandlerFunc, change ...func(*Server)) *Server {
	s := &Server{
		Handler: handler, ReadHeaderTimeout: time.Minute, IdleTimeout: time.Minute, WriteTimeout: time.Minute,
		MaxHeaderBytes: 64 << 10, Log: slog.New(slog.DiscardHandler),
	}
	for _, f := range change {
		f(s)
	}
	return s
}

func serve(t testing.TB, secure bool, handler http.HandlerFunc, change ...func(*Server)) *running {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &running{t: t, address: l.Addr().String(), Server: newServer(handler, change...)}
	if secure {
		l = servingtest.TLS(l, "h2")
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(l) }()
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("Serve returned %v", err)
		}
	})
	return s
}

// client is one of net/http.
func (s *running) client() *http.Client {
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}
	s.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 20 * time.Second}
}

func (s *running) url() string { return "https://" + s.address }

// echo responds with the body, of which it knows the length or not.
func echo(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength >= 0 {
		w.Header().Set("Content-Length", strconv.FormatInt(r.ContentLength, 10))
	}
	_, _ = io.Copy(w, r.Body)
}

func TestBodiesOfAllSizesGoBothWays(t *testing.T) {
	s := serve(t, true, echo)
	client := s.client()
	for _, size := range []int{0, 1, 1000, 16 << 10, 64 << 10, 70_000, 1 << 20, 5 << 20} {
		for _, known := range []bool{true, false} {
			content := make([]byte, size)
			_, _ = rand.Read(content)
			var body io.Reader = bytes.NewReader(content)
			if !known {
				body = io.MultiReader(body)
			}
			resp, err := client.Post(s.url(), "", body)
			if err != nil {
				t.Fatal(size, known, err)
			}
			got, err := io.ReadAll(resp.Body)
			if err != nil || !bytes.Equal(got, content) || resp.Proto != "HTTP/2.0" {
				t.Errorf("%d bytes, known %v: %s %d came, %v", size, known, resp.Proto, len(got), err)
			}
			if short := size <= maxHeld; (known || short) && resp.ContentLength != int64(size) {
				t.Errorf("%d bytes, known %v: length %d", size, known, resp.ContentLength)
			}
		}
	}
}

func TestManyRequestsAtATime(t *testing.T) {
	s := serve(t, true, echo)
	client := s.client()
	var wg sync.WaitGroup
	for i := range 300 {
		wg.Go(func() {
			content := bytes.Repeat([]byte{byte(i)}, i*1000)
			resp, err := client.Post(s.url(), "", bytes.NewReader(content))
			if err != nil {
				t.Error(err)
				return
			}
			defer resp.Body.Close()
			if got, err := io.ReadAll(resp.Body); err != nil || !bytes.Equal(got, content) {
				t.Errorf("%d: %d bytes, %v", i, len(got), err)
			}
		})
	}
	wg.Wait()
}
