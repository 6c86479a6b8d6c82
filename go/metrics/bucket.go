package metrics

import (
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"osp/go/observe"
)

// methods are the values of the label method. S3 has no others.
var methods = [...]string{"GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS", "other"}

func methodIndex(method string) int {
	for i, known := range methods {
		if method == known {
			return i
		}
	}
	return len(methods) - 1
}

// bucket has the counters of one value of the label bucket, each from its first
// use on: looking one up by its labels costs more than counting.
type bucket struct {
	of   *Metrics
	name string

	methods                 [len(methods)]method
	in, out, hits, rejected atomic.Pointer[prometheus.Counter]
	upstream                atomic.Pointer[prometheus.Observer]
}

type method struct {
	duration, size atomic.Pointer[prometheus.Observer]
	status         atomic.Pointer[status]
}

// status is one element of a list: a method of a bucket has few of them.
type status struct {
	code    int
	counter prometheus.Counter
	next    *status
}

func (b *bucket) ended(x *observe.Exchange) {
	at := methodIndex(x.Method)
	name, m := methods[at], &b.methods[at]
	b.status(m, name, x.Status).Inc()
	histogram(&m.duration, b.of.duration, name, b.name).Observe(inSeconds(x.Total))
	histogram(&m.size, b.of.size, name, b.name).Observe(float64(x.BytesOut))
	if x.BytesIn > 0 {
		counter(&b.in, b.of.bytes, "in", b.name).Add(float64(x.BytesIn))
	}
	if x.BytesOut > 0 {
		counter(&b.out, b.of.bytes, "out", b.name).Add(float64(x.BytesOut))
	}
	if x.Presigned {
		counter(&b.hits, b.of.presigned, b.name).Inc()
	}
	if x.UsedUp {
		counter(&b.rejected, b.of.presignedRejected, b.name).Inc()
	}
	if x.Asked {
		histogram(&b.upstream, b.of.upstream, b.name).Observe(inSeconds(x.Upstream))
	}
	if x.StoreError != "" {
		b.of.upstreamErrors.WithLabelValues(b.name, x.StoreError).Inc()
	}
	if x.Code != "" {
		b.of.errors.WithLabelValues(name, b.name, x.Code).Inc()
	}
}

// status finds the counter for a response's status.
func (b *bucket) status(m *method, name string, code int) prometheus.Counter {
	first := m.status.Load()
	for s := first; s != nil; s = s.next {
		if s.code == code {
			return s.counter
		}
	}
	made := b.of.requests.WithLabelValues(name, b.name, statusText(code))
	// If somebody else adds one at the same moment, this one is added later.
	m.status.CompareAndSwap(first, &status{code: code, counter: made, next: first})
	return made
}

// statusText is a status as a label. Stores choose the status, and only
// three-digit ones are HTTP's.
func statusText(code int) string {
	if code < 100 || code > 999 {
		return "other"
	}
	return strconv.Itoa(code)
}

func counter(kept *atomic.Pointer[prometheus.Counter], of *prometheus.CounterVec, labels ...string) prometheus.Counter {
	if c := kept.Load(); c != nil {
		return *c
	}
	c := of.WithLabelValues(labels...)
	kept.Store(&c)
	return c
}

func histogram(kept *atomic.Pointer[prometheus.Observer], of *prometheus.HistogramVec, labels ...string) prometheus.Observer {
	if o := kept.Load(); o != nil {
		return *o
	}
	o := of.WithLabelValues(labels...)
	kept.Store(&o)
	return o
}

func inSeconds(d time.Duration) float64 { return float64(d) / float64(time.Second) }
