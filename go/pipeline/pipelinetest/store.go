package pipelinetest

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
)

// Store is an S3 store that notes what reaches it and answers as told.
type Store struct {
	*httptest.Server

	mu     sync.Mutex
	seen   []StoreRequest
	answer http.HandlerFunc // nil: 200 with an ETag
}

// StoreRequest is what reached a store.
type StoreRequest struct {
	Method, Target string
	Header         http.Header
	Length         int64
	Body           []byte
	Complete       bool // the body came to a clean end
}

// NewStore starts a store that ends with the test.
func NewStore(t testing.TB) *Store {
	s := &Store{}
	s.Server = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(s.Close)
	return s
}

func (s *Store) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	s.mu.Lock()
	s.seen = append(s.seen, StoreRequest{r.Method, r.RequestURI, r.Header.Clone(), r.ContentLength, body, err == nil})
	answer := s.answer
	s.mu.Unlock()
	if answer != nil {
		answer(w, r)
		return
	}
	w.Header().Set("ETag", `"stored"`)
}

// Answers has f answer from now on.
func (s *Store) Answers(f http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = f
}

// Requests are those that reached the store so far.
func (s *Store) Requests() []StoreRequest {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]StoreRequest(nil), s.seen...)
}

// Only returns the one request that reached the store.
func (s *Store) Only(t testing.TB) StoreRequest {
	t.Helper()
	seen := s.Requests()
	if len(seen) != 1 {
		t.Fatalf("%d requests reached the store, want 1", len(seen))
	}
	return seen[0]
}

// Untouched fails the test when anything reached the store whole.
func (s *Store) Untouched(t testing.TB) {
	t.Helper()
	for _, r := range s.Requests() {
		if r.Complete {
			t.Errorf("%s %s reached the store", r.Method, r.Target)
		}
	}
}

// ObjectSize is that of the object of a CannedStore.
const ObjectSize = 1 << 10

// CannedStore answers every request with the same object, by a loop over canned
// bytes, so that profiles show the proxy.
func CannedStore(t testing.TB) (port int) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	answer := []byte("HTTP/1.1 200 OK\r\nServer: store\r\nDate: Sun, 01 Mar 2026 12:00:00 GMT\r\nContent-Type: image/jpeg\r\n" +
		"Content-Length: " + strconv.Itoa(ObjectSize) + "\r\nLast-Modified: Sun, 01 Mar 2026 11:00:00 GMT\r\nETag: \"0\"\r\n" +
		"Accept-Ranges: bytes\r\nX-Amz-Request-Id: 0123456789ABCDEF\r\n\r\n" + string(make([]byte, ObjectSize)))
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

// Canned are settings with one entry, "photos", whose store is a CannedStore.
func Canned(t testing.TB) Settings {
	return Settings{"cos_map": Settings{"photos": Entry(CannedStore(t))}}
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
