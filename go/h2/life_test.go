package h2

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

func TestAShutdownLetsRequestsInFlightEnd(t *testing.T) {
	asked, release := make(chan struct{}), make(chan struct{})
	s := serve(t, false, func(w http.ResponseWriter, _ *http.Request) {
		asked <- struct{}{}
		<-release
		_, _ = io.WriteString(w, "whole")
	})
	silent, idle, active := s.dial(), s.dial(), s.dial()
	idle.ping()
	silent.ping()
	active.ask(1, true, plain...)
	<-asked
	stopped := make(chan error, 1)
	go func() { stopped <- s.Shutdown(t.Context()) }()
	for _, l := range []*link{silent, idle} {
		if got := l.hear(1); !got.away || got.code != http2.ErrCodeNo {
			t.Errorf("an idle connection: %+v", got)
		}
		if got := l.hear(1); !got.closed {
			t.Errorf("an idle connection goes on: %+v", got)
		}
	}
	if got := active.hear(1); !got.away {
		t.Errorf("%+v", got)
	}
	active.ask(3, true, plain...) // too late: nobody is asked
	active.ping()
	select {
	case err := <-stopped:
		t.Errorf("it did not wait for the request: %v", err)
	default:
	}
	close(release)
	if got := active.hear(1); string(got.body) != "whole" || !got.ended {
		t.Errorf("the request got %+v", got)
	}
	if got := active.hear(3); !got.closed {
		t.Errorf("a late request got %+v", got)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

func TestAResponseMayEndItsConnection(t *testing.T) {
	s := serve(t, false, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "close")
		_, _ = io.WriteString(w, "whole")
	})
	l := s.dial()
	l.ask(1, true, plain...)
	var body string
	var away, ended bool
	for {
		got := l.hear(1)
		if got.closed {
			break
		}
		if got.away && got.code != http2.ErrCodeNo {
			t.Errorf("it ends with %v", got.code)
		}
		if name, sent := got.header["connection"]; sent {
			t.Errorf("it sends the field %q", name)
		}
		body, away, ended = body+string(got.body), away || got.away, ended || got.ended
	}
	if body != "whole" || !ended || !away {
		t.Errorf("got %q, to its end: %t, with a goodbye: %t", body, ended, away)
	}
}

func TestAShutdownWhoseTimeIsUpLeavesTheRestToClose(t *testing.T) {
	asked, ended := make(chan struct{}), make(chan struct{})
	s := serve(t, false, func(_ http.ResponseWriter, r *http.Request) {
		close(asked)
		<-r.Context().Done()
		close(ended)
	})
	l := s.dial()
	l.ask(1, true, plain...)
	<-asked
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Shutdown(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	_ = s.Close() // it never fails
	<-ended
}

func TestTheContextEndsWhenTheClientLeaves(t *testing.T) {
	for name, leave := range map[string]func(*link){
		"a reset":         func(l *link) { l.must(l.WriteRSTStream(1, http2.ErrCodeCancel)) },
		"a disconnection": func(l *link) { _ = l.TCPConn.Close() },
	} {
		asked, broken := make(chan struct{}), make(chan error, 1)
		s := serve(t, false, func(w http.ResponseWriter, r *http.Request) {
			close(asked)
			_, err := io.ReadAll(r.Body)
			<-r.Context().Done()
			if http.NewResponseController(w).Flush() == nil {
				t.Errorf("%s: a response can be written", name)
			}
			broken <- err
		})
		l := s.dial()
		l.ask(1, false, put()...)
		<-asked
		leave(l)
		if err := <-broken; !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%s: the body ends with %v", name, err)
		}
	}
}

func TestTheContextEndsWithTheHandler(t *testing.T) {
	got := make(chan *http.Request, 1)
	s := serve(t, false, func(_ http.ResponseWriter, r *http.Request) { got <- r })
	s.dial().ask(1, false, put()...)
	r := <-got
	<-r.Context().Done()
	for { // the handler may be on its way out
		if _, err := r.Body.Read(make([]byte, 1)); errors.Is(err, http.ErrBodyReadAfterClose) {
			return
		}
	}
}

func TestAPanicEndsItsStreamOnly(t *testing.T) {
	s := serve(t, false, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut {
			_, _ = io.WriteString(w, "half")
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}
	})
	l := s.dial()
	l.ask(1, true, put()...)
	if got := l.hear(1); !got.reset || got.code != http2.ErrCodeInternal || string(got.body) != "half" {
		t.Errorf("%+v", got)
	}
	l.ask(3, true, plain...)
	if got := l.hear(3); got.status != "200" {
		t.Errorf("another: %+v", got)
	}
}

// faulty is a connection of which a read or a write panics.
type faulty struct {
	net.Conn
	reads, writes int // before that
}

func (f *faulty) Read(p []byte) (int, error) {
	if f.reads--; f.reads < 0 {
		panic("a bug")
	}
	return f.Conn.Read(p)
}

func (f *faulty) Write(p []byte) (int, error) {
	if f.writes--; f.writes < 0 {
		panic("a bug")
	}
	return f.Conn.Write(p)
}

type faultyListener struct {
	net.Listener
	reads, writes int
}

func (l faultyListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return &faulty{c, l.reads, l.writes}, err
}

