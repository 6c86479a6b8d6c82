package shared

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestUsesAreCountedExactly(t *testing.T) {
	f := newFleet(t, newServer(t))
	var replicas []*replica
	for range 8 {
		replicas = append(replicas, f.replica(func(o *Options) { o.Timeout = 5 * time.Second }))
	}
	var within atomic.Int64
	var wait sync.WaitGroup
	for i := range 200 {
		wait.Go(func() {
			ok, err := replicas[i%8].Use(t.Context(), "signature", 3, time.Now().Add(time.Minute))
			if err != nil {
				t.Error(err)
			}
			if ok {
				within.Add(1)
			}
		})
	}
	wait.Wait()
	if within.Load() != 3 {
		t.Errorf("%d uses of 3", within.Load())
	}
}

func TestUsesAreCountedExactlyWhileKeysAreChanged(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ old, fresh []string }{
		{[]string{"k1"}, []string{"k1", "k2"}},
		{[]string{"k1", "k2"}, []string{"k2", "k1"}},
		{[]string{"k2", "k1"}, []string{"k2"}},
		{[]string{"k1", "k2"}, []string{"k2"}}, // a step is skipped
		{[]string{"k1"}, []string{"k2", "k1"}},
	} {
		t.Run(fmt.Sprint(c.old, c.fresh), func(t *testing.T) {
			t.Parallel()
			f := newFleet(t, newServer(t))
			old, fresh := f.replica(ring(t, c.old...)), f.replica(ring(t, c.fresh...))
			for name, order := range map[string][]*replica{"old first": {old, fresh, old, fresh}, "new first": {fresh, old, fresh, old}} {
				within := 0
				for _, r := range order {
					ok, err := r.Use(t.Context(), name, 3, time.Now().Add(time.Minute))
					if err != nil {
						t.Fatal(err)
					}
					if ok {
						within++
					}
				}
				if within != 3 {
					t.Errorf("%s: %d uses of 3", name, within)
				}
			}
		})
	}
}

func TestACountOutlivesWhatItCountsWhateverTheServersTime(t *testing.T) {
	s := newServer(t)
	r := newFleet(t, s).replica()
	for name, c := range map[string]struct {
		left        time.Duration
		least, most time.Duration
	}{
		"an hour":          {time.Hour, 2*time.Hour - time.Minute, 2 * time.Hour},
		"over for longer":  {-2 * time.Hour, leastUses / 2, leastUses},
		"over for seconds": {-5 * time.Second, usesSlack - time.Minute, usesSlack},
	} {
		within := 0
		for range 3 {
			if ok, err := r.Use(t.Context(), name, 1, time.Now().Add(c.left)); err != nil {
				t.Fatal(err)
			} else if ok {
				within++
			}
		}
		client := s.client()
		ms, err := client.Do(t.Context(), client.B().Pttl().Key(r.key("uses:"+r.names.Name("use", name))).Build()).AsInt64()
		if left := time.Duration(ms) * time.Millisecond; err != nil || within != 1 || left < c.least || left > c.most {
			t.Errorf("%s: %d uses of 1, kept for %v, %v", name, within, left, err)
		}
	}
}
