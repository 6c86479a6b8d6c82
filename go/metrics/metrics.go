// Package metrics counts what happens, for Prometheus, in a registry of its
// own. Label values are bounded: buckets are the names in the configuration,
// methods a fixed list, codes those of package s3err; what a client makes up
// never becomes a label. A request that resembles an earlier one allocates
// nothing here and takes no lock.
package metrics

import (
	"cmp"
	"log/slog"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"osp/go/cache"
	"osp/go/observe"
	"osp/go/shared"
)

// Source provides what is read at the time of a scrape, instead of counted.
type Source struct {
	Version     string
	InFlight    func() int64 // requests in flight
	Connections func() int64 // open ones, of all fronts
	Caches      map[string]func() cache.Stats
	LogDrops    map[string]func() uint64 // lines lost, by the name of the log
	Stores      func() []Store
	Shared      func() shared.Stats // nil: the process is alone
}

// Store is what is known of a store's health.
type Store struct {
	Name               string // host:port
	Up                 bool
	CertificateExpires time.Time // zero: no TLS, or never seen
}

// Metrics is safe for concurrent use. Make it with New.
type Metrics struct {
	registry *prometheus.Registry
	buckets  atomic.Pointer[map[string]*bucket]

	requests, errors, bytes, presigned, presignedRejected *prometheus.CounterVec
	duration, size, upstream                              *prometheus.HistogramVec
	refusals, signatureRefusals, upstreamErrors           *prometheus.CounterVec
	limited, callbacks, tokens, copies, copied            *prometheus.CounterVec
	sts, shadow                                           *prometheus.CounterVec
	callbackDuration                                      *prometheus.HistogramVec
}

var (
	seconds = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300}
	sizes   = prometheus.ExponentialBuckets(256, 4, 13) // 256 bytes to 4 GiB
)

// New returns metrics that are all zero, without buckets.
func New(from Source) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry()}
	m.requests = m.counter("requests_total", "Requests that have ended, by status; 499: the client left before the response.", "method", "bucket", "status")
	m.errors = m.counter("request_errors_total", "Requests that the proxy refused or could not finish, by S3 error code.", "method", "bucket", "error")
	m.bytes = m.counter("transfer_bytes_total", "Bytes of bodies that came from clients (in) and went to them (out).", "direction", "bucket")
	m.copies = m.counter("copies_total", "Copies from a bucket of one store (source) to one of another, by how they ended.", "source", "bucket", "outcome")
	m.copied = m.counter("copied_bytes_total", "Bytes that were copied from one store to another.", "source", "bucket")
	m.presigned = m.counter("presigned_url_hits_total", "Requests with a presigned URL.", "bucket")
	m.presignedRejected = m.counter("presigned_url_rejected_total", "Requests that were refused because their presigned URL had been used up.", "bucket")
	m.duration = m.histogram("request_duration_seconds", "Time from a request's head to the end of its response.", seconds, "method", "bucket")
	m.size = m.histogram("response_size_bytes", "Size of response bodies.", sizes, "method", "bucket")
	m.refusals = m.counter("refusals_total", "Requests that the proxy refused or could not finish, by S3 error code, all buckets together.", "code")
	m.signatureRefusals = m.counter("signature_refusals_total", "Requests whose signature was missing, wrong or could not be checked, by S3 error code.", "code")
	m.limited = m.counter("limited_total", "Requests that a limit refused, by the rule's place in the configuration and what it limits.", "rule", "measure")
	m.upstream = m.histogram("upstream_duration_seconds", "Time from sending a request to a store, its body included, to the head of the response.", seconds, "bucket")
	m.upstreamErrors = m.counter("upstream_errors_total", "Requests to stores that failed, by S3 error code, ServerError (a status of 500 or above) or CredentialsRefused.", "bucket", "error")
	m.callbackDuration = m.histogram("callback_duration_seconds", "Time from a question to a callback to its answer, including the wait for a place.", seconds, "callback")
	m.callbacks = m.counter("callbacks_total", "Questions to callbacks, by how they ended.", "callback", "outcome")
	m.shadow = m.counter("shadow_decisions_total", "Decisions that were compared with those of the shadow: agreed, would_allow, would_refuse, failed (it came to none), dropped (it was not asked).", "outcome")
	m.tokens = m.counter("token_renewals_total", "Exchanges of IBM API keys for tokens and of roles for keys, by how they ended.", "outcome")
	m.sts = m.counter("sts_requests_total", "Requests for temporary keys, by action and result: ok, or the error code.", "action", "result")
	m.registry.MustRegister(
		&sampled{from: from},
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	if from.Shared != nil {
		m.registry.MustRegister(&fleet{stats: from.Shared})
	}
	m.SetBuckets(nil)
	return m
}

