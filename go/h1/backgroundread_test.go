package h1

import (
	"testing"
	"time"
)

func TestTicksOfAllConnectionsCoincide(t *testing.T) {
	for _, after := range []time.Duration{1, tick / 3, tick - 1} {
		now := firstTick.Add(7*tick + after)
		if next := now.Add(untilTick(now)); !next.Equal(firstTick.Add(8 * tick)) {
			t.Errorf("%v after a tick the next one is in %v", after, next.Sub(now))
		}
	}
}
