// Package h1 is a server for HTTP/1.1 and HTTP/1.0 that does what the proxy
// needs and no more: one request at a time on a connection, in one goroutine,
// read by one strict parser. It refuses whatever two readers could take for
// different requests, and knows neither upgrades nor routes; HTTP/2 is
// net/http's. It never looks at what a request asks for.
package h1

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

// tellEvery is how often the log hears that connections can't be accepted.
const tellEvery = time.Minute

// Server serves the connections of its listeners. The fields must not change
// once it does; the zero of those that are optional is given. Its Serve,
// Shutdown and Close mean what those of http.Server do.
type Server struct {
	Handler           http.Handler
	ReadHeaderTimeout time.Duration                  // from a request's first byte to the end of its head
	IdleTimeout       time.Duration                  // between two requests
	MaxHeaderBytes    int                            // of a request's head
	ConnState         func(net.Conn, http.ConnState) // told of each change, and must not call the server; nil: nobody is
	Log               *slog.Logger                   // of panics and failing listeners; nil: slog's default
	// Refusal is the body of the answer to what is no request, by the status,
	// and its media type; nil: the status in words.
	Refusal func(status int) (mediaType string, body []byte)

	mu        sync.Mutex
	listeners map[net.Listener]struct{}
	conns     map[*conn]struct{}
	drained   chan struct{} // closed when Shutdown has begun and no connection is left
	draining  atomic.Bool

	date  atomic.Pointer[date]
	turns turns
}

// Serve accepts connections until the listener is closed, and then returns an
// error that is never nil: http.ErrServerClosed after Shutdown or Close.
func (s *Server) Serve(l net.Listener) error {
	if !s.listen(l) {
		_ = l.Close()
		return http.ErrServerClosed
	}
	pause := time.Duration(0)
	var told time.Time
	for {
		nc, err := l.Accept()
		switch {
		case err == nil:
			pause = 0
			if c := newConn(s, nc); s.admit(c) {
				go c.serve()
			} else {
				_ = nc.Close()
			}
		case s.draining.Load():
			return http.ErrServerClosed
		case errors.Is(err, net.ErrClosed):
			return err
		default: // such as no more descriptors, which passes
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			if now := time.Now(); now.Sub(told) >= tellEvery {
				told = now
				s.logger().Warn("connections can't be accepted; they wait", "error", err)
			}
			time.Sleep(pause)
		}
	}
}

func (s *Server) logger() *slog.Logger {
	if s.Log == nil {
		return slog.Default()
	}
	return s.Log
}

func (s *Server) panicked(where string, v any) {
	s.logger().Error("panic "+where, "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
}

func (s *Server) listen(l net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining.Load() {
		return false
	}
	if s.listeners == nil {
		s.listeners = make(map[net.Listener]struct{})
		s.turns.open()
	}
	s.listeners[l] = struct{}{}
	return true
}

// admit takes a connection in, unless the server stops.
func (s *Server) admit(c *conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining.Load() {
		return false
	}
	if s.conns == nil {
		s.conns = make(map[*conn]struct{})
	}
	s.conns[c] = struct{}{}
	s.tell(c, http.StateNew)
	return true
}

// dismiss lets go of a connection that has been closed.
func (s *Server) dismiss(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	s.tell(c, http.StateClosed)
	s.mayBeDrained()
}

// mayBeDrained ends the wait of Shutdown when nothing is left. It needs s.mu.
func (s *Server) mayBeDrained() {
	if s.drained != nil && len(s.conns) == 0 {
		select {
		case <-s.drained:
		default:
			close(s.drained)
		}
	}
}

func (s *Server) tell(c *conn, state http.ConnState) {
	if s.ConnState != nil {
		s.ConnState(c.net, state)
	}
}

// drain closes the listeners and has every connection end after the request
// that it serves; those that serve none end at once.
func (s *Server) drain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.draining.Store(true)
	if s.drained == nil {
		s.drained = make(chan struct{})
	}
	for l := range s.listeners {
		_ = l.Close() // what it had to say, Serve has heard
	}
	clear(s.listeners)
	s.turns.close()
	for c := range s.conns {
		c.closeIdle()
	}
	s.mayBeDrained()
}

// Shutdown stops to accept connections, closes those without a request, and
// waits until the others have ended or ctx has, whose error it returns then.
func (s *Server) Shutdown(ctx context.Context) error {
	s.drain()
	select {
	case <-s.drained:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close closes the listeners and all connections, and cancels the contexts of
// the requests under way. It does not wait for their handlers.
func (s *Server) Close() error {
	s.drain()
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.cut()
	}
	return nil
}

// date is the time of a second as the Date field says it.
type date struct {
	second int64
	text   string
}

// now returns the Date field's value.
func (s *Server) now() string {
	now := time.Now()
	d := s.date.Load()
	if d == nil || d.second != now.Unix() {
		d = &date{now.Unix(), now.UTC().Format(http.TimeFormat)}
		s.date.Store(d)
	}
	return d.text
}
