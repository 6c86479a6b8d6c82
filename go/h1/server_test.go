package h1

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"osp/go/serving"
)

// running is a server on a port of its own.
type running struct {
	*Server
	t       *testing.T
	address string
	ended   chan error // what Serve returned
}

func serve(t *testing.T, handler http.HandlerFunc, change ...func(*Server)) *running {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &running{t: t, address: l.Addr().String(), ended: make(chan error, 1), Server: &Server{
		Handler: handler, ReadHeaderTimeout: time.Minute, IdleTimeout: time.Minute, MaxHeaderBytes: 64 << 10, Log: slog.New(slog.DiscardHandler),
	}}
	for _, f := range change {
		f(s.Server)
	}
	go func() { s.ended <- s.Serve(l) }()
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if err := <-s.ended; !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("Serve returned %v", err)
		}
	})
	return s
}

// link is a client's connection.
type link struct {
	*net.TCPConn
	t *testing.T
	r *bufio.Reader
}

func (s *running) dial() *link {
	s.t.Helper()
	conn, err := net.Dial("tcp", s.address)
	if err != nil {
		s.t.Fatal(err)
	}
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second)) // or a failing test would hang
	s.t.Cleanup(func() { _ = conn.Close() })
	return &link{conn.(*net.TCPConn), s.t, bufio.NewReader(conn)}
}

func (l *link) say(text string) {
	l.t.Helper()
	if _, err := io.WriteString(l.TCPConn, text); err != nil {
		l.t.Fatal(err)
	}
}

// hear reads an answer. The body is what came of it before an error.
func (l *link) hear(method string) (*http.Response, string, error) {
	l.t.Helper()
	resp, err := http.ReadResponse(l.r, &http.Request{Method: method})
	if err != nil {
		l.t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	return resp, string(body), err
}

// rest is all that still comes.
func (l *link) rest() (string, error) {
	rest, err := io.ReadAll(l.r)
	return string(rest), err
}

// say sends a text on a connection of its own, and returns all that comes back.
func (s *running) say(text string) string {
	s.t.Helper()
	l := s.dial()
	l.say(text)
	rest, err := l.rest()
	if err != nil {
		s.t.Error(err)
	}
	return rest
}

const (
	get     = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
	lastGet = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
)

func TestAmbiguousRequestsGetNoAnswerOfTheHandler(t *testing.T) {
	for name, text := range ambiguous {
		asked := make(chan string, 10)
		s := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if _, err := io.Copy(io.Discard, r.Body); err != nil {
				w.WriteHeader(http.StatusBadRequest)
				return
			}
			asked <- r.URL.Path
		})
		answers := s.say("GET /sound HTTP/1.1\r\nHost: a\r\n\r\n" + text)
		if n := strings.Count(answers, "HTTP/1.1 200"); n != 1 || strings.Count(answers, "HTTP/1.1 ") > 2 {
			t.Errorf("%s: %d good answers in %q", name, n, answers)
		}
		if got := <-asked; got != "/sound" || len(asked) > 0 {
			t.Errorf("%s: the handler saw %s and %d more", name, got, len(asked))
		}
	}
}

func TestWhatIsNoRequestIsAnsweredAndTheConnectionEnds(t *testing.T) {
	s := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("the handler was asked") })
	for text, status := range map[string]string{
		"GET / HTTP/1.1\n": "400 Bad Request",
		"GET / HTTP/1.1\r\nHost: a\r\nA: " + strings.Repeat("x", 70_000):          "431 Request Header Fields Too Large",
		"GET / HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("A:\r\n", 1000) + "\r\n": "431 Request Header Fields Too Large",
		"GET / HTTP/2.0\r\nHost: a\r\n\r\n":                                       "505 HTTP Version Not Supported",
		"PUT / HTTP/1.1\r\nHost: a\r\nExpect: a\r\nContent-Length: 1\r\n\r\n":     "417 Expectation Failed",
	} {
		if got := s.say(text); !strings.HasPrefix(got, "HTTP/1.1 "+status+"\r\n") || !strings.Contains(got, "\r\nConnection: close\r\n") {
			t.Errorf("%.30q: got %q", text, got)
		}
	}
}

func TestRequestsInSequenceAreAnsweredInOrder(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		_, _ = fmt.Fprintf(w, "%s %s %s %v\n", r.Method, r.URL.Path, body, err)
	})
	l := s.dial()
	l.say("GET /1 HTTP/1.1\r\nHost: a\r\n\r\nPUT /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nabPUT /3 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nc\r\n0\r\n\r\nGET /4 HTTP/1.1\r\nHost: a\r\n\r\n")
	for _, want := range []string{"GET /1  <nil>\n", "PUT /2 ab <nil>\n", "PUT /3 c <nil>\n", "GET /4  <nil>\n"} {
		if _, got, err := l.hear("GET"); got != want || err != nil {
			t.Errorf("got %q, %v; want %q", got, err, want)
		}
	}
}

