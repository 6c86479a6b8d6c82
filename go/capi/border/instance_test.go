package border

import (
	"context"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"osp/go/callbacks"
)

// busy is a server whose requests end only when they are cut off, or by end.
type busy struct {
	end  chan struct{}
	done chan struct{}
}

func newBusy() *busy { return &busy{end: make(chan struct{}), done: make(chan struct{})} }

func (b *busy) Serve()                                         {}
func (b *busy) HTTPPort() int                                  { return 1 }
func (b *busy) HTTPSPort() int                                 { return 2 }
func (b *busy) MetricsPort() int                               { return 3 }
func (b *busy) ReopenLogs() error                              { return nil }
func (b *busy) Update([]byte) error                            { return nil }
func (b *busy) Forget(context.Context, *string, *string) error { return nil }
func (b *busy) Done() <-chan struct{}                          { return b.done }
func (b *busy) Stop(ctx context.Context) error {
	defer close(b.done)
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
		i.Stop(time.Hour)
		i.Stop(2 * time.Hour) // longer is never taken
		i.Stop(time.Minute)
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
		i.Stop(time.Hour)
		begun := time.Now()
		if !i.Wait(time.Hour) || time.Since(begun) > 0 {
			t.Errorf("took %v", time.Since(begun))
		}
	})
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
