package proxy

import (
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"osp/go/accesslog"
	"osp/go/cache"
	"osp/go/callbacks"
	"osp/go/config"
	"osp/go/metrics"
	"osp/go/monitor"
	"osp/go/observe"
	"osp/go/s3err"
	"osp/go/stores"
	"osp/go/tracing"
	"osp/go/upstream"
)

// watch is who looks on: the metrics port, the access log, traces. Requests
// pay for what is on only.
type watch struct {
	cfg     *config.Config
	log     *slog.Logger
	monitor *monitor.Server // nil: off
	access  *accesslog.Log  // nil: off
	tracer  *tracing.Tracer // nil: off

	observers []observe.Observer
	running   atomic.Int64   // requests
	fronts    []func() int64 // each says how many connections are open
	started   time.Time
}

func newWatch(cfg *config.Config, log *slog.Logger) *watch {
	w := &watch{cfg: cfg, log: log, started: time.Now()}
	if cfg.AccessLog != "" {
		w.access = accesslog.New(cfg.AccessLog, accesslog.Format(cfg.AccessLogFormat), log)
		w.observers = append(w.observers, w.access)
	}
	if w.tracer = tracing.New(cfg.Version, log); w.tracer != nil {
		w.observers = append(w.observers, w.tracer)
	}
	return w
}

// begin adds the metrics port, which looks at the parts of the handler.
func (w *watch) begin(h *handler) {
	if w.cfg.MetricsPort == nil {
		return
	}
	about := metrics.Source{
		Version:     w.cfg.Version,
		InFlight:    w.running.Load,
		Connections: w.connections,
		Caches: map[string]func() cache.Stats{
			"decisions":   h.access.Stats,
			"credentials": h.creds.Stats,
			"secrets":     h.clients.Stats,
			"tokens":      h.iam.Stats,
		},
	}
	if w.access != nil {
		about.LogDrops = map[string]func() uint64{"access": w.access.Dropped}
	}
	w.monitor = monitor.New(monitor.Options{
		About:   about,
		Entries: func() []*stores.Bucket { return h.stores.Load().Buckets.Entries() },
		Reach:   upstream.Probe,
		Hosts:   append([]string{w.cfg.MetricsHost}, w.cfg.MetricsHosts...),
		Log:     w.log,
	})
	w.observers = append(w.observers, w.monitor)
}

// listen opens what watches need of the system, or nothing of it.
func (w *watch) listen() error {
	if w.access != nil {
		if err := w.access.Open(); err != nil {
			return err
		}
	}
	if w.monitor != nil {
		address := net.JoinHostPort(w.cfg.MetricsHost, strconv.Itoa(*w.cfg.MetricsPort))
		if err := w.monitor.Listen(address); err != nil {
			return fmt.Errorf("metrics front on %s: %w", address, err)
		}
	}
	return nil
}

// countConnections adds a front, before it serves.
func (w *watch) countConnections(open func() int64) { w.fronts = append(w.fronts, open) }

func (w *watch) connections() (n int64) {
	for _, open := range w.fronts {
		n += open()
	}
	return n
}

func (w *watch) port() int {
	if w.monitor == nil {
		return 0
	}
	return w.monitor.Port()
}

func (w *watch) reopen() error {
	if w.access == nil {
		return nil
	}
	return w.access.Reopen()
}

func (w *watch) serve() {
	if w.monitor != nil {
		w.monitor.Serve()
		w.log.Info("serving", "scheme", "metrics", "host", w.cfg.MetricsHost, "port", w.monitor.Port())
	}
}

// drain tells load balancers that no more requests are wanted.
func (w *watch) drain() {
	if w.monitor != nil {
		w.monitor.Drain()
	}
}

// close ends what is on, and writes what waits, when the last request has ended.
func (w *watch) close() {
	if w.monitor != nil {
		w.monitor.Close()
	}
	if w.access != nil {
		w.access.Close()
	}
	w.tracer.Close()
}

