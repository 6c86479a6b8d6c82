// Package h1 is a server for HTTP/1.1 and HTTP/1.0 that does what the proxy needs
// and no more: one request at a time on each connection, in one goroutine, read by
// one strict parser. It refuses whatever two parsers could take for different
// requests, and supports neither upgrades nor routes; HTTP/2 is left to net/http.
// It never looks at what a request asks for.
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

// warnEvery is the least time between two warnings that connections can't be
// accepted.
const warnEvery = time.Minute

// Server serves the connections of its listeners. Its exported fields must not
// change once it does; what nil means is given for those that are optional. Serve,
// Shutdown and Close do what those of http.Server do.
type Server struct {
	Handler           http.Handler
	ReadHeaderTimeout time.Duration                  // from a request's first byte to the end of its head
	IdleTimeout       time.Duration                  // between two requests
	MaxHeaderBytes    int                            // of a request's head
	ConnState         func(net.Conn, http.ConnState) // called at each change of state, and must not call the server; nil: not called
	Log               *slog.Logger                   // of panics and failing listeners; nil: slog's default
	// Refusal returns the body, and its media type, of the response to what is not
	// a valid request; nil: the body is the status in words.
	Refusal func(status int) (mediaType string, body []byte)

	mu        sync.Mutex
	listeners map[net.Listener]struct{}
	conns     map[*conn]struct{}
	drained   chan struct{} // closed once Shutdown has begun and no connection is left
	draining  atomic.Bool

	date  atomic.Pointer[date]
	queue fairQueue
}

// Serve accepts connections until the listener is closed, and then returns an
// error that is never nil: http.ErrServerClosed after Shutdown or Close.
func (s *Server) Serve(l net.Listener) error {
	if !s.addListener(l) {
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
			if c := newConn(s, nc); s.addConn(c) {
				go c.serve()
			} else {
				_ = nc.Close()
			}
		case s.draining.Load():
			return http.ErrServerClosed
		case errors.Is(err, net.ErrClosed):
			return err
		default: // a temporary error, such as too many open files
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			if now := time.Now(); now.Sub(told) >= warnEvery {
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

func (s *Server) logPanic(where string, v any) {
	s.logger().Error("panic "+where, "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
}

func (s *Server) addListener(l net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining.Load() {
		return false
	}
	if s.listeners == nil {
		s.listeners = make(map[net.Listener]struct{})
		s.queue.start()
	}
	s.listeners[l] = struct{}{}
	return true
}

// addConn registers a connection, unless the server is shutting down.
func (s *Server) addConn(c *conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining.Load() {
		return false
	}
	if s.conns == nil {
		s.conns = make(map[*conn]struct{})
	}
	s.conns[c] = struct{}{}
	s.setState(c, http.StateNew)
	return true
}

// removeConn forgets a connection that has been closed.
func (s *Server) removeConn(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	s.setState(c, http.StateClosed)
	s.checkDrained()
}

// checkDrained ends the wait of Shutdown if no connection is left. The caller holds
// s.mu.
func (s *Server) checkDrained() {
	if s.drained != nil && len(s.conns) == 0 {
		select {
		case <-s.drained:
		default:
			close(s.drained)
		}
	}
}

func (s *Server) setState(c *conn, state http.ConnState) {
	if s.ConnState != nil {
		s.ConnState(c.net, state)
	}
}

// drain closes the listeners, and every connection after the request that it
// serves; those that serve none are closed at once.
func (s *Server) drain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.draining.Store(true)
	if s.drained == nil {
		s.drained = make(chan struct{})
	}
	for l := range s.listeners {
		_ = l.Close() // Serve sees any error
	}
	clear(s.listeners)
	s.queue.stop()
	for c := range s.conns {
		c.closeIdle()
	}
	s.checkDrained()
}

// Shutdown stops accepting connections, closes those without a request, and waits
// until the others have ended. If ctx ends first, its error is returned.
func (s *Server) Shutdown(ctx context.Context) error {
	s.drain()
	select {
	case <-s.drained:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close closes the listeners and all connections, and cancels the contexts of the
// requests in progress. It does not wait for their handlers.
func (s *Server) Close() error {
	s.drain()
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.abort()
	}
	return nil
}

// date is a second as the Date field spells it.
type date struct {
	second int64
	text   string
}

// dateValue returns the Date field's value.
func (s *Server) dateValue() string {
	now := time.Now()
	d := s.date.Load()
	if d == nil || d.second != now.Unix() {
		d = &date{now.Unix(), now.UTC().Format(http.TimeFormat)}
		s.date.Store(d)
	}
	return d.text
}
