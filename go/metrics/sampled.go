package metrics

import (
	"os"
	"runtime"
	"runtime/metrics"
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
)

// sampled are the metrics that are read when a scrape asks for them.
type sampled struct{ from Source }

var (
	buildInfo     = described("build_info", "1, with the versions of the proxy and of Go.", "version", "go")
	connections   = described("active_connections", "Open connections of clients.")
	inFlight      = described("requests_in_flight", "Requests that are being served.")
	memory        = described("memory_bytes", "Memory of the process, Python included: the resident set on Linux, elsewhere what Go has.")
	cacheRequests = described("cache_requests_total", "Answers of callbacks and token services: cached (hit) or asked for (miss).", "cache", "result")
	cacheEntries  = described("cache_entries", "Cached answers.", "cache")
	logDrops      = described("log_lines_dropped_total", "Lines that a log lost because it could not be written fast enough, or at all.", "log")
	storeUp       = described("store_up", "1 if the store could be reached at the last check, otherwise 0.", "store")
	storeExpiry   = described("store_certificate_expiry_timestamp_seconds", "When the first certificate of the store's chain expires, in Unix time.", "store")
)

func described(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(namespace+"_"+name, help, labels, nil)
}

// Describe implements prometheus.Collector.
func (s *sampled) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{buildInfo, connections, inFlight, memory, cacheRequests, cacheEntries, logDrops, storeUp, storeExpiry} {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (s *sampled) Collect(to chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	counter := func(d *prometheus.Desc, value uint64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(value), labels...)
	}
	gauge(buildInfo, 1, s.from.Version, runtime.Version())
	gauge(connections, float64(s.from.Connections()))
	gauge(inFlight, float64(s.from.InFlight()))
	gauge(memory, residentBytes())
	for name, stats := range s.from.Caches {
		now := stats()
		counter(cacheRequests, now.Hits, name, "hit")
		counter(cacheRequests, now.Misses, name, "miss")
		gauge(cacheEntries, float64(now.Entries), name)
	}
	for name, drops := range s.from.LogDrops {
		counter(logDrops, drops(), name)
	}
	for _, store := range s.from.Stores() {
		up := 0.0
		if store.Up {
			up = 1
		}
		gauge(storeUp, up, store.Name)
		if !store.CertificateExpires.IsZero() {
			gauge(storeExpiry, float64(store.CertificateExpires.Unix()), store.Name)
		}
	}
}

// residentBytes is the process's resident set, if /proc has it
// (https://man7.org/linux/man-pages/man5/proc_pid_statm.5.html).
func residentBytes() float64 {
	if text, err := os.ReadFile("/proc/self/statm"); err == nil {
		if fields := strings.Fields(string(text)); len(fields) > 1 {
			if pages, err := strconv.ParseUint(fields[1], 10, 64); err == nil {
				return float64(pages) * float64(os.Getpagesize())
			}
		}
	}
	total := []metrics.Sample{{Name: "/memory/classes/total:bytes"}}
	metrics.Read(total)
	return float64(total[0].Value.Uint64())
}
