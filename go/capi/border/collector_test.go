package border

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"testing"
)

func TestTheCollectorIsPacedByWhatLives(t *testing.T) {
	for live, want := range map[uint64]int{0: 400, 1 << 20: 400, 16 << 20: 400, 32 << 20: 200, 64 << 20: 100, 1 << 30: 100} {
		if got := percentFor(live); got != want {
			t.Errorf("%d bytes: %d, want %d", live, got, want)
		}
	}
}

func TestALargeHeapIsCollectedMoreOften(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(mostPercent))
	paceAgain(mostPercent)
	ballast := make([]byte, 4*allowance)
	for range 1000 { // cleanups run after a collection, in their own time
		runtime.GC()
		sample := []metrics.Sample{{Name: "/gc/gogc:percent"}}
		if metrics.Read(sample); sample[0].Value.Uint64() == leastPercent {
			runtime.KeepAlive(ballast)
			return
		}
	}
	t.Error("GOGC stays where it was")
}
