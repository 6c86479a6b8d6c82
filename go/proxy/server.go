// Package proxy is the server: its listeners, its observers, and its life from
// start to stop, with updates meanwhile. What becomes of a request is package
// pipeline's matter: nothing here reads one, or decides about it.
package proxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"osp/go/callbacks"
	"osp/go/config"
	"osp/go/front"
	"osp/go/peers"
	"osp/go/pipeline"
	"osp/go/serving"
	"osp/go/shared"
)

// handlerGrace is how long a stop waits for requests that it has broken off.
const handlerGrace = 5 * time.Second

// Server is one proxy: its listeners, and the pipeline behind them.
type Server struct {
	cfg       *config.Config
	log       *slog.Logger
	pipeline  *pipeline.Pipeline
	observers *observers

	temporary sync.Once // a word about temporary keys that end with the process

	fleet   *shared.State // nil: the process is alone
	fronts  []*listening
	queue   serving.FairQueue // of the requests to all fronts
	serving sync.WaitGroup
	leaving atomic.Bool // a stop was announced
	stop    sync.Once
	done    chan struct{}
}

// New builds a Server from a checked configuration. It opens no socket.
func New(cfg *config.Config, owner callbacks.Set, log *slog.Logger) *Server {
	o := newObservers(cfg, log)
	s := &Server{cfg: cfg, log: log, observers: o, done: make(chan struct{})}
	options := o.options()
	if cfg.Shared != nil {
		s.fleet = shared.New(fleetOptions(cfg, log, func(list []shared.Revocation) { s.pipeline.Forget(list...) }))
		options.Shared = s.fleet
	}
	s.pipeline = pipeline.New(cfg, owner, options)
	o.addMonitor(s.pipeline, s.fleet)
	if cfg.HTTPPort != nil {
		s.fronts = append(s.fronts, s.newFront(listening{scheme: "http", port: *cfg.HTTPPort}))
	}
	if cfg.HTTPSPort != nil {
		s.fronts = append(s.fronts, s.newFront(listening{scheme: "https", port: *cfg.HTTPSPort, tls: front.TLS(cfg.TLS, cfg.HTTP2, log)}))
	}
	if cfg.Unix != "" {
		s.fronts = append(s.fronts, s.newFront(listening{scheme: "http", path: cfg.Unix}))
	}
	return s
}

// Listen binds all fronts, or none. Its errors wrap the system's, such as
// syscall.EADDRINUSE.
func (s *Server) Listen() error {
	for _, f := range s.fronts {
		if err := s.open(f); err != nil {
			s.closeListeners()
			s.observers.close()
			return err
		}
	}
	err := s.observers.listen()
	if err == nil {
		err = s.join()
	}
	if err != nil {
		s.closeListeners()
		s.observers.close()
	}
	return err
}

// join takes part in the fleet, if there is one.
func (s *Server) join() error {
	if err := s.fleet.Open(); err != nil && s.cfg.Shared.Required {
		s.fleet.Close()
		return fmt.Errorf("shared_state: %w", err)
	}
	return nil
}

// fleetOptions are those of a replica. forget drops what it remembers.
func fleetOptions(cfg *config.Config, log *slog.Logger, forget func([]shared.Revocation)) shared.Options {
	return shared.Options{
		Address: cfg.Shared.Address, Namespace: cfg.Shared.Namespace, Version: cfg.Shared.Version, Keyring: cfg.Shared.Keyring,
		Timeout: cfg.Shared.Timeout, Patience: cfg.CallbackTimeout, Log: log, Forget: forget,
	}
}

// Revoke makes void what a revocation is about in the fleet of a configuration. It needs
// no server. Its errors are those of shared.State's Revoke.
func Revoke(ctx context.Context, cfg *config.Config, log *slog.Logger, what shared.Revocation) error {
	state := shared.New(fleetOptions(cfg, log, nil))
	defer state.Close()
	return state.Revoke(ctx, what)
}

// Examine looks at the shared state of a configuration, which has one. It needs
// no server.
func Examine(ctx context.Context, cfg *config.Config, log *slog.Logger) *shared.Report {
	return shared.Examine(ctx, fleetOptions(cfg, log, nil))
}

