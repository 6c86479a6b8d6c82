package proxy

import "sync/atomic"

// The request counter is one for the process, as in the API that it mirrors.
var counting struct {
	enabled  atomic.Bool
	requests atomic.Uint64
}

// EnableCounting switches the process-wide request counter on or off. Off, it
// keeps its value.
func EnableCounting(on bool) { counting.enabled.Store(on) }

// RequestCount returns how many requests came in while counting was on.
func RequestCount() uint64 { return counting.requests.Load() }

func countRequest() {
	if counting.enabled.Load() {
		counting.requests.Add(1)
	}
}
