package shared

import (
	"context"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestWhoeverMayPublishMakesNoReplicaBusy(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	r := newFleet(t, s).replica()
	beats := func() int { // each asks INFO, as this does
		_, text, _ := strings.Cut(s.command("INFO", "commandstats"), "cmdstat_info:calls=")
		digits, _, _ := strings.Cut(text, ",")
		n, err := strconv.Atoi(digits)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	s.command("INFO")
	const looks = 20
	before, begun := beats(), time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), looks*spacing)
	defer cancel()
	for ctx.Err() == nil {
		s.command("PUBLISH", r.channel(), "nonsense")
	}
	most := int(time.Since(begun)/spacing) + int(time.Since(begun)/interval) + 3
	if n := beats() - before; n > most || n < 2 {
		t.Errorf("%d heartbeats in %v", n, time.Since(begun))
	}
}
