// Package h2 is a server for HTTP/2 (RFC 9113) that does what the proxy needs and no
// more. One goroutine reads a connection, each request has one for its handler, and
// whoever has something to say writes it, together with what the others have to say.
// Frames and HPACK are read by golang.org/x/net. What is not a valid request reaches
// no handler; priorities are ignored, and nothing is pushed. It never looks at what a
// request asks for.
package h2

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"time"

	"osp/go/serving"
)

// Server serves the connections of its listeners, which agreed on HTTP/2 already.
// Its exported fields must not change once it does; what nil means is given for those
// that are optional. Serve, Shutdown and Close do what those of http.Server do.
type Server struct {
	Handler           http.Handler
	ReadHeaderTimeout time.Duration // from a head's first byte to its end; also for the client's preface
	IdleTimeout       time.Duration // without a request
	WriteTimeout      time.Duration // for the client to take what one write sends
	MaxHeaderBytes    int           // of a request's head, as RFC 9113 section 6.5.2 counts
	Log               *slog.Logger  // of panics and failing listeners; nil: slog's default
	// Refusal returns the body, and its media type, of the response to a request
	// that is not served; nil: the body is the status in words.
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
