package h1

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// listener accepts nothing and tells when it is closed.
type listener struct {
	net.Listener
	closed chan struct{}
}

func (l listener) Close() error {
	close(l.closed)
	return nil
}

var dateLine = regexp.MustCompile(`Date: (Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z][a-z] \d{4} \d\d:\d\d:\d\d GMT\r\n`)

// framings are handlers, and what their answers say apart from a Date.
var framings = map[string]struct {
	handler              http.HandlerFunc
	http11, http10, head string
}{
	"nothing": {
		func(http.ResponseWriter, *http.Request) {},
		"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n",
	},
	"a short body": {
		func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusAccepted)
			w.WriteHeader(http.StatusOK) // comes too late
			_, _ = io.WriteString(w, "ab")
			_, _ = io.WriteString(w, "c")
		},
		"HTTP/1.1 202 Accepted\r\nContent-Length: 3\r\n\r\nabc", "HTTP/1.0 202 Accepted\r\nContent-Length: 3\r\nConnection: keep-alive\r\n\r\nabc",
		"HTTP/1.1 202 Accepted\r\nContent-Length: 3\r\n\r\n",
	},
	"a declared length": {
		func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "3")
			_, _ = io.WriteString(w, "abc")
		},
		"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", "HTTP/1.0 200 OK\r\nContent-Length: 3\r\nConnection: keep-alive\r\n\r\nabc",
		"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n",
	},
	"a flush": {
		func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "ab")
			_ = http.NewResponseController(w).Flush()
			_, _ = io.WriteString(w, strings.Repeat("c", 16))
		},
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n10\r\ncccccccccccccccc\r\n0\r\n\r\n", "HTTP/1.0 200 OK\r\n\r\nabcccccccccccccccc",
		"HTTP/1.1 200 OK\r\n\r\n",
	},
	"no content": {
		func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "3")
			w.WriteHeader(http.StatusNoContent)
			_, _ = io.WriteString(w, "abc")
		},
		"HTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.0 204 No Content\r\nConnection: keep-alive\r\n\r\n", "HTTP/1.1 204 No Content\r\n\r\n",
	},
	"not modified": {
		func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Content-Type"] = []string{"a/b"}
			w.WriteHeader(http.StatusNotModified)
			_, _ = io.WriteString(w, "abc")
		},
		"HTTP/1.1 304 Not Modified\r\n\r\n", "HTTP/1.0 304 Not Modified\r\nConnection: keep-alive\r\n\r\n", "HTTP/1.1 304 Not Modified\r\n\r\n",
	},
	"not modified, of a known length": {
		func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "7")
			w.WriteHeader(http.StatusNotModified)
		},
		"HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n", "HTTP/1.0 304 Not Modified\r\nContent-Length: 7\r\nConnection: keep-alive\r\n\r\n",
		"HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n",
	},
	"names and values": {
		func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["x-amz-meta-a"] = []string{" b\r\nInjected: c\x00 "}
			w.Header()["no name"] = []string{"d"}
			w.Header()["Content-Type"] = nil
		},
		"HTTP/1.1 200 OK\r\nx-amz-meta-a: b  Injected: c \r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.0 200 OK\r\nx-amz-meta-a: b  Injected: c \r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n",
		"HTTP/1.1 200 OK\r\nx-amz-meta-a: b  Injected: c \r\n\r\n",
	},
	"what comes before": {
		func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Link", "a")
			w.WriteHeader(http.StatusEarlyHints)
			w.Header().Del("Link")
		},
		"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.0 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n",
		"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
	},
}

func TestAnswersAreFramedForTheirVersionAndMethod(t *testing.T) {
	for name, c := range framings {
		s := serve(t, c.handler)
		for text, want := range map[string]string{
			"GET / HTTP/1.1\r\nHost: a\r\n\r\n":                c.http11,
			"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n": c.http10,
			"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n":               c.head,
		} {
			l := s.dial()
			l.say(text)
			_ = l.CloseWrite()
			got, err := l.rest()
			if found := dateLine.FindAllString(got, -1); len(found) != 1 {
				t.Errorf("%s, %.15q: Date is said %d times", name, text, len(found))
			}
			if got = dateLine.ReplaceAllString(got, ""); got != want || err != nil {
				t.Errorf("%s, %.15q: got %q, %v, want %q", name, text, got, err, want)
			}
		}
	}
}

func TestALastAnswerSaysSo(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/handler" {
			w.Header().Set("Connection", "close")
		}
	})
	for _, text := range []string{lastGet, "GET /handler HTTP/1.1\r\nHost: a\r\n\r\n"} {
		if got := s.say(text); strings.Count(got, "Connection: close\r\n") != 1 {
			t.Errorf("%.20q: got %q", text, got)
		}
	}
	if got := s.say("GET / HTTP/1.0\r\n\r\n"); !strings.HasPrefix(got, "HTTP/1.0 200") || strings.Contains(got, "keep-alive") {
		t.Errorf("an old client got %q", got)
	}
}

