package front

import (
	"math"
	"testing"
)

func TestEachConnectionMayHaveOneToItsStore(t *testing.T) {
	for files, want := range map[uint64]int{0: 1, 1: 1, 1024: 512, 20_000: 10_000, 1 << 20: 10_000, math.MaxUint64: 10_000} {
		if got := limitFor(files); got != want {
			t.Errorf("of %d files: %d", files, got)
		}
	}
	if DefaultLimit() < 1 {
		t.Error("there is no limit here")
	}
}