// Serve starts to accept on all fronts and returns at once.
func (s *Server) Serve() {
	s.warn()
	s.queue.Start()
	var balancers peers.Trusted
	if s.cfg.ProxyProtocol {
		balancers = s.cfg.TrustedProxies
	}
	limit := s.cfg.MaxConnections
	if limit == 0 {
		limit = front.DefaultLimit()
	}
	for _, f := range s.fronts {
		l := front.Listen(f.listener, front.Options{Limit: limit, TLS: f.tls, Balancers: balancers, Log: s.log})
		s.observers.countConnections(l.Open)
		s.serve(f, func() error { return f.http1.Serve(l) })
		if f.tls != nil {
			s.serve(f, func() error { return f.http2.Serve(l.HTTP2()) })
		}
		if f.path != "" {
			s.log.Info("serving", "scheme", f.scheme, "path", f.path)
		} else {
			s.log.Info("serving", "scheme", f.scheme, "host", s.cfg.Host, "port", f.port)
		}
	}
	s.observers.serve()
}

// warn says at start what an owner may not expect.
func (s *Server) warn() {
	if s.cfg.SkipSignature {
		s.log.Warn("skip_signature_validation is on: client signatures and chunk signatures are NOT checked; whoever reaches this port can claim to be any client. Development only.")
	}
	if len(s.cfg.Stores.Keystore) == 0 && !s.cfg.Has("hmac_fetcher") && !s.cfg.SkipSignature {
		s.log.Warn("neither hmac_keystore nor hmac_fetcher is given: nobody can sign but with temporary keys, and every other request will be refused")
	}
	if !s.cfg.Keyring.Empty() && s.cfg.Shared == nil && len(s.cfg.Roles.Roles) > 0 {
		s.log.Warn("shared_keys is given without shared_state: temporary keys that were revoked are good again after a restart, until they expire")
	}
}

// HTTPPort returns the bound port of the HTTP front, 0 if there is none.
func (s *Server) HTTPPort() int { return s.boundPort("http") }

// HTTPSPort returns the bound port of the HTTPS front, 0 if there is none.
func (s *Server) HTTPSPort() int { return s.boundPort("https") }

// MetricsPort returns the bound port of the metrics front, 0 if there is none.
func (s *Server) MetricsPort() int { return s.observers.port() }

// ReopenLogs opens the file of the access log anew. Its error wraps the system's.
func (s *Server) ReopenLogs() error { return s.observers.reopen() }

// Update reads an update as config.ParseUpdate does and swaps stores, client keys, the
// policy, issuers, roles, or several of them: what the update lacks stays as the update before has left it.
// Requests under way end with what they began with. Its errors are those of
// config.Parse; after one nothing has changed.
func (s *Server) Update(document []byte) error {
	update, err := s.cfg.ParseUpdate(document, s.pipeline.Running())
	if err != nil {
		return err
	}
	s.pipeline.Update(update)
	return nil
}

// Forget drops what a revocation is about: decisions, credentials, client secrets and
// sessions. In a fleet it then waits, as long as ctx lasts, until no replica answers by
// them; its errors are those of shared.State's Revoke.
func (s *Server) Forget(ctx context.Context, what shared.Revocation) error {
	s.pipeline.Forget(what)
	return s.fleet.Revoke(ctx, what)
}

// Done is closed when the server has stopped.
func (s *Server) Done() <-chan struct{} { return s.done }

// AnnounceStop sends load balancers and clients elsewhere: /readyz says 503, and each
// response ends its connection. Whoever comes is served nevertheless.
func (s *Server) AnnounceStop() {
	s.leaving.Store(true)
	s.observers.announceStop()
}

// Stop closes the listeners, lets requests in flight end until ctx does, and
// breaks off the rest. It returns ctx's error if requests were broken off.
// Further calls wait for the first.
func (s *Server) Stop(ctx context.Context) error {
	var err error
	s.stop.Do(func() {
		err = s.shutdown(ctx)
		close(s.done)
	})
	<-s.done
	return err
}

// stopper is what all servers have in common.
type stopper interface {
	Shutdown(ctx context.Context) error
	Close() error
}

func (s *Server) shutdown(ctx context.Context) error {
	s.AnnounceStop()
	s.queue.Stop()
	var servers []stopper
	for _, f := range s.fronts {
		servers = append(servers, f.http1, f.http2)
	}
	errs := make([]error, len(servers))
	var wait sync.WaitGroup
	for i, server := range servers {
		wait.Go(func() {
			if errs[i] = server.Shutdown(ctx); errs[i] != nil {
				_ = server.Close() // the deadline has passed: connections end now
			}
		})
	}
	wait.Wait()
	s.closeListeners() // those that never served
	s.serving.Wait()
	s.pipeline.Close(handlerGrace)
	s.fleet.Close()
	s.observers.close()
	return errors.Join(errs...)
}