func TestABugEndsItsConnectionOnly(t *testing.T) {
	for _, c := range []faultyListener{{reads: 0, writes: 9}, {reads: 1, writes: 9}, {reads: 9, writes: 0}, {reads: 9, writes: 1}, {reads: 9, writes: 2}} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		s := &running{t: t, address: l.Addr().String(), Server: newServer(func(http.ResponseWriter, *http.Request) {})}
		ended := make(chan error, 1)
		c.Listener = l
		go func() { ended <- s.Serve(c) }()
		link := s.connect()
		link.t = discard{t} // it may break off early
		_, _ = io.WriteString(link.TCPConn, http2.ClientPreface)
		_ = link.WriteSettings()
		link.ask(1, true, plain...)
		for !link.hear(99).closed {
		}
		if err := s.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		<-ended
	}
}

func TestConnectionsThatStallEnd(t *testing.T) {
	const soon = 300 * time.Millisecond
	s := serve(t, false, func(http.ResponseWriter, *http.Request) {}, func(s *Server) { s.ReadHeaderTimeout, s.IdleTimeout = soon, soon })
	var wg sync.WaitGroup
	for name, stall := range map[string]func() *link{
		"at once": s.connect,
		"within the preface": func() *link {
			l := s.connect()
			_, _ = io.WriteString(l.TCPConn, "PRI * HT")
			return l
		},
		"without a request": func() *link { return s.dial() },
		"after a request": func() *link {
			l := s.dial()
			l.ask(1, true, plain...)
			l.hear(1)
			return l
		},
		"within a head": func() *link {
			l := s.dial()
			l.must(l.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: l.encode(plain...)}))
			return l
		},
		"within a frame": func() *link {
			l := s.dial()
			_, _ = l.TCPConn.Write([]byte{0, 0, 8, 6, 0, 0, 0})
			return l
		},
	} {
		wg.Go(func() {
			l := stall()
			if got := l.hear(99); !got.closed && !(got.away && got.code == http2.ErrCodeNo) {
				t.Errorf("%s: %+v", name, got)
			}
		})
	}
	wg.Wait()
}

func TestALongRequestIsNoIdleConnection(t *testing.T) {
	const soon = 50 * time.Millisecond
	s := serve(t, false, func(http.ResponseWriter, *http.Request) { time.Sleep(4 * soon) }, func(s *Server) { s.IdleTimeout = soon })
	l := s.dial()
	l.ask(1, true, plain...)
	if got := l.hear(1); got.status != "200" {
		t.Errorf("%+v", got)
	}
}

func TestAClientThatTakesNothingIsLeft(t *testing.T) {
	ended := make(chan struct{})
	s := serve(t, false, func(w http.ResponseWriter, r *http.Request) {
		for {
			if _, err := w.Write(make([]byte, 1<<20)); err != nil {
				<-r.Context().Done()
				close(ended)
				return
			}
		}
	}, func(s *Server) { s.WriteTimeout = 100 * time.Millisecond })
	l := s.dial(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1<<31 - 1})
	l.must(l.WriteWindowUpdate(0, 1<<30))
	l.ask(1, true, plain...)
	<-ended // or the test would hang
}

func TestContinueIsSentToWhoeverWaitsOnceTheBodyIsWanted(t *testing.T) {
	s := serve(t, false, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/" {
			_, _ = io.Copy(w, r.Body)
		}
	})
	l := s.dial()
	l.ask(1, false, put("expect", "100-continue", "content-length", "4")...)
	l.await(func(f http2.Frame) bool {
		h, ok := f.(*http2.HeadersFrame)
		if !ok {
			return false
		}
		fields, err := l.decoder.DecodeFull(h.HeaderBlockFragment())
		if err != nil || len(fields) != 1 || fields[0].Value != "100" || h.StreamEnded() {
			t.Errorf("got %v, %v", fields, err)
		}
		return true
	})
	l.must(l.WriteData(1, true, []byte("body")))
	if got := l.hear(1); got.status != "200" || string(got.body) != "body" {
		t.Errorf("%+v", got)
	}
	l.ask(3, false, ":method", "PUT", ":scheme", "https", ":authority", "a", ":path", "/refused", "expect", "100-continue")
	if got := l.hear(3); got.status != "200" || !got.ended {
		t.Errorf("%+v", got)
	}
}

func TestAClientIsToldThatTheRestOfItsBodyIsNotWanted(t *testing.T) {
	s := serve(t, false, func(http.ResponseWriter, *http.Request) {})
	l := s.dial()
	for id, length := range []string{1: "40000", 3: "80000"} { // all of the first may come
		if length == "" {
			continue
		}
		l.ask(uint32(id), false, put("content-length", length)...)
		if got := l.hear(uint32(id)); got.status != "200" || !got.ended {
			t.Errorf("%+v", got)
		}
	}
	for range 3 {
		l.must(l.WriteData(1, false, make([]byte, 10_000)))
	}
	l.must(l.WriteData(1, true, make([]byte, 10_000)))
	for range 6 {
		l.must(l.WriteData(3, false, make([]byte, 10_000)))
	}
	resets := make(map[uint32]http2.ErrCode)
	l.must(l.WritePing(false, [8]byte{}))
	l.await(func(f http2.Frame) bool {
		if r, ok := f.(*http2.RSTStreamFrame); ok {
			resets[r.StreamID] = r.ErrCode
		}
		p, ok := f.(*http2.PingFrame)
		return ok && p.IsAck()
	})
	if code, told := resets[3]; !told || code != http2.ErrCodeNo || len(resets) > 1 {
		t.Errorf("got %v", resets)
	}
}
