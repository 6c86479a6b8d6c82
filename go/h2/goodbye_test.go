package h2

import (
	"io"
	"net/http"
	"testing"

	"golang.org/x/net/http2"
)

func TestARequestThatCrossesAGoodbyeHarmsNoOther(t *testing.T) {
	asked, release := make(chan struct{}), make(chan struct{})
	s := serve(t, false, func(w http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		<-release
		_, _ = io.WriteString(w, r.Header.Get("x"))
	})
	l := s.dial()
	l.ask(1, true, put("x", "whole")...)
	<-asked
	stopped := make(chan error, 1)
	go func() { stopped <- s.Shutdown(t.Context()) }()
	if got := l.hear(1); !got.away {
		t.Errorf("%+v", got)
	}
	const size = 3 * connWindow // their windows are given back
	l.ask(3, false, put()...)
	for range size / maxFrame {
		l.must(l.WriteData(3, false, make([]byte, maxFrame)))
		l.ping()
	}
	l.ask(3, true, "trailer", "x")
	l.ask(5, false, put()...)
	l.must(l.WriteWindowUpdate(5, 1))
	l.must(l.WriteRawFrame(http2.FrameWindowUpdate, 0, 5, make([]byte, 4)))
	l.must(l.WriteRSTStream(5, http2.ErrCodeCancel))
	l.ping()
	close(release)
	if got := l.hear(1); string(got.body) != "whole" || !got.ended {
		t.Errorf("the request in flight got %+v", got)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

func TestTheLastResponseLeavesThoughAFrameIsIncomplete(t *testing.T) {
	for range 50 { // who is first, the last response or the reader's end, is up to chance
		asked, release := make(chan struct{}), make(chan struct{})
		s := serve(t, false, func(w http.ResponseWriter, _ *http.Request) {
			close(asked)
			<-release
			_, _ = io.WriteString(w, "whole")
		})
		l := s.dial()
		l.ask(1, true, plain...)
		<-asked
		_, _ = l.TCPConn.Write([]byte{0, 0, 8, 6, 0, 0, 0})
		stopped := make(chan error, 1)
		go func() { stopped <- s.Shutdown(t.Context()) }()
		if got := l.hear(1); !got.away {
			t.Errorf("%+v", got)
		}
		close(release)
		if got := l.hear(1); string(got.body) != "whole" || !got.ended {
			t.Fatalf("%+v", got)
		}
		_ = l.TCPConn.Close()
		if err := <-stopped; err != nil {
			t.Error(err)
		}
	}
}