func (w *watch) updated() {
	if w.monitor != nil {
		w.monitor.Updated()
	}
}

func (w *watch) tokenExchanged(outcome string) {
	if w.monitor != nil {
		w.monitor.TokenExchanged(outcome)
	}
}

// observed returns h with an eye on each question.
func (w *watch) observed(h callbacks.Set) callbacks.Set {
	if w.cfg.MetricsPort == nil && w.tracer == nil {
		return h
	}
	return observe.Callbacks(h, func(c observe.Callback) {
		if w.monitor != nil {
			w.monitor.CallbackEnded(c)
		}
		if w.tracer != nil {
			w.tracer.CallbackEnded(c)
		}
	})
}

func (w *watch) on() bool { return len(w.observers) > 0 }

// clock is the time since the start; reading it costs less than reading the date.
func (w *watch) clock() time.Duration {
	if !w.on() {
		return 0
	}
	return time.Since(w.started)
}

// callback notes that a request waited for a callback since begun.
func (w *watch) callback(x *exchange, begun time.Duration) { x.seen.Callback += w.clock() - begun }

func (w *watch) begun(x *exchange) {
	w.running.Add(1)
	x.seen.Begun = time.Now()
	if w.tracer != nil {
		x.r = x.r.WithContext(w.tracer.Begin(x.r, x.seen.Begun))
	}
}

// notes are what only the stages know of a request, for those who watch.
type notes struct {
	Begun      time.Time
	AccessKey  string // that the request claims
	Code       string // of its refusal
	StoreError string
	Status     int // of its refusal
	Upstream   time.Duration
	Callback   time.Duration

	Presigned, BadSignature, UsedUp, Asked bool
}

var exchanges = sync.Pool{New: func() any { return new(observe.Exchange) }}

// ended puts together what is known of a request and shows it to everybody.
func (w *watch) ended(x *exchange) {
	w.running.Add(-1)
	s := exchanges.Get().(*observe.Exchange)
	*s = observe.Exchange{
		Ctx: x.r.Context(), Begun: x.seen.Begun, RequestID: x.requestID, Scheme: x.scheme, Proto: x.r.Proto, Method: x.r.Method,
		AccessKey: x.seen.AccessKey, Presigned: x.seen.Presigned,
		Status: x.seen.Status, Code: x.seen.Code, BadSignature: x.seen.BadSignature, UsedUp: x.seen.UsedUp,
		Asked: x.seen.Asked, StoreError: x.seen.StoreError,
		BytesIn: x.received.Load(), BytesOut: x.w.sent,
		Total: time.Since(x.seen.Begun), Upstream: x.seen.Upstream, Callback: x.seen.Callback,
	}
	if x.w.begun {
		s.Status = x.w.status
	}
	if x.bucket != nil {
		s.Entry = x.bucket.Entry().Name
	}
	if x.req != nil {
		s.Path, s.Operation, s.Bucket, s.Key = x.req.RawPath, string(x.req.Operation), x.req.Bucket, x.req.Key
	} else {
		s.Path = x.r.URL.EscapedPath()
	}
	if w.access != nil || w.tracer != nil {
		s.Client = forwarders{w.cfg.TrustedProxies}.client(x.r)
		s.Referer, s.UserAgent = withoutQuery(header(x.r, "Referer")), header(x.r, "User-Agent")
	}
	if s.StoreError == "" && (s.Code == s3err.BadGateway.Code || s.Code == s3err.GatewayTimeout.Code) {
		s.StoreError = s.Code // also where it broke off in the middle of its answer
	}
	for _, o := range w.observers {
		o.Ended(s)
	}
	*s = observe.Exchange{} // it is not what keeps a request in memory
	exchanges.Put(s)
}

func header(r *http.Request, name string) string {
	if values := r.Header[name]; len(values) > 0 {
		return values[0]
	}
	return ""
}

func withoutQuery(url string) string {
	before, _, _ := strings.Cut(url, "?")
	return before
}
