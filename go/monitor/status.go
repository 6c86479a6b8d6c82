package monitor

import (
	"maps"
	"slices"
	"time"

	"osp/go/cache"
	"osp/go/shared"
)

// Status is what the status page shows, as JSON. It names buckets and stores,
// and never a key, a client or an object.
type Status struct {
	Version     string   `json:"version"`
	Now         float64  `json:"now"`     // Unix seconds
	Started     float64  `json:"started"` // Unix seconds
	Draining    bool     `json:"draining"`
	Ready       bool     `json:"ready"`
	InFlight    int64    `json:"in_flight"`
	Connections int64    `json:"connections"`
	Interval    float64  `json:"interval"` // seconds between two points
	Totals      Totals   `json:"totals"`
	Points      []Point  `json:"points"` // oldest first
	Caches      []Cache  `json:"caches"`
	Stores      []Stored `json:"stores"`
	Shared      *Fleet   `json:"shared_state"` // null: the process is alone
}

// Totals count since the start.
type Totals struct {
	Requests    uint64            `json:"requests"`
	BytesIn     int64             `json:"bytes_in"`
	BytesOut    int64             `json:"bytes_out"`
	BytesCopied int64             `json:"bytes_copied"` // from one store to another
	Callbacks   uint64            `json:"callbacks"`
	Refusals    map[string]uint64 `json:"refusals"` // by code
	Limits      map[string]uint64 `json:"limits"`   // those by limits: "token.write requests"
	P50         *float64          `json:"p50"`      // seconds
	P99         *float64          `json:"p99"`
}

// Cache is one cache of the proxy.
type Cache struct {
	Name    string `json:"name"`
	Hits    uint64 `json:"hits"`
	Misses  uint64 `json:"misses"`
	Entries int    `json:"entries"`
}

// Fleet is what is known of the state that replicas share.
type Fleet struct {
	Up       bool     `json:"up"`
	Lease    bool     `json:"lease"` // what is cached may be used
	Replicas int      `json:"replicas"`
	Behind   int64    `json:"behind"` // revocations
	Hits     uint64   `json:"hits"`
	Misses   uint64   `json:"misses"`
	Foreign  uint64   `json:"foreign"`
	Commands uint64   `json:"commands"`
	Failures uint64   `json:"failures"`
	Losses   uint64   `json:"losses"`
	Mean     *float64 `json:"mean"` // seconds that a round trip took
}

// Stored is one store.
type Stored struct {
	Store              string   `json:"store"`
	Buckets            []string `json:"buckets"`
	TLS                bool     `json:"tls"`
	Up                 bool     `json:"up"`
	Problem            string   `json:"problem"`
	Seconds            float64  `json:"seconds"`             // that it took to reach it
	Checked            *float64 `json:"checked"`             // Unix seconds; null: not yet
	CertificateExpires *float64 `json:"certificate_expires"` // Unix seconds; null: not known
}

// mostBuckets of a store are named on the page.
const mostBuckets = 20

func (s *Server) status() *Status {
	now := time.Now()
	t := s.window.totals(now)
	health := s.prober.latest()
	return &Status{
		Version: s.about.Version, Now: unix(now), Started: unix(s.started),
		Draining: s.draining.Load(), Ready: !s.draining.Load() && allUp(health),
		InFlight: s.about.InFlight(), Connections: s.about.Connections(), Interval: interval.Seconds(),
		Totals: Totals{
			Requests: t.requests.total(), BytesIn: t.in, BytesOut: t.out, BytesCopied: t.copied, Callbacks: t.callbacks.total(), Refusals: t.refusals, Limits: s.window.limits.all(),
			P50: quantile(t.requests, .5), P99: quantile(t.requests, .99),
		},
		Points: s.window.points(), Caches: cachesOf(s.about.Caches), Stores: storesOf(health), Shared: fleetOf(s.about.Shared),
	}
}

func cachesOf(named map[string]func() cache.Stats) []Cache {
	out := make([]Cache, 0, len(named))
	for _, name := range slices.Sorted(maps.Keys(named)) {
		now := named[name]()
		out = append(out, Cache{Name: name, Hits: now.Hits, Misses: now.Misses, Entries: now.Entries})
	}
	return out
}

func fleetOf(stats func() shared.Stats) *Fleet {
	if stats == nil {
		return nil
	}
	now := stats()
	f := &Fleet{
		Up: !now.Away, Lease: now.Leased, Replicas: now.Replicas, Behind: now.Behind, Hits: now.Hits, Misses: now.Misses,
		Foreign: now.Foreign, Commands: now.Trips, Failures: now.Failures, Losses: now.Lost,
	}
	if now.Trips > 0 {
		mean := now.Took.Seconds() / float64(now.Trips)
		f.Mean = &mean
	}
	return f
}

func storesOf(health []Health) []Stored {
	out := make([]Stored, 0, len(health))
	for _, h := range health {
		named := h.Buckets[:min(len(h.Buckets), mostBuckets)]
		s := Stored{
			Store: h.Store, Buckets: named, TLS: h.TLS, Up: h.Up, Problem: h.Problem, Seconds: h.Took.Seconds(),
			Checked: moment(h.Checked), CertificateExpires: moment(h.CertificateExpires),
		}
		out = append(out, s)
	}
	return out
}

func moment(t time.Time) *float64 {
	if t.IsZero() {
		return nil
	}
	seconds := unix(t)
	return &seconds
}

// allUp is false before the first check.
func allUp(health []Health) bool {
	return health != nil && !slices.ContainsFunc(health, func(h Health) bool { return !h.Up })
}