func TestTheDateOfTheHandlerCounts(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Date", "then") })
	if got := s.say(lastGet); strings.Count(got, "Date: ") != 1 || !strings.Contains(got, "Date: then\r\n") {
		t.Errorf("got %q", got)
	}
}

func TestNothingMayBeWrittenWhereNothingBelongs(t *testing.T) {
	for _, status := range []int{http.StatusNoContent, http.StatusNotModified} {
		errs := make(chan error, 2)
		s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			for _, body := range []string{"", "abc"} {
				_, err := io.WriteString(w, body)
				errs <- err
			}
		})
		l := s.dial()
		l.say("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
		if _, err := l.rest(); err != nil {
			t.Error(err)
		}
		if empty, text := <-errs, <-errs; empty != nil || !errors.Is(text, http.ErrBodyNotAllowed) {
			t.Errorf("%d: %v for no bytes, %v for some", status, empty, text)
		}
	}
}

func TestNoMoreIsWrittenThanWasDeclared(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "3")
		if _, err := io.WriteString(w, "abcd"); !errors.Is(err, http.ErrContentLength) {
			t.Errorf("got %v", err)
		}
		_, _ = io.WriteString(w, "abc")
	})
	if got := s.say(lastGet); !strings.HasSuffix(got, "\r\n\r\nabc") {
		t.Errorf("got %q", got)
	}
}

func TestAnAnswerThatIsNotWholeHasNoCleanEnd(t *testing.T) {
	for name, handler := range map[string]http.HandlerFunc{
		"less than declared": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "3")
			_, _ = io.WriteString(w, "ab")
		},
		"an abort": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "ab")
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		},
		"a panic": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "ab")
			_ = http.NewResponseController(w).Flush()
			panic("a bug")
		},
	} {
		s := serve(t, handler)
		l := s.dial()
		l.say(get)
		if _, body, err := l.hear("GET"); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%s: %q, %v", name, body, err)
		}
		l = s.dial()
		l.say("GET / HTTP/1.0\r\n\r\n")
		if rest, err := l.rest(); err == nil && !strings.Contains(rest, "Content-Length: 3") {
			t.Errorf("%s: an old client took %q for whole", name, rest)
		}
	}
}

func TestLongAnswersComeWhole(t *testing.T) {
	long := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	for _, size := range []int{1, 1000, outBuffer - 100, outBuffer, outBuffer + 1, len(long)} {
		for _, step := range []int{7, 4096, 16 << 10, 64 << 10, len(long)} {
			for _, declared := range []bool{false, true} {
				if size/step > 10_000 {
					continue
				}
				s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
					if declared {
						w.Header().Set("Content-Length", strconv.Itoa(size))
					}
					for at := 0; at < size; at += step {
						if _, err := w.Write(long[at:min(at+step, size)]); err != nil {
							t.Error(err)
						}
					}
				})
				l := s.dial()
				l.say(get + get)
				for range 2 {
					if _, body, err := l.hear("GET"); body != string(long[:size]) || err != nil {
						t.Errorf("%d bytes by %d, declared %v: %d came, %v", size, step, declared, len(body), err)
					}
				}
			}
		}
	}
}

func TestAnAnswerMayComeOutOfAnotherConnection(t *testing.T) {
	const size = 3 << 20
	long := strings.Repeat("x", size)
	store, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	go func() {
		for {
			conn, err := store.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(conn, long)
			_ = conn.Close()
		}
	}()
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		from, err := net.Dial("tcp", store.Addr().String())
		if err != nil {
			t.Error(err)
			return
		}
		defer from.Close()
		if r.URL.Path == "/declared" {
			w.Header().Set("Content-Length", strconv.Itoa(size))
		}
		w.WriteHeader(http.StatusOK)
		for done := int64(0); done < size; {
			n, err := w.(io.ReaderFrom).ReadFrom(&io.LimitedReader{R: from, N: min(size-done, 1<<20)})
			if done += n; err != nil || n == 0 {
				t.Errorf("%d bytes, %v", n, err)
				return
			}
		}
	})
	l := s.dial()
	for _, target := range []string{"/declared", "/chunked"} {
		for _, method := range []string{"GET", "HEAD"} {
			l.say(method + " " + target + " HTTP/1.1\r\nHost: a\r\n\r\n")
			if _, body, err := l.hear(method); method == "GET" && body != long || err != nil {
				t.Errorf("%s %s: %d bytes came, %v", method, target, len(body), err)
			}
		}
	}
}
