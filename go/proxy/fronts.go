package proxy

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"

	"osp/go/front"
	"osp/go/h1"
	"osp/go/h2"
	"osp/go/pipeline"
)

const (
	readHeaderTimeout = 15 * time.Second
	idleTimeout       = 2 * time.Minute
	writeTimeout      = 5 * time.Minute // readers pause to digest what they got, but not for ever
	maxHeaderBytes    = 64 << 10        // tokens as access keys are kilobytes long
)

// listening is one front: a listener with a server for each version of HTTP.
type listening struct {
	scheme   string
	port     int
	path     string // of a unix socket; empty: it is TCP
	http1    *h1.Server
	http2    *h2.Server  // nil: there is none
	tls      *tls.Config // nil: plain HTTP, which is HTTP/1
	listener net.Listener
}

// newFront completes a front with its servers.
func (s *Server) newFront(f listening) *listening {
	f.http1 = &h1.Server{
		Handler:           counted(s.parting(s.pipeline.Handler(f.scheme))),
		ReadHeaderTimeout: readHeaderTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		Log:               s.log,
		Refusal:           pipeline.Malformed,
		Queue:             &s.queue,
	}
	f.http2 = &h2.Server{
		Handler:           f.http1.Handler,
		ReadHeaderTimeout: readHeaderTimeout,
		IdleTimeout:       idleTimeout,
		WriteTimeout:      writeTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		Log:               s.log,
		Refusal:           pipeline.Malformed,
		Queue:             &s.queue,
	}
	return &f
}

// parting has each response end its connection once a stop was announced. Over
// HTTP/2 that is a GOAWAY.
func (s *Server) parting(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.leaving.Load() {
			w.Header().Set("Connection", "close")
		}
		h.ServeHTTP(w, r)
	})
}

// open binds a front. Its error wraps the system's.
func (s *Server) open(f *listening) error {
	if f.path != "" {
		l, err := front.OpenUnix(f.path)
		if err != nil {
			return fmt.Errorf("unix socket %s: %w", f.path, err)
		}
		f.listener = l
		return nil
	}
	address := net.JoinHostPort(s.cfg.Host, strconv.Itoa(f.port))
	l, err := front.Open(address, s.cfg.ReusePort)
	if err != nil {
		return fmt.Errorf("%s front on %s: %w", f.scheme, address, err)
	}
	f.listener, f.port = l, l.Addr().(*net.TCPAddr).Port
	return nil
}

func (s *Server) closeListeners() {
	for _, f := range s.fronts {
		if f.listener != nil {
			_ = f.listener.Close() // nobody was served yet
		}
	}
}

// serve keeps a server going until it ends, which a stop has it do.
func (s *Server) serve(f *listening, until func() error) {
	s.serving.Go(func() {
		// Whichever server stops first closes the listener that they share.
		if err := until(); !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
			s.log.Error("a front stopped serving", "scheme", f.scheme, "error", err)
		}
	})
}

func (s *Server) boundPort(scheme string) int {
	for _, f := range s.fronts {
		if f.scheme == scheme && f.path == "" && f.listener != nil {
			return f.port
		}
	}
	return 0
}
