// Package h1 is a server for HTTP/1.1 and HTTP/1.0 that does what the proxy needs
// and no more: one request at a time on each connection, in one goroutine, read by
// one strict parser. It refuses whatever two parsers could take for different
// requests, and supports neither upgrades nor routes; HTTP/2 is package h2's.
// It never looks at what a request asks for.
package h1

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"time"

	"osp/go/serving"
)

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
	Queue   serving.Queue // where requests wait for their turns; nil: none does

	conns serving.Conns
	clock serving.Clock
}

// Serve accepts connections until the listener is closed, and then returns an
// error that is never nil: http.ErrServerClosed after Shutdown or Close.
func (s *Server) Serve(l net.Listener) error {
	return s.conns.Serve(l, func(nc net.Conn) serving.Conn { return newConn(s, nc) }, s.Log)
}

// Shutdown stops accepting connections, closes those without a request, and waits
// until the others have ended. If ctx ends first, its error is returned.
func (s *Server) Shutdown(ctx context.Context) error { return s.conns.Shutdown(ctx) }

// Close closes the listeners and all connections, and cancels the contexts of the
// requests in progress. It does not wait for their handlers.
func (s *Server) Close() error { return s.conns.Close() }

func (s *Server) logPanic(where string, v any) { serving.LogPanic(s.Log, where, v) }

func (s *Server) setState(c *conn, state http.ConnState) {
	if s.ConnState != nil {
		s.ConnState(c.net, state)
	}
}
