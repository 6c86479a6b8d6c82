package upstream

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"osp/go/creds"
	"osp/go/s3err"
	"osp/go/stores"
)

// do sends a call by a client that the test shares among its calls.
func do(t *testing.T, c *Client, call Call) (string, error) {
	t.Helper()
	if call.Method == "" {
		call.Method = http.MethodGet
	}
	if call.Header == nil {
		call.Header = http.Header{}
	}
	call.Key, call.PayloadHash = "k", UnsignedPayload
	if call.Creds == (creds.Credentials{}) {
		call.Creds = pair
	}
	resp, err := c.Do(t.Context(), &call)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return string(body), err
}

func client(t *testing.T) *Client {
	c := New()
	t.Cleanup(c.Close)
	return c
}

func TestAConnectionServesOneRequestAfterAnother(t *testing.T) {
	s := newScripted(t, func(_ int, c *scriptedConn) {
		for r := c.request(); r != nil; r = c.request() {
			_, _ = io.Copy(io.Discard, r.Body)
			switch {
			case r.Method == http.MethodHead:
				c.say("HTTP/1.1 200 OK\r\nContent-Length: 5368709120\r\n\r\n")
			case r.Method == http.MethodDelete:
				c.say("HTTP/1.1 204 No Content\r\n\r\n")
			case r.Header.Get("If-None-Match") != "":
				c.say("HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n")
			case r.Header.Get("Range") != "":
				c.say("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 206 Partial Content\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n")
			default:
				c.say(ok)
			}
		}
	})
	c := client(t)
	for range 3 {
		for _, call := range []struct {
			Call
			want string
		}{
			{Call{Method: "HEAD"}, ""},
			{Call{}, "ok"},
			{Call{Header: http.Header{"If-None-Match": {"x"}}}, ""},
			{Call{Header: http.Header{"Range": {"x"}}}, "ok"},
			{Call{Method: "DELETE"}, ""},
			{Call{Method: "PUT", Body: strings.NewReader(strings.Repeat("x", 300_000)), Length: 300_000}, "ok"},
			{Call{Method: "PUT"}, "ok"},
		} {
			call.Bucket = s.bucket(nil)
			if got, err := do(t, c, call.Call); err != nil || got != call.want {
				t.Fatalf("%s %v: got %q, %v", call.Method, call.Header, got, err)
			}
		}
	}
	if n := s.connections.Load(); n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
}

func TestAnAnswerThatIsNotSoundEndsItsConnection(t *testing.T) {
	for name, answer := range map[string]string{
		"it says so":               "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
		"HTTP/1.0":                 "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
		"more than its length":     "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged",
		"more than its last chunk": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged",
	} {
		s := newScripted(t, func(_ int, c *scriptedConn) {
			if c.request() != nil {
				c.say(answer)
				c.request() // wait for the other end to close
			}
		})
		c := client(t)
		for range 2 {
			if got, err := do(t, c, Call{Bucket: s.bucket(nil)}); err != nil || got != "ok" {
				t.Errorf("%s: got %q, %v", name, got, err)
			}
		}
		if n := s.connections.Load(); n != 2 {
			t.Errorf("%s: %d connections, want 2", name, n)
		}
	}
}

func TestABodyUntilTheEndOfTheConnection(t *testing.T) {
	s := newScripted(t, func(_ int, c *scriptedConn) {
		c.request()
		c.say("HTTP/1.1 200 OK\r\n\r\nall of it")
	})
	if got, err := do(t, client(t), Call{Bucket: s.bucket(nil)}); err != nil || got != "all of it" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestABrokenAnswerIsAnError(t *testing.T) {
	for name, answer := range map[string]string{
		"nothing":              "",
		"garbage":              "SSH-2.0-OpenSSH\r\n\r\n",
		"half a head":          "HTTP/1.1 200 OK\r\nContent-Le",
		"endless fields":       "HTTP/1.1 200 OK\r\n" + strings.Repeat("A: "+strings.Repeat("b", 1000)+"\r\n", 1000),
		"endless interims":     strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 100),
		"another protocol":     "HTTP/1.1 101 Switching Protocols\r\n\r\n",
		"two lengths":          "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
		"less than its length": "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nok",
		"a chunk without end":  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nok",
	} {
		s := newScripted(t, func(_ int, c *scriptedConn) {
			c.request()
			c.say(answer)
		})
		if got, err := do(t, client(t), Call{Bucket: s.bucket(nil)}); err == nil {
			t.Errorf("%s: taken for an answer: %q", name, got)
		}
	}
}

