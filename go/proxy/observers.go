package proxy

import (
	"fmt"
	"log/slog"
	"net"
	"strconv"

	"osp/go/accesslog"
	"osp/go/config"
	"osp/go/metrics"
	"osp/go/monitor"
	"osp/go/observe"
	"osp/go/pipeline"
	"osp/go/shared"
	"osp/go/tracing"
	"osp/go/upstream"
)

// observers are the metrics port, the access log and traces, behind the one
// pipeline.Observer that it shows what it does.
type observers struct {
	cfg       *config.Config
	log       *slog.Logger
	monitor   *monitor.Server // nil: off
	accessLog *accesslog.Log  // nil: off
	tracer    *tracing.Tracer // nil: off

	requests []observe.Observer // all that are on
	fronts   []func() int64     // each says how many connections are open
}

func newObservers(cfg *config.Config, log *slog.Logger) *observers {
	o := &observers{cfg: cfg, log: log, tracer: tracing.New(cfg.Version, log)}
	if cfg.AccessLog != "" {
		o.accessLog = accesslog.New(cfg.AccessLog, accesslog.Format(cfg.AccessLogFormat), log)
		o.requests = append(o.requests, o.accessLog)
	}
	if o.tracer != nil {
		o.requests = append(o.requests, o.tracer)
	}
	return o
}

// options are what the pipeline needs to know of them.
func (o *observers) options() pipeline.Options {
	options := pipeline.Options{Log: o.log, Tracer: o.tracer, Detailed: o.accessLog != nil || o.tracer != nil}
	if options.Detailed || o.cfg.MetricsPort != nil {
		options.Observer = o
	}
	return options
}

// addMonitor adds the metrics port, which looks into the pipeline.
func (o *observers) addMonitor(p *pipeline.Pipeline, fleet *shared.State) {
	if o.cfg.MetricsPort == nil {
		return
	}
	about := metrics.Source{Version: o.cfg.Version, InFlight: p.InFlight, Connections: o.connections, Caches: p.Caches()}
	if fleet != nil {
		about.Shared = fleet.Stats
	}
	if o.accessLog != nil {
		about.LogDrops = map[string]func() uint64{"access": o.accessLog.Dropped}
	}
	o.monitor = monitor.New(monitor.Options{
		About:   about,
		Entries: p.Entries,
		Reach:   upstream.Probe,
		Hosts:   append([]string{o.cfg.MetricsHost}, o.cfg.MetricsHosts...),
		Log:     o.log,
	})
	o.requests = append(o.requests, o.monitor)
}

// Ended implements observe.Observer.
func (o *observers) Ended(x *observe.Exchange) {
	for _, observer := range o.requests {
		observer.Ended(x)
	}
}

// CallbackEnded implements pipeline.Observer.
func (o *observers) CallbackEnded(c observe.Callback) {
	if o.monitor != nil {
		o.monitor.CallbackEnded(c)
	}
	if o.tracer != nil {
		o.tracer.CallbackEnded(c)
	}
}

// GrantExchanged implements pipeline.Observer.
func (o *observers) GrantExchanged(outcome string) {
	if o.monitor != nil {
		o.monitor.GrantExchanged(outcome)
	}
}

// ShadowCompared implements pipeline.Observer.
func (o *observers) ShadowCompared(outcome string) {
	if o.monitor != nil {
		o.monitor.ShadowCompared(outcome)
	}
}

// Updated implements pipeline.Observer.
func (o *observers) Updated() {
	if o.monitor != nil {
		o.monitor.Updated()
	}
}

// listen opens what observers need of the system, or nothing of it.
func (o *observers) listen() error {
	if o.accessLog != nil {
		if err := o.accessLog.Open(); err != nil {
			return err
		}
	}
	if o.monitor != nil {
		address := net.JoinHostPort(o.cfg.MetricsHost, strconv.Itoa(*o.cfg.MetricsPort))
		if err := o.monitor.Listen(address); err != nil {
			return fmt.Errorf("metrics front on %s: %w", address, err)
		}
	}
	return nil
}

// countConnections adds a front, before it serves.
func (o *observers) countConnections(open func() int64) { o.fronts = append(o.fronts, open) }

func (o *observers) connections() (n int64) {
	for _, open := range o.fronts {
		n += open()
	}
	return n
}

func (o *observers) port() int {
	if o.monitor == nil {
		return 0
	}
	return o.monitor.Port()
}

func (o *observers) reopen() error {
	if o.accessLog == nil {
		return nil
	}
	return o.accessLog.Reopen()
}

func (o *observers) serve() {
	if o.monitor != nil {
		o.monitor.Serve()
		o.log.Info("serving", "scheme", "metrics", "host", o.cfg.MetricsHost, "port", o.monitor.Port())
	}
}

// announceStop tells load balancers that no more requests are wanted.
func (o *observers) announceStop() {
	if o.monitor != nil {
		o.monitor.Drain()
	}
}

// close ends what is on, and writes what waits, when the last request has ended.
func (o *observers) close() {
	if o.monitor != nil {
		o.monitor.Close()
	}
	if o.accessLog != nil {
		o.accessLog.Close()
	}
	o.tracer.Close()
}
