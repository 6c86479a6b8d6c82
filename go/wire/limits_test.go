package wire

import (
	"math"
	"testing"
	"time"
)

func TestATimeToLiveIsSecondsUpToAYear(t *testing.T) {
	for seconds, want := range map[float64]time.Duration{
		0: 0, 1.5: 1500 * time.Millisecond, 300: 5 * time.Minute, 365 * 24 * 3600: LongestTTL,
		-1: -1, -0.001: -1, 365*24*3600 + 1: -1, math.Inf(1): -1, math.Inf(-1): -1, 1e300: -1,
	} {
		if got, ok := TTL(seconds); ok != (want >= 0) || ok && got != want {
			t.Errorf("%g: %v, %v", seconds, got, ok)
		}
	}
	if _, ok := TTL(math.NaN()); ok {
		t.Error("what is no number is a time")
	}
}
