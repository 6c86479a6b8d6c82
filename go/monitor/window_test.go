package monitor

import (
	"fmt"
	"math"
	"testing"
	"time"

	"osp/go/cache"
	"osp/go/observe"
)

func TestQuantilesAreRightWithinTheirSteps(t *testing.T) {
	var l latencies
	for i := 1; i <= 1000; i++ {
		l.add(time.Duration(i) * time.Millisecond)
	}
	c := l.counts()
	for q, want := range map[float64]time.Duration{0: time.Millisecond, .5: 500 * time.Millisecond, .99: 990 * time.Millisecond, 1: time.Second} {
		got := c.quantile(q)
		if off := math.Abs(got.Seconds()/want.Seconds() - 1); off > 1.0/steps {
			t.Errorf("quantile %v is %v, want %v", q, got, want)
		}
	}
	if c.total() != 1000 || new(counts).quantile(.5) != 0 {
		t.Error("the counts are wrong")
	}
}

func TestEveryDurationHasASlotAndSlotsGrow(t *testing.T) {
	last := -1
	for us := time.Duration(0); us < 1<<36; us += 1 + us/7 {
		slot := slotOf(us * time.Microsecond)
		if slot < last || slot >= slots {
			t.Fatalf("%v µs is in slot %d after %d", int64(us), slot, last)
		}
		last = slot
	}
	if slotOf(-time.Second) != 0 || slotOf(math.MaxInt64) != slots-1 {
		t.Error("absurd durations have no slot")
	}
}

func TestAPointHoldsWhatHappenedSinceTheLast(t *testing.T) {
	stats := cache.Stats{}
	w := &window{caches: map[string]func() cache.Stats{"c": func() cache.Stats { return stats }}}
	start := time.Unix(1e9, 0)
	w.ended(&observe.Exchange{Total: time.Hour, Code: "Before"})
	w.sample(start)
	for range 10 {
		w.ended(&observe.Exchange{Status: 200, Total: 10 * time.Millisecond, BytesIn: 100, BytesOut: 1000, BytesCopied: 10})
	}
	w.ended(&observe.Exchange{Status: 503, Code: "SlowDown", Total: time.Millisecond})
	w.callbackEnded(observe.Callback{Took: 20 * time.Millisecond})
	stats = cache.Stats{Hits: 3, Misses: 1}
	w.sample(start.Add(2 * time.Second))
	w.sample(start.Add(4 * time.Second))
	got := w.points()
	if len(got) != 2 {
		t.Fatalf("%d points", len(got))
	}
	p := got[0]
	if p.Requests != 5.5 || p.ServerErrors != .5 || p.BytesIn != 500 || p.BytesOut != 5000 || p.BytesCopied != 50 || p.Callbacks != .5 || *p.CacheHits != .75 {
		t.Errorf("%+v", p)
	}
	if fmt.Sprint(p.Refusals) != "map[SlowDown:0.5]" || *p.P50 < .009 || *p.P50 > .011 || *p.CallbackP99 < .019 {
		t.Errorf("%+v", p)
	}
	if q := got[1]; q.Requests != 0 || q.P50 != nil || q.CacheHits != nil || len(q.Refusals) != 0 {
		t.Errorf("nothing happened: %+v", q)
	}
}

func TestTheWindowIsBounded(t *testing.T) {
	w := &window{}
	for i := range 3 * points {
		w.sample(time.Unix(int64(i), 0))
	}
	if got := w.points(); len(got) != points || got[points-1].Time != float64(3*points-1) {
		t.Errorf("%d points, the last one at %v", len(got), got[len(got)-1].Time)
	}
	for i := range 10 * mostNames {
		w.refusals.add(fmt.Sprint(i))
	}
	if n := len(w.totals(time.Now()).refusals); n > mostNames+1 {
		t.Errorf("%d codes", n)
	}
}

func BenchmarkWindow(b *testing.B) {
	w := &window{}
	x := &observe.Exchange{Status: 200, Total: time.Millisecond, BytesIn: 1, BytesOut: 1}
	b.ReportAllocs()
	for b.Loop() {
		w.ended(x)
	}
}
