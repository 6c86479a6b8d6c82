package shared

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestAGenerationThatIsOverIsNeverReturned(t *testing.T) {
	l := newLease()
	l.renew(time.Now())
	var over atomic.Uint64
	var stop atomic.Bool
	var readers sync.WaitGroup
	for range 3 {
		readers.Go(func() {
			for !stop.Load() {
				ended := over.Load()
				if g := l.Generation(); g != 0 && g <= ended {
					t.Errorf("generation %d, of which %d were over", g, ended)
					return
				}
			}
		})
	}
	for range 300_000 {
		generation := l.generation.Load()
		l.mono.Store(0) // it runs out, and whoever waited for that may return
		over.Store(generation)
		l.renew(time.Now())
	}
	stop.Store(true)
	readers.Wait()
}