func TestWhatAClosedConnectionMayMean(t *testing.T) {
	large := func() io.Reader { return strings.NewReader(strings.Repeat("x", 1<<20)) }
	for _, c := range []struct {
		name  string
		call  func() Call
		seen  int  // requests that reach the store, the first apart
		fails bool // the client learns that it is not known what happened
	}{
		{"a read is sent again", func() Call { return Call{} }, 2, false},
		{"a HEAD is sent again", func() Call { return Call{Method: "HEAD"} }, 2, false},
		{"a deletion is not", func() Call { return Call{Method: "DELETE"} }, 1, true},
		{"an order without a body is not", func() Call { return Call{Method: "POST"} }, 1, true},
		{"an upload is not", func() Call { return Call{Method: "PUT", Body: large(), Length: 1 << 20} }, 1, true},
		{"a body that is here is not", func() Call { return Call{Method: "POST", Whole: []byte("x")} }, 1, true},
	} {
		seen := make(chan string, 10)
		s := newScripted(t, func(number int, conn *scriptedConn) {
			for first := number == 1; ; first = false {
				r := conn.request()
				if r == nil {
					return
				}
				_, _ = io.Copy(io.Discard, r.Body)
				seen <- r.Method
				if number == 1 && !first {
					return // it read the request, and closes without a word
				}
				conn.say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
			}
		})
		shared := client(t)
		if _, err := do(t, shared, Call{Bucket: s.bucket(nil)}); err != nil {
			t.Fatal(err)
		}
		<-seen
		call := c.call()
		call.Bucket = s.bucket(nil)
		_, err := do(t, shared, call)
		if fails := err != nil; fails != c.fails || fails && !errors.Is(err, s3err.BadGateway) {
			t.Errorf("%s: %v", c.name, err)
		}
		if len(seen) != c.seen {
			t.Errorf("%s: the store saw it %d times, want %d", c.name, len(seen), c.seen)
		}
	}
}

func TestAConnectionThatTheStoreClosedIsNotUsed(t *testing.T) {
	closed := make(chan struct{})
	s := newScripted(t, func(number int, c *scriptedConn) {
		r := c.request()
		if r == nil {
			return
		}
		_, _ = io.Copy(io.Discard, r.Body)
		c.say(ok)
		if number == 1 {
			_ = c.Close()
			close(closed)
		}
	})
	c := client(t)
	if _, err := do(t, c, Call{Bucket: s.bucket(nil)}); err != nil {
		t.Fatal(err)
	}
	<-closed
	for range 2 { // the end may be on its way still, but not for long
		got, err := do(t, c, Call{Method: "PUT", Bucket: s.bucket(nil), Body: strings.NewReader("x"), Length: 1})
		if err == nil && got == "ok" {
			return
		}
	}
	t.Error("an upload went into a connection that was closed")
}

func TestAStoreMayAnswerBeforeItHasReadAll(t *testing.T) {
	s := newScripted(t, func(_ int, c *scriptedConn) {
		c.request()
		c.say("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")
		<-t.Context().Done() // it keeps the connection, but reads no further
	})
	body := io.LimitReader(neverEnding{}, 64<<20)
	got, err := do(t, client(t), Call{Method: "PUT", Bucket: s.bucket(nil), Body: body, Length: 64 << 20})
	if err != nil || got != "no" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestABodyThatIsShorterThanItSaysNeverEndsCleanly(t *testing.T) {
	end := make(chan error, 1)
	s := newScripted(t, func(_ int, c *scriptedConn) {
		_ = c.request()
		_, err := io.Copy(io.Discard, c.r)
		end <- err
	})
	put := func(length int) error {
		body := strings.NewReader(strings.Repeat("x", length-1))
		_, err := do(t, client(t), Call{Method: "PUT", Bucket: s.bucket(nil), Body: body, Length: int64(length)})
		return err
	}
	if err := put(10); err == nil || s.connections.Load() != 0 {
		t.Errorf("one that fits into the buffer: %v, %d connections", err, s.connections.Load())
	}
	if err := put(1 << 20); err == nil {
		t.Error("a long one: no error")
	}
	// Stores were seen to take what they had for whole after an orderly end.
	if err := <-end; !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("a long one ended for the store with %v", err)
	}
}

func TestAStoreThatStopsToReadGetsABoundedWait(t *testing.T) {
	end := make(chan struct{})
	t.Cleanup(func() { close(end) })
	s := newScripted(t, func(int, *scriptedConn) { <-end })
	b := s.bucket(func(b *stores.Bucket) { b.AnswerTimeout = 50 * time.Millisecond })
	body := io.LimitReader(neverEnding{}, 1<<40)
	if _, err := do(t, client(t), Call{Method: "PUT", Bucket: b, Body: body, Length: 1 << 40}); err == nil {
		t.Error("it was taken for an answer")
	}
}

