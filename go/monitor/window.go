package monitor

import (
	"sync"
	"sync/atomic"
	"time"

	"osp/go/cache"
	"osp/go/observe"
)

const (
	interval = 2 * time.Second // between two points of a chart
	points   = 150             // that are kept: five minutes
)

// window keeps what happened in the last minutes, for the charts of the status
// page. It counts all buckets together.
type window struct {
	caches map[string]func() cache.Stats

	requests     latencies
	callbacks    latencies
	bytesIn      atomic.Int64
	bytesOut     atomic.Int64
	bytesCopied  atomic.Int64  // from one store to another
	serverErrors atomic.Uint64 // responses of 500 and above
	refusals     named         // by code
	limits       named         // that refused, by rule and measure

	mu     sync.Mutex
	last   *totals
	series []Point // oldest first
}

// totals are the counts since the start, at one moment.
type totals struct {
	at           time.Time
	requests     *counts
	callbacks    *counts
	in, out      int64
	copied       int64
	serverErrors uint64
	refusals     map[string]uint64
	hits, misses uint64
}

// Point is one step of the charts. Rates are per second; times are in seconds,
// and null if nothing was timed, as the ratio is if nothing was asked for.
type Point struct {
	Time         float64            `json:"time"` // its end, Unix seconds
	Requests     float64            `json:"requests"`
	ServerErrors float64            `json:"server_errors"`
	P50          *float64           `json:"p50"`
	P99          *float64           `json:"p99"`
	BytesIn      float64            `json:"bytes_in"`
	BytesOut     float64            `json:"bytes_out"`
	BytesCopied  float64            `json:"bytes_copied"` // from one store to another
	Refusals     map[string]float64 `json:"refusals"`     // by code
	CacheHits    *float64           `json:"cache_hits"`
	Callbacks    float64            `json:"callbacks"`
	CallbackP50  *float64           `json:"callback_p50"`
	CallbackP99  *float64           `json:"callback_p99"`
}

// ended counts a request.
func (w *window) ended(x *observe.Exchange) {
	w.requests.add(x.Total)
	w.bytesIn.Add(x.BytesIn)
	w.bytesOut.Add(x.BytesOut)
	w.bytesCopied.Add(x.BytesCopied)

	if x.Status >= 500 {
		w.serverErrors.Add(1)
	}
	if x.Code != "" {
		w.refusals.add(x.Code)
	}
	if x.Limit.Rule != "" {
		w.limits.add(x.Limit.Rule + " " + x.Limit.Measure)
	}
}

// callbackEnded counts a question to a callback.
func (w *window) callbackEnded(c observe.Callback) { w.callbacks.add(c.Took) }

func (w *window) totals(now time.Time) *totals {
	t := &totals{
		at: now, requests: w.requests.counts(), callbacks: w.callbacks.counts(),
		in: w.bytesIn.Load(), out: w.bytesOut.Load(), copied: w.bytesCopied.Load(), serverErrors: w.serverErrors.Load(), refusals: w.refusals.all(),
	}
	for _, stats := range w.caches {
		s := stats()
		t.hits, t.misses = t.hits+s.Hits, t.misses+s.Misses
	}
	return t
}

// sample ends one point and begins the next.
func (w *window) sample(now time.Time) {
	t := w.totals(now)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.last != nil && now.After(w.last.at) {
		w.series = append(w.series, pointBetween(w.last, t))
		if len(w.series) > points {
			w.series = append(w.series[:0:0], w.series[len(w.series)-points:]...)
		}
	}
	w.last = t
}

func (w *window) points() []Point {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]Point{}, w.series...)
}

func pointBetween(a, b *totals) Point {
	span := b.at.Sub(a.at).Seconds()
	requests, callbacks := b.requests.since(a.requests), b.callbacks.since(a.callbacks)
	p := Point{
		Time:         unix(b.at),
		Requests:     float64(requests.total()) / span,
		ServerErrors: float64(b.serverErrors-a.serverErrors) / span,
		P50:          quantile(requests, .5),
		P99:          quantile(requests, .99),
		BytesIn:      float64(b.in-a.in) / span,
		BytesOut:     float64(b.out-a.out) / span,
		BytesCopied:  float64(b.copied-a.copied) / span,
		Refusals:     make(map[string]float64),
		Callbacks:    float64(callbacks.total()) / span,
		CallbackP50:  quantile(callbacks, .5),
		CallbackP99:  quantile(callbacks, .99),
	}
	for code, n := range b.refusals {
		if n > a.refusals[code] {
			p.Refusals[code] = float64(n-a.refusals[code]) / span
		}
	}
	hits, misses := b.hits-a.hits, b.misses-a.misses
	if hits+misses > 0 {
		ratio := float64(hits) / float64(hits+misses)
		p.CacheHits = &ratio
	}
	return p
}

func quantile(c *counts, q float64) *float64 {
	if c.total() == 0 {
		return nil
	}
	s := c.quantile(q).Seconds()
	return &s
}

func unix(t time.Time) float64 { return float64(t.UnixMilli()) / 1e3 }
