// Package serving is what the servers for HTTP/1 and HTTP/2 have in common: the
// lives of their connections, the contexts of their requests, the Date. It reads
// nothing of what connections carry.
package serving

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// warnEvery is the least time between two warnings that connections can't be
// accepted.
const warnEvery = time.Minute

// Conn is a connection that a server serves.
type Conn interface {
	// Serve serves requests until the connection ends, and closes it.
	Serve()
	// Retire closes the connection once it serves no request; if it serves none, at
	// once. It waits for no client. The connection may have ended.
	Retire()
	// Abort closes the connection, whatever it is doing. It may have ended.
	Abort()
}

// Conns are the listeners and connections of a server. The zero value has none.
// Shutdown and Close do what those of http.Server do.
type Conns struct {
	mu        sync.Mutex
	listeners map[net.Listener]struct{}
	conns     map[Conn]struct{}
	drained   chan struct{} // closed once Shutdown has begun and no connection is left
	draining  atomic.Bool
}

// Draining reports whether Shutdown or Close has begun.
func (s *Conns) Draining() bool { return s.draining.Load() }

// Serve has connections served, each in a goroutine of its own, until the listener
// is closed, and then returns an error that is never nil: http.ErrServerClosed after
// Shutdown or Close.
func (s *Conns) Serve(l net.Listener, begin func(net.Conn) Conn, log *slog.Logger) error {
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
			if c := begin(nc); s.add(c) {
				go func() {
					defer s.remove(c)
					c.Serve()
				}()
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
				orDefault(log).Warn("connections can't be accepted; they wait", "error", err)
			}
			time.Sleep(pause)
		}
	}
}

func orDefault(log *slog.Logger) *slog.Logger {
	if log == nil {
		return slog.Default()
	}
	return log
}

// LogPanic logs a panic that was recovered; a nil logger is slog's default.
func LogPanic(log *slog.Logger, where string, v any) {
	orDefault(log).Error("panic "+where, "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
}

func (s *Conns) addListener(l net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining.Load() {
		return false
	}
	if s.listeners == nil {
		s.listeners = make(map[net.Listener]struct{})
	}
	s.listeners[l] = struct{}{}
	return true
}

// add registers a connection, unless the server is shutting down.
func (s *Conns) add(c Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining.Load() {
		return false
	}
	if s.conns == nil {
		s.conns = make(map[Conn]struct{})
	}
	s.conns[c] = struct{}{}
	return true
}

// remove forgets a connection that has been closed.
func (s *Conns) remove(c Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	s.checkDrained()
}

// checkDrained ends the wait of Shutdown if no connection is left. The caller holds
// s.mu.
func (s *Conns) checkDrained() {
	if s.drained != nil && len(s.conns) == 0 {
		select {
		case <-s.drained:
		default:
			close(s.drained)
		}
	}
}

// drain closes the listeners, and has each connection end in one way or another. It
// does so without s.mu: a connection that makes it wait delays none but its caller.
func (s *Conns) drain(end func(Conn)) {
	for _, c := range s.beginDraining() {
		end(c)
	}
}

// beginDraining closes the listeners, and returns the connections.
func (s *Conns) beginDraining() []Conn {
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
	s.checkDrained()
	return slices.Collect(maps.Keys(s.conns))
}

// Shutdown stops accepting connections, closes those without a request, and waits
// until the others have ended. If ctx ends first, its error is returned.
func (s *Conns) Shutdown(ctx context.Context) error {
	s.drain(Conn.Retire)
	select {
	case <-s.drained:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close closes the listeners and all connections, and cancels the contexts of the
// requests in progress. It does not wait for their handlers.
func (s *Conns) Close() error {
	s.drain(Conn.Abort)
	return nil
}

// Each calls f for each open connection; f must not call the Conns.
func (s *Conns) Each(f func(Conn)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		f(c)
	}
}