type neverEnding struct{}

func (neverEnding) Read(p []byte) (int, error) { return len(p), nil }

func TestNoFieldBringsAnother(t *testing.T) {
	for _, header := range []http.Header{
		{"X-A": {"1\r\nX-Amz-Acl: public-read"}}, {"X-A\r\nX-B": {"1"}}, {"X-A": {"1\n2"}}, {"X-A": {"1\x002"}},
		{"X-Amz-Grant-Read:": {"1"}}, {"X-Amz-Meta-A b": {"1"}}, {"X-Amz-Meta-\x01": {"1"}}, {"": {"1"}}, {"X-A": {"1\x7f"}},
	} {
		s := newScripted(t, func(_ int, c *scriptedConn) {
			if c.request() != nil {
				t.Errorf("%q reached the store", header)
			}
		})
		if _, err := do(t, client(t), Call{Bucket: s.bucket(nil), Header: header}); err == nil {
			t.Errorf("%q passed", header)
		}
	}
}

// spliceTarget counts what came by the kernel.
type spliceTarget struct {
	*net.TCPConn
	spliced int64
}

func (s *spliceTarget) ReadFrom(r io.Reader) (int64, error) {
	n, err := s.TCPConn.ReadFrom(r)
	s.spliced += n
	return n, err
}

func TestLongAnswersAreMovedByTheKernel(t *testing.T) {
	content := bytes.Repeat([]byte("0123456789abcdef"), 300_000)
	s := newScripted(t, func(_ int, c *scriptedConn) {
		for r := c.request(); r != nil; r = c.request() {
			c.say("HTTP/1.1 200 OK\r\nContent-Length: 4800000\r\n\r\n")
			_, _ = c.Write(content)
		}
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	sums := make(chan [sha256.Size]byte)
	go func() {
		for range 3 {
			c, err := l.Accept()
			if err != nil {
				return
			}
			got, _ := io.ReadAll(c)
			sums <- sha256.Sum256(got)
		}
	}()
	shared := client(t)
	for range 3 {
		to, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		target := &spliceTarget{TCPConn: to.(*net.TCPConn)}
		resp, err := shared.Do(t.Context(), &Call{Method: "GET", Bucket: s.bucket(nil), Key: "k", Header: http.Header{}, PayloadHash: UnsignedPayload, Creds: pair})
		if err != nil {
			t.Fatal(err)
		}
		done, err := Forward(target, target, resp.Body)
		_ = to.Close()
		if !done || err != nil || target.spliced < 4_700_000 {
			t.Fatalf("done: %v, %v; %d bytes were moved", done, err, target.spliced)
		}
		if <-sums != sha256.Sum256(content) {
			t.Error("what arrived is not what was sent")
		}
	}
	if n := s.connections.Load(); n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
}

func TestAMovedAnswerThatBreaksOffIsAnError(t *testing.T) {
	s := newScripted(t, func(_ int, c *scriptedConn) {
		c.request()
		c.say("HTTP/1.1 200 OK\r\nContent-Length: 4800000\r\n\r\nonly this")
	})
	resp, err := client(t).Do(t.Context(), &Call{Method: "GET", Bucket: s.bucket(nil), Key: "k", Header: http.Header{}, PayloadHash: UnsignedPayload, Creds: pair})
	if err != nil {
		t.Fatal(err)
	}
	here, there := net.Pipe()
	go func() { _, _ = io.Copy(io.Discard, there) }()
	if done, err := Forward(here, readerFrom{here}, resp.Body); !done || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("done: %v, %v", done, err)
	}
}

type readerFrom struct{ io.Writer }

func (r readerFrom) ReadFrom(from io.Reader) (int64, error) { return io.Copy(r.Writer, from) }

func TestEveryRequestOfAConnectionHasTheTimeForItsAnswer(t *testing.T) {
	s := newScripted(t, func(_ int, c *scriptedConn) {
		for range 3 {
			c.request()
			c.say(ok)
		}
		c.request()
		c.request() // until the proxy gives up
	})
	c := client(t)
	const patience = 200 * time.Millisecond
	bucket := s.bucket(func(b *stores.Bucket) { b.AnswerTimeout = patience })
	for range 3 {
		if got, err := do(t, c, Call{Bucket: bucket}); err != nil || got != "ok" {
			t.Fatalf("got %q, %v", got, err)
		}
	}
	begun := time.Now()
	_, err := do(t, c, Call{Bucket: bucket})
	if took := time.Since(begun); !errors.Is(err, s3err.GatewayTimeout) || took < patience*7/8 || s.connections.Load() != 1 {
		t.Errorf("got %v after %v, %d connections", err, took, s.connections.Load())
	}
}