const namespace = "osp"

func (m *Metrics) counter(name, help string, labels ...string) *prometheus.CounterVec {
	v := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
	m.registry.MustRegister(v)
	return v
}

func (m *Metrics) histogram(name, help string, bounds []float64, labels ...string) *prometheus.HistogramVec {
	v := prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: namespace, Name: name, Help: help, Buckets: bounds}, labels)
	m.registry.MustRegister(v)
	return v
}

// SetBuckets says which names may be a value of the label bucket. Counts for
// other names are dropped; otherwise a configuration that changes often would
// fill the memory.
func (m *Metrics) SetBuckets(names []string) {
	fresh := make(map[string]*bucket, len(names)+1)
	for _, name := range append(slices.Clone(names), "") {
		fresh[name] = &bucket{of: m, name: name}
	}
	before := m.buckets.Load()
	if before != nil {
		for name, b := range *before {
			if fresh[name] != nil {
				fresh[name] = b
			}
		}
	}
	m.buckets.Store(&fresh)
	if before == nil {
		return
	}
	for name := range *before {
		if fresh[name] == nil {
			m.forget(name)
		}
	}
}

func (m *Metrics) forget(bucket string) {
	gone := prometheus.Labels{"bucket": bucket}
	for _, v := range []*prometheus.CounterVec{m.requests, m.errors, m.bytes, m.presigned, m.presignedRejected, m.upstreamErrors} {
		v.DeletePartialMatch(gone)
	}
	for _, v := range []*prometheus.CounterVec{m.copies, m.copied} {
		v.DeletePartialMatch(gone)
		v.DeletePartialMatch(prometheus.Labels{"source": bucket})
	}
	for _, v := range []*prometheus.HistogramVec{m.duration, m.size, m.upstream} {
		v.DeletePartialMatch(gone)
	}
}

// Ended counts a request.
func (m *Metrics) Ended(x *observe.Exchange) {
	buckets := *m.buckets.Load()
	b := buckets[x.Entry]
	if b == nil { // it has left the configuration meanwhile
		b = buckets[""]
	}
	b.ended(x)
	if x.CopyOutcome != "" {
		m.copyEnded(x, buckets, b)
	}
	if x.Action != "" {
		m.sts.WithLabelValues(x.Action, cmp.Or(x.Code, "ok")).Inc()
	}
	if x.Code == "" {
		return
	}
	m.refusals.WithLabelValues(x.Code).Inc()
	if x.Limit.Rule != "" {
		m.limited.WithLabelValues(x.Limit.Rule, x.Limit.Measure).Inc()
	}
	if x.BadSignature {
		m.signatureRefusals.WithLabelValues(x.Code).Inc()
	}
}

// copyEnded counts a copy between two stores.
func (m *Metrics) copyEnded(x *observe.Exchange, buckets map[string]*bucket, target *bucket) {
	source := ""
	if buckets[x.SourceEntry] != nil {
		source = x.SourceEntry
	}
	m.copies.WithLabelValues(source, target.name, x.CopyOutcome).Inc()
	m.copied.WithLabelValues(source, target.name).Add(float64(x.BytesCopied))
}

// CallbackEnded counts a question to a callback.
func (m *Metrics) CallbackEnded(c observe.Callback) {
	m.callbacks.WithLabelValues(c.Name, c.Outcome).Inc()
	m.callbackDuration.WithLabelValues(c.Name).Observe(c.Took.Seconds())
}

// GrantExchanged counts an exchange at a token service, by an outcome of package grants.
func (m *Metrics) GrantExchanged(outcome string) { m.tokens.WithLabelValues(outcome).Inc() }

// ShadowCompared counts a question to the shadow, by an outcome of package access.
func (m *Metrics) ShadowCompared(outcome string) { m.shadow.WithLabelValues(outcome).Inc() }

// Handler serves the metrics in the text formats of Prometheus and OpenMetrics.
func (m *Metrics) Handler(log *slog.Logger) http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		ErrorLog:            slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		MaxRequestsInFlight: 4,
		EnableOpenMetrics:   true,
	})
}
