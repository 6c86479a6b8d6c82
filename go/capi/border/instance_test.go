package border

import (
	"context"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"osp/go/callbacks"

	"osp/go/session"
	"osp/go/shared"
)

// busy is a server whose requests end only when they are cut off, or by end.
type busy struct {
	end       chan struct{}
	done      chan struct{}
	announced bool
	asked     time.Time // to stop
}

func newBusy() *busy { return &busy{end: make(chan struct{}), done: make(chan struct{})} }

func (b *busy) Serve()                                          {}
func (b *busy) HTTPPort() int                                   { return 1 }
func (b *busy) HTTPSPort() int                                  { return 2 }
func (b *busy) MetricsPort() int                                { return 3 }
func (b *busy) ReopenLogs() error                               { return nil }
func (b *busy) Update([]byte) error                             { return nil }
func (b *busy) Forget(context.Context, shared.Revocation) error { return nil }
func (b *busy) Issue([]byte) (session.Keys, error)              { return session.Keys{}, nil }
func (b *busy) AnnounceStop()                                   { b.announced = true }
func (b *busy) Done() <-chan struct{}                           { return b.done }
func (b *busy) Stop(ctx context.Context) error {
	defer close(b.done)
	b.asked = time.Now()
	select {
	case <-b.end:
	case <-ctx.Done():
	}
	return ctx.Err()
}

func TestAStopWaitsForRequestsAndCanBeShortened(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := Start(newBusy(), answering("").bridge())
		begun := time.Now()
		if i.Wait(time.Minute) {
			t.Fatal("stopped by itself")
		}
		i.Stop(0, time.Hour)
		i.Stop(0, 2*time.Hour) // longer is never taken
		i.Stop(0, time.Minute)
		if i.Wait(30*time.Second) || !i.Wait(time.Hour) {
			t.Error("not stopped within the shorter time")
		}
		if took := time.Since(begun); took != 2*time.Minute {
			t.Errorf("took %v", took)
		}
	})
}

func TestAServerWithoutRequestsStopsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBusy()
		close(b.end)
		i := Start(b, answering("").bridge())
		i.Stop(0, time.Hour)
		begun := time.Now()
		if !i.Wait(time.Hour) || time.Since(begun) > 0 {
			t.Errorf("took %v", time.Since(begun))
		}
	})
}

func TestAStopIsAnnouncedAndServesUntilItsDelayIsOver(t *testing.T) {
	for name, c := range map[string]struct {
		meanwhile     func(*Instance)
		delay, before time.Duration // when it stops to serve, and when it has stopped
	}{
		"as long as it was told":              {func(*Instance) {}, time.Minute, 90 * time.Second},
		"no longer for a later, longer stop":  {func(i *Instance) { i.Stop(time.Hour, time.Hour) }, time.Minute, 90 * time.Second},
		"even for a drain without end":        {func(i *Instance) { i.Stop(time.Hour, math.MaxInt64) }, time.Minute, 90 * time.Second},
		"until a stop without a delay":        {func(i *Instance) { i.Stop(0, 30*time.Second) }, 10 * time.Second, 40 * time.Second},
		"until a stop with a shorter delay":   {func(i *Instance) { i.Stop(5*time.Second, 30*time.Second) }, 15 * time.Second, 45 * time.Second},
		"until a stop that waits for nothing": {func(i *Instance) { i.Stop(0, 0) }, 10 * time.Second, 10 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBusy()
				i := Start(b, answering("").bridge())
				begun := time.Now()
				i.Stop(time.Minute, 30*time.Second)
				if !b.announced {
					t.Error("not announced")
				}
				time.Sleep(10 * time.Second)
				c.meanwhile(i)
				if !i.Wait(time.Hour) || b.asked.Sub(begun) != c.delay || time.Since(begun) != c.before {
					t.Errorf("served for %v, stopped after %v", b.asked.Sub(begun), time.Since(begun))
				}
			})
		})
	}
}

func TestAPoisonedInstanceIsCutOffAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bridge := answering(`{"secret_key": "s"}`).bridge()
		i := Start(newBusy(), bridge)
		i.Poison()
		if !i.Poisoned() || !i.Wait(time.Second) {
			t.Error("a poisoned server still runs")
		}
		if _, err := bridge.Callbacks(everything).HMACFetcher(t.Context(), callbacks.HMACQuestion{AccessKey: "k"}); err == nil {
			t.Error("a poisoned server still asks")
		}
	})
}

func TestHandlesAreNeverZeroAndNeverShared(t *testing.T) {
	var table Table[string]
	table.last = math.MaxInt32 - 1
	a, b, c := table.Put("a"), table.Put("b"), table.Put("c")
	if a != math.MaxInt32 || b != 1 || c != 2 {
		t.Errorf("got %d, %d, %d", a, b, c)
	}
	table.last = 0
	if d := table.Put("d"); d != 3 {
		t.Errorf("a handle in use was given away: %d", d)
	}
	if v, ok := table.Take(b); !ok || v != "b" {
		t.Error("b is lost")
	}
	if _, ok := table.Take(b); ok {
		t.Error("b was taken twice")
	}
	if _, ok := table.Get(0); ok || table.Len() != 3 {
		t.Errorf("%d handles", table.Len())
	}
}
