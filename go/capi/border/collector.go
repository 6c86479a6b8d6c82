package border

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
)

// What counts is how much may be allocated between two collections. Go's own GOGC=100
// gives a small heap too little: over 32 connections 400 takes a tenth of the CPU off a
// small GET, for 12 MiB, and with full caches and new keys nearly a quarter. Of a large
// heap 400 would make several times what lives, so from 16 MiB on it gets less. Owners
// who want another balance set GOGC.
const (
	mostPercent  = 400
	leastPercent = 100
	allowance    = 64 << 20 // bytes between two collections, within these bounds
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
