package shared

import (
	"context"
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Heartbeats may take longer than commands, and then say nothing about these.
func TestAServerThatIsTooSlowForCommandsStaysAway(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	way := newRelay(t, s.socket)
	var log strings.Builder
	r := newFleet(t, s).replica(by(way), func(o *Options) {
		o.Timeout, o.Log = 100*time.Millisecond, slog.New(slog.NewTextHandler(&log, nil))
	})
	way.setSlow(200 * time.Millisecond)
	ctx, cancel := context.WithTimeout(t.Context(), 3*openFor)
	defer cancel()
	for i := 0; ctx.Err() == nil; i++ {
		_, _ = r.get(ctx, strconv.Itoa(i), "y")
		sleep(ctx, 20*time.Millisecond) // the load is bounded
	}
	if r.Generation() == 0 {
		t.Error("it has no lease")
	}
	way.setSlow(0)
	eventually(t, "it is still away", func() bool { return !r.breaker.open() })
	r.Close()
	if strings.Count(log.String(), "is away") != 1 || strings.Count(log.String(), "is back") != 1 {
		t.Error(log.String())
	}
}
