package proxy

import (
	"net/http"
	"sync/atomic"

	"golang.org/x/sys/cpu"
)

// The request counter is one for the process, as in the API that it mirrors.
var counting struct {
	enabled  atomic.Bool
	_        cpu.CacheLinePad // every request reads what is above, and may write to what follows
	requests atomic.Uint64
	_        cpu.CacheLinePad
}

// EnableCounting switches the process-wide request counter on or off. Off, it
// keeps its value.
func EnableCounting(on bool) { counting.enabled.Store(on) }

// RequestCount returns how many requests came in while counting was on.
func RequestCount() uint64 { return counting.requests.Load() }

// counted counts the requests that h serves.
func counted(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if counting.enabled.Load() {
			counting.requests.Add(1)
		}
		h.ServeHTTP(w, r)
	})
}
