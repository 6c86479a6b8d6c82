// Package monitor is what operators see of the proxy, on a port of its own:
// metrics, health, readiness, and a status page that shows the last minutes.
// None of it is on the port that clients use, none of it changes anything, and
// none of it names a key, a client or an object.
package monitor

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"osp/go/front"
	"osp/go/metrics"
	"osp/go/observe"
	"osp/go/stores"
)

const (
	maxConnections = 128
	maxHeaderBytes = 16 << 10
	readTimeout    = 5 * time.Second
	writeTimeout   = 30 * time.Second
	idleTimeout    = time.Minute
)

// Options of a Server.
type Options struct {
	About   metrics.Source // everything except Stores
	Entries func() []*stores.Bucket
	Reach   Reach
	Hosts   []string // names and addresses that are accepted, in addition to its own
	Log     *slog.Logger
}

// Server is the front for operators. It observes every request.
type Server struct {
	about   metrics.Source
	log     *slog.Logger
	metrics *metrics.Metrics
	window  *window
	prober  *prober
	entries func() []*stores.Bucket
	started time.Time
	told    []string
	hosts   hosts

	draining atomic.Bool
	http     *http.Server
	listener net.Listener
	serving  sync.WaitGroup
	life     context.Context
	end      context.CancelFunc
}

// New returns a Server that does not listen yet.
func New(o Options) *Server {
	life, end := context.WithCancel(context.Background())
	s := &Server{
		about: o.About, log: o.Log, entries: o.Entries, started: time.Now(), told: o.Hosts, life: life, end: end,
		window: &window{caches: o.About.Caches},
		prober: &prober{life: life, entries: o.Entries, reach: o.Reach, now: time.Now},
	}
	s.about.Stores = s.stores
	s.metrics = metrics.New(s.about)
	s.Updated()
	s.http = &http.Server{
		Handler:           s.handler(),
		ReadHeaderTimeout: readTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(o.Log.Handler(), slog.LevelDebug),
	}
	return s
}

// Ended implements observe.Observer.
func (s *Server) Ended(x *observe.Exchange) {
	s.metrics.Ended(x)
	s.window.ended(x)
}

// CallbackEnded counts a question to a callback.
func (s *Server) CallbackEnded(c observe.Callback) {
	s.metrics.CallbackEnded(c)
	s.window.callbackEnded(c)
}

// GrantExchanged counts an exchange at a token service.
func (s *Server) GrantExchanged(outcome string) { s.metrics.GrantExchanged(outcome) }

// ShadowCompared counts a question to the shadow.
func (s *Server) ShadowCompared(outcome string) { s.metrics.ShadowCompared(outcome) }

// Updated records that the entries of cos_map have changed.
func (s *Server) Updated() {
	var names []string
	for _, b := range s.entries() {
		names = append(names, b.Name)
	}
	s.metrics.SetBuckets(names)
	s.prober.forget()
}

// Listen binds the address. Its error wraps the system's.
func (s *Server) Listen(address string) error {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	s.listener, s.hosts = l, newHosts(l.Addr(), s.told)
	return nil
}

// Port returns the bound port, 0 before Listen.
func (s *Server) Port() int {
	if s.listener == nil {
		return 0
	}
	return s.listener.Addr().(*net.TCPAddr).Port
}

// Serve serves in the background until Close.
func (s *Server) Serve() {
	s.serving.Go(func() {
		err := s.http.Serve(front.Listen(s.listener, front.Options{Limit: maxConnections}))
		if !errors.Is(err, http.ErrServerClosed) {
			s.log.Error("the metrics port stopped serving", "error", err)
		}
	})
	s.serving.Go(s.sample)
	s.prober.latest() // so that the first request need not wait
}

// sample keeps the charts up to date.
func (s *Server) sample() {
	ticks := time.NewTicker(interval)
	defer ticks.Stop()
	s.window.sample(time.Now())
	for {
		select {
		case now := <-ticks.C:
			s.window.sample(now)
		case <-s.life.Done():
			return
		}
	}
}

// Drain makes the proxy unready, while everything else continues.
func (s *Server) Drain() { s.draining.Store(true) }

// Close ends the server at once: its clients have nothing to lose.
func (s *Server) Close() {
	s.end()
	_ = s.http.Close()
	if s.listener != nil {
		_ = s.listener.Close() // if it never served
	}
	s.serving.Wait()
}

// stores are the stores' health for the metrics, each name once.
func (s *Server) stores() []metrics.Store {
	var out []metrics.Store
	for _, h := range s.prober.latest() {
		i := slices.IndexFunc(out, func(o metrics.Store) bool { return o.Name == h.Store })
		if i < 0 {
			out = append(out, metrics.Store{Name: h.Store, Up: h.Up, CertificateExpires: h.CertificateExpires})
			continue
		}
		out[i].Up = out[i].Up && h.Up
		if e := h.CertificateExpires; out[i].CertificateExpires.IsZero() || !e.IsZero() && e.Before(out[i].CertificateExpires) {
			out[i].CertificateExpires = e
		}
	}
	return out
}

// readiness is the response of /readyz.
type readiness struct {
	Ready    bool              `json:"ready"`
	Draining bool              `json:"draining,omitempty"`
	Stores   map[string]string `json:"stores,omitempty"` // that can't be reached, and why
	// Degraded says that the shared state is away: requests are served all the same.
	Degraded bool `json:"degraded,omitempty"`
}

// ready says whether requests should be sent here: not while it drains, and not
// while a store can't be reached; with any, one reachable store is enough.
func (s *Server) ready(ctx context.Context, anyStore bool) readiness {
	if s.draining.Load() {
		return readiness{Draining: true}
	}
	health, err := s.prober.fresh(ctx)
	if err != nil {
		return readiness{}
	}
	down := make(map[string]string)
	for _, h := range health {
		if !h.Up {
			down[h.Store] = h.Problem
		}
	}
	ready := len(down) == 0 || anyStore && len(down) < len(health)
	return readiness{Ready: ready && !s.draining.Load(), Stores: down, Degraded: s.degraded()}
}

// degraded reports that this replica shares a state which is away.
func (s *Server) degraded() bool {
	if s.about.Shared == nil {
		return false
	}
	now := s.about.Shared()
	return now.Away || !now.Leased
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		panic(err) // structures of numbers and texts can always be marshalled
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // the client may have left
}
