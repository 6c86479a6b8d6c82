package h1

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestAShutdownEndsIdleConnectionsAtOnceAndOthersAfterTheirAnswer(t *testing.T) {
	asked, release := make(chan struct{}), make(chan struct{})
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/begun" {
			_ = http.NewResponseController(w).Flush()
		}
		if r.URL.Path != "/" {
			asked <- struct{}{}
			<-release
		}
		_, _ = io.WriteString(w, "whole")
	})
	silent, idle, active, begun := s.dial(), s.dial(), s.dial(), s.dial()
	idle.say(get)
	_, _, _ = idle.hear("GET")
	active.say("GET /long HTTP/1.1\r\nHost: a\r\n\r\n")
	<-asked
	begun.say("GET /begun HTTP/1.1\r\nHost: a\r\n\r\n")
	<-asked
	stopped := make(chan error, 1)
	go func() { stopped <- s.Shutdown(t.Context()) }()
	for name, l := range map[string]*link{"that never spoke": silent, "between requests": idle} {
		if rest, err := l.rest(); rest != "" || err != nil {
			t.Errorf("a connection %s ended with %q, %v", name, rest, err)
		}
	}
	select {
	case err := <-stopped:
		t.Errorf("it did not wait for the request: %v", err)
	default:
	}
	close(release)
	rest, err := active.rest()
	if err != nil || !strings.HasSuffix(rest, "\r\n\r\nwhole") || !strings.Contains(rest, "\r\nConnection: close\r\n") {
		t.Errorf("the request got %q, %v", rest, err)
	}
	if rest, err := begun.rest(); err != nil || !strings.HasSuffix(rest, "whole\r\n0\r\n\r\n") {
		t.Errorf("the request whose answer had begun got %q, %v", rest, err)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

func TestAShutdownWhoseTimeIsUpLeavesTheRestToClose(t *testing.T) {
	asked, ended := make(chan struct{}), make(chan struct{})
	s := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		close(asked)
		<-r.Context().Done()
		close(ended)
	})
	l := s.dial()
	l.say(get)
	<-asked
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := s.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	<-ended
	if rest, _ := l.rest(); rest != "" {
		t.Errorf("the client got %q", rest)
	}
	if err := s.Shutdown(t.Context()); err != nil { // the connection has gone
		t.Error(err)
	}
}

func TestAServerThatStoppedServesNoMore(t *testing.T) {
	s := serve(t, func(http.ResponseWriter, *http.Request) {})
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	l := listener{closed: make(chan struct{})}
	if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		t.Errorf("got %v", err)
	}
	<-l.closed
}