func TestARequestIsWhatItsHeadSays(t *testing.T) {
	var got *http.Request
	s := serve(t, func(_ http.ResponseWriter, r *http.Request) { got = r })
	l := s.dial()
	l.say("PUT /a%2Fb?c HTTP/1.1\r\nHost: h:1\r\nX-A: 1\r\nx-a: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
	_, _, _ = l.hear("PUT")
	if got.Method != "PUT" || got.RequestURI != "/a%2Fb?c" || got.URL.Path != "/a/b" || got.Host != "h:1" || got.ContentLength != -1 ||
		got.TransferEncoding[0] != "chunked" || got.RemoteAddr != l.LocalAddr().String() || !got.ProtoAtLeast(1, 1) || got.TLS != nil ||
		len(got.Header) != 1 || len(got.Header["X-A"]) != 2 {
		t.Errorf("got %+v", got)
	}
}

func TestContinueIsSaidWhenTheBodyIsWanted(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/wanted" {
			_, _ = io.Copy(w, r.Body)
		}
	})
	const head = " HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 4\r\n\r\n"
	l := s.dial()
	l.say("PUT /wanted" + head)
	if line, _ := l.r.ReadString('\n'); line != "HTTP/1.1 100 Continue\r\n" {
		t.Errorf("got %q", line)
	}
	_, _ = l.r.ReadString('\n')
	l.say("body")
	if resp, body, _ := l.hear("PUT"); resp.StatusCode != 200 || body != "body" || resp.Close {
		t.Errorf("got %d %q", resp.StatusCode, body)
	}
	l.say("PUT /refused" + head)
	if got, _ := l.rest(); !strings.HasPrefix(got, "HTTP/1.1 200") || !strings.Contains(got, "\r\nConnection: close\r\n") {
		t.Errorf("got %q", got)
	}
}

func TestABodyThatBreaksOffIsUnexpectedlyShort(t *testing.T) {
	for _, framing := range []string{"Content-Length: 4\r\n\r\nab", "Transfer-Encoding: chunked\r\n\r\n4\r\nab", "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n"} {
		got := make(chan error, 1)
		s := serve(t, func(_ http.ResponseWriter, r *http.Request) {
			_, err := io.Copy(io.Discard, r.Body)
			got <- err
		})
		l := s.dial()
		l.say("PUT / HTTP/1.1\r\nHost: a\r\n" + framing)
		_ = l.CloseWrite()
		if err := <-got; err != io.ErrUnexpectedEOF {
			t.Errorf("%q: %v", framing, err)
		}
	}
}

func TestReadsFailOnceTheHandlerHasReturned(t *testing.T) {
	reading, got := make(chan struct{}), make(chan error, 2)
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPut {
			return
		}
		conn := http.NewResponseController(w)
		go func() {
			b := make([]byte, 10)
			_, _ = r.Body.Read(b)
			close(reading)
			_, err := r.Body.Read(b) // waits for more than comes
			got <- err
			_ = conn.SetReadDeadline(time.Now().Add(time.Hour)) // is the next request's matter
			_, err = r.Body.Read(b)
			got <- err
		}()
		<-reading
	})
	l := s.dial()
	l.say("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\na")
	if resp, _, _ := l.hear("PUT"); resp.StatusCode != 200 {
		t.Errorf("got %d", resp.StatusCode)
	}
	if first, second := <-got, <-got; !errors.Is(first, os.ErrDeadlineExceeded) && first != http.ErrBodyReadAfterClose || second != http.ErrBodyReadAfterClose {
		t.Errorf("reads ended with %v and %v", first, second)
	}
	l.say("bc" + lastGet)
	if resp, _, _ := l.hear("GET"); resp.StatusCode != 200 {
		t.Errorf("the next request got %d", resp.StatusCode)
	}
}

