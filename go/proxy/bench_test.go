package proxy

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"osp/go/callbacks"
)

// These measure what a warm GET of 1 KiB costs: BenchmarkStages the stages up
// to the call that goes to the store, BenchmarkHandler those and the way to
// the store and back, BenchmarkServer all of it, from the client's socket on.
// Client and store are loops over canned bytes, so that profiles show the proxy.

const objectSize = 1 << 10

// cannedStore answers every request with the same object.
func cannedStore(b testing.TB) (port int) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = listener.Close() })
	answer := []byte("HTTP/1.1 200 OK\r\nServer: store\r\nDate: Sun, 01 Mar 2026 12:00:00 GMT\r\nContent-Type: image/jpeg\r\n" +
		"Content-Length: " + strconv.Itoa(objectSize) + "\r\nLast-Modified: Sun, 01 Mar 2026 11:00:00 GMT\r\nETag: \"0\"\r\n" +
		"Accept-Ranges: bytes\r\nX-Amz-Request-Id: 0123456789ABCDEF\r\n\r\n" + string(make([]byte, objectSize)))
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go storeLoop(conn, answer)
		}
	}()
	return listener.Addr().(*net.TCPAddr).Port
}

func storeLoop(conn net.Conn, answer []byte) {
	defer conn.Close()
	in := bufio.NewReader(conn)
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return
		}
		if len(line) > len("\r\n") {
			continue
		}
		if _, err := conn.Write(answer); err != nil {
			return
		}
	}
}

// warm starts a proxy in front of a canned store and returns it with a request
// that it has served once, as a client would send it and as net/http hands it over.
func warm(b testing.TB) (*rig, []byte, *http.Request) {
	b.Helper()
	entry := settings{
		"host": "127.0.0.1", "port": cannedStore(b), "addressing_style": "path", "access_key": storeKey, "secret_key": storeSecret,
	}
	allow := func(context.Context, *callbacks.Request) (callbacks.Decision, error) {
		return callbacks.Decision{Allow: true}, nil
	}
	r := start(b, callbacks.Set{Validator: allow}, settings{"cos_map": settings{"photos": entry}})
	client := r.signed("GET", "/photos/2026/03/01/0001.jpg", "", "User-Agent", "Boto3/1.40 md/Botocore ua/2.1", "Accept-Encoding", "identity",
		"Amz-Sdk-Invocation-Id", "0c1f6ab0-9b3c-4f35-8d52-3f1c7c3f2a11", "Amz-Sdk-Request", "attempt=1")
	var wire bytes.Buffer
	if err := client.Write(&wire); err != nil {
		b.Fatal(err)
	}
	request, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(wire.Bytes())))
	if err != nil {
		b.Fatal(err)
	}
	request.RemoteAddr = "127.0.0.1:40000"
	served := httptest.NewRecorder()
	r.server.handler.handle("http", served, request)
	if served.Code != http.StatusOK || served.Body.Len() != objectSize {
		b.Fatalf("got %d with %d bytes", served.Code, served.Body.Len())
	}
	return r, wire.Bytes(), request
}

func BenchmarkStages(b *testing.B) {
	r, _, request := warm(b)
	b.ReportAllocs()
	for b.Loop() {
		if err := stages(r.server.handler, request); err != nil {
			b.Fatal(err)
		}
	}
}

// They made 60 before they were looked at, and 18 after.
func TestTheStagesOfAWarmRequestAllocateLittle(t *testing.T) {
	r, _, request := warm(t)
	allocations := testing.AllocsPerRun(1000, func() {
		if err := stages(r.server.handler, request); err != nil {
			t.Fatal(err)
		}
	})
	if allocations > 30 { // the race detector empties pools at random
		t.Errorf("%v allocations", allocations)
	}
}

// stages is the beginning of serve.
func stages(h *handler, r *http.Request) error {
	x := &exchange{w: newResponseWriter(&sink{}), r: r, scheme: "http", requestID: newRequestID(), stores: h.stores.Load()}
	err := h.parse(x)
	if err != nil {
		return err
	}
	if x.verified, err = h.verify(x); err != nil {
		return err
	}
	if err := h.authorize(x); err != nil {
		return err
	}
	_, err = h.prepare(x)
	return err
}

func BenchmarkHandler(b *testing.B) {
	r, _, request := warm(b)
	b.ReportAllocs()
	for b.Loop() {
		w := &sink{header: http.Header{}}
		r.server.handler.handle("http", w, request)
		if w.status != http.StatusOK || w.size != objectSize {
			b.Fatalf("got %d with %d bytes", w.status, w.size)
		}
	}
}

// sink is a connection to a client that takes all.
type sink struct {
	header http.Header
	status int
	size   int
}

func (s *sink) Header() http.Header              { return s.header }
func (s *sink) WriteHeader(status int)           { s.status = status }
func (s *sink) Flush()                           {}
func (s *sink) SetReadDeadline(time.Time) error  { return nil }
func (s *sink) SetWriteDeadline(time.Time) error { return nil }

func (s *sink) Write(p []byte) (int, error) {
	s.size += len(p)
	return len(p), nil
}

func BenchmarkServer(b *testing.B) {
	r, wire, _ := warm(b)
	b.SetParallelism(16)
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		conn, err := net.Dial("tcp", "127.0.0.1:"+strconv.Itoa(r.server.HTTPPort()))
		if err != nil {
			b.Error(err)
			return
		}
		defer conn.Close()
		in := bufio.NewReader(conn)
		for pb.Next() {
			if err := clientLoop(conn, in, wire); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// clientLoop sends a request and reads its answer, of which it looks at no
// more than it has to.
func clientLoop(conn net.Conn, in *bufio.Reader, wire []byte) error {
	if _, err := conn.Write(wire); err != nil {
		return err
	}
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return err
		}
		if len(line) == len("\r\n") {
			break
		}
	}
	_, err := in.Discard(objectSize)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return err
}
