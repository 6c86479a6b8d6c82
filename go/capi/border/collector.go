package border

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
)

// A collection costs a proxy about the same whatever its heap: most of that are
// buffers, which are not looked into. So what counts is how much may be allocated
// between two of them, and Go's own GOGC=100 gives a small heap too little: over 32
// connections a small GET takes 15 % more CPU than at 400. At 400, a large heap gets
// more than it has use for.
const (
	mostPercent  = 400
	leastPercent = 100
	allowance    = 24 << 20 // bytes between two collections, within these bounds
)

// percentFor returns GOGC for a heap in which so many bytes live.
func percentFor(live uint64) int {
	return int(min(max(allowance*100/max(live, 1), leastPercent), mostPercent))
}

// PaceCollector sets GOGC by what lives, now and after each collection from now on.
var PaceCollector = sync.OnceFunc(func() {
	debug.SetGCPercent(mostPercent)
	paceAgain(mostPercent)
})

// paceAgain waits for the next collection: it takes what nobody holds.
func paceAgain(percent int) {
	runtime.AddCleanup(new([16]byte), func(percent int) {
		wanted := percentFor(liveBytes())
		if 8*max(wanted-percent, percent-wanted) > percent { // setting it stops the world for a moment
			debug.SetGCPercent(wanted)
			percent = wanted
		}
		paceAgain(percent)
	}, percent)
}

func liveBytes() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