func TestASmallRestOfABodyIsSkippedAndALargeOneEndsTheConnection(t *testing.T) {
	for _, c := range []struct {
		framing, body string
		kept          bool
	}{
		{"Content-Length: 262144", strings.Repeat("x", 262144), true},
		{"Transfer-Encoding: chunked", "4\r\nabcd\r\n0\r\n\r\n", true},
		{"Content-Length: 8000000", strings.Repeat("x", 8000000), false},
		{"Transfer-Encoding: chunked", strings.Repeat("4000\r\n"+strings.Repeat("x", 0x4000)+"\r\n", 100), false},
	} {
		s := serve(t, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusForbidden) })
		l := s.dial()
		sent := make(chan error, 1)
		go func() {
			_, err := io.WriteString(l.TCPConn, "PUT / HTTP/1.1\r\nHost: a\r\n"+c.framing+"\r\n\r\n"+c.body)
			if err == nil && c.kept {
				_, err = io.WriteString(l.TCPConn, get)
			}
			sent <- err
		}()
		resp, body, err := l.hear("PUT")
		if resp.StatusCode != http.StatusForbidden || body != "no\n" || err != nil {
			t.Errorf("%s: got %d %q, %v", c.framing, resp.StatusCode, body, err)
		}
		if c.kept {
			if resp, _, _ := l.hear("GET"); resp.StatusCode != http.StatusForbidden {
				t.Errorf("%s: the next request got %d", c.framing, resp.StatusCode)
			}
			if err := <-sent; err != nil {
				t.Error(err)
			}
			continue
		}
		if declared := strings.HasPrefix(c.framing, "Content-Length"); resp.Close != declared {
			t.Errorf("%s: the answer says close: %v", c.framing, resp.Close)
		}
		if rest, err := l.rest(); rest != "" || err != nil { // a reset would be an error
			t.Errorf("%s: %q came after the answer, %v", c.framing, rest, err)
		}
	}
}

func TestTheContextEndsWhenTheClientLeaves(t *testing.T) {
	for name, leave := range map[string]func(*link){
		"a close":      func(l *link) { _ = l.Close() },
		"a half-close": func(l *link) { _ = l.CloseWrite() },
		"a close after another request": func(l *link) {
			l.say(get)
			_ = l.Close()
		},
	} {
		for _, text := range []string{get, "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab"} {
			asked, ended := make(chan struct{}), make(chan struct{})
			s := serve(t, func(_ http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				close(asked)
				<-r.Context().Done()
				close(ended)
			})
			l := s.dial()
			l.say(text)
			<-asked
			leave(l)
			select {
			case <-ended:
			case <-time.After(20 * time.Second):
				t.Fatalf("%s went unnoticed", name)
			}
		}
	}
}

// awaitBackgroundRead waits until the connection of a long request is being read
// in the background.
func (s *running) awaitBackgroundRead() {
	for reading := false; !reading; runtime.Gosched() {
		s.conns.Each(func(one serving.Conn) {
			c := one.(*conn)
			c.mu.Lock()
			defer c.mu.Unlock()
			reading = reading || c.background.reading
		})
	}
}

func TestALongRequestLosesNothingThatFollows(t *testing.T) {
	release := make(chan struct{})
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/long" {
			<-release
		}
		_, _ = io.WriteString(w, r.URL.Path)
	})
	l := s.dial()
	for range 3 {
		l.say("GET /long HTTP/1.1\r\nHost: a\r\n\r\n")
		s.awaitBackgroundRead()
		l.say("GET /next HTTP/1.1\r\nHost: a\r\n\r\n")
		release <- struct{}{}
		for _, want := range []string{"/long", "/next"} {
			if _, got, err := l.hear("GET"); got != want || err != nil {
				t.Errorf("got %q, %v; want %q", got, err, want)
			}
		}
	}
}

func TestTheContextEndsWithTheHandler(t *testing.T) {
	got := make(chan context.Context, 1)
	s := serve(t, func(_ http.ResponseWriter, r *http.Request) { got <- r.Context() })
	l := s.dial()
	l.say(get)
	<-(<-got).Done()
}

func TestConnectionsThatStallEnd(t *testing.T) {
	s := serve(t, func(http.ResponseWriter, *http.Request) {}, func(s *Server) {
		s.ReadHeaderTimeout, s.IdleTimeout = 500*time.Millisecond, 500*time.Millisecond
	})
	var wg sync.WaitGroup
	for name, text := range map[string]string{"at once": "", "within a head": "GET / HTT", "between requests": get, "within the next head": get + "GET"} {
		wg.Go(func() {
			if got := s.say(text); strings.Count(got, "HTTP/1.1") != strings.Count(text, get) {
				t.Errorf("%s: got %q", name, got)
			}
		})
	}
	wg.Wait()
}

func TestStatesAreTold(t *testing.T) {
	var mu sync.Mutex
	open := make(map[net.Conn]bool)
	var states []http.ConnState
	closed := make(chan struct{}, 1)
	s := serve(t, func(http.ResponseWriter, *http.Request) {}, func(s *Server) {
		s.ConnState = func(c net.Conn, state http.ConnState) {
			mu.Lock()
			defer mu.Unlock()
			states = append(states, state)
			if open[c] = true; state == http.StateClosed {
				delete(open, c)
				closed <- struct{}{}
			}
		}
	})
	s.say(get + lastGet)
	<-closed
	mu.Lock()
	defer mu.Unlock()
	if got := fmt.Sprint(states); got != "[new active idle active closed]" || len(open) != 0 {
		t.Errorf("got %s, and %d are open", got, len(open))
	}
}
