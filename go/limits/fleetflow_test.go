package limits

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"osp/go/s3op"
	"osp/go/shared"
	"osp/go/shared/sharedtest"
)

// inBubble is the server of a fleet whose clock is that of the bubble.
type inBubble struct {
	mu       sync.Mutex
	replicas int
	away     bool
	accounts sharedtest.Accounts
}

func (f *inBubble) Replicas() int { return f.replicas }

func (f *inBubble) OnNewLog(func()) {}

func (f *inBubble) Settle(_ context.Context, c shared.Claim) (shared.Grant, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.away {
		return shared.Grant{}, shared.ErrAway
	}
	return f.accounts.Settle(c, time.Now()), nil
}

// tablesOf makes replicas in a bubble.
func tablesOf(n int, away bool) (tables []*Table) {
	f := &inBubble{replicas: n, away: away, accounts: sharedtest.Accounts{}}
	for range n {
		tables = append(tables, New(Options{Fleet: f}))
	}
	return tables
}

// greedy has a client move as much as it may, until ctx ends.
func greedy(ctx context.Context, k *Ticket, moved *atomic.Int64) {
	for {
		n := k.Chunk(Out, mega)
		if k.Move(ctx, Out, n) != nil {
			return
		}
		moved.Add(int64(n))
	}
}

// Whoever reads as much as he may at every replica puts nobody else off, and all together
// move as much as one process would.
func TestAFleetKeepsToARateOfBytesAndNobodyIsPutOff(t *testing.T) {
	for _, replicas := range []int{2, 6, 8} {
		synctest.Test(t, func(t *testing.T) {
			tables, rules := tablesOf(replicas, false), &Rules{Entry: bytesOut(mega)}
			ctx, leave := context.WithCancel(t.Context())
			var streams sync.WaitGroup
			var moved atomic.Int64
			for _, table := range tables {
				for range 3 {
					k := admitted(t, table, rules, Subject{Token: "greedy", Entry: "data"})
					streams.Go(func() { greedy(ctx, k, &moved) })
				}
			}
			const seconds = 15
			start := time.Now()
			var waited time.Duration
			i := 0
			for ; time.Since(start) < seconds*time.Second; i++ {
				time.Sleep(time.Second / 20)
				k := tables[i%replicas].Begin(rules, nil, alice)
				if err := k.AdmitOwn(); err != nil {
					t.Fatalf("%d replicas, request %d: %v", replicas, i, err)
				}
				if _, err := k.AdmitCommon(""); err != nil {
					t.Fatalf("%d replicas, request %d: %v", replicas, i, err)
				}
				begun := time.Now()
				moves(t, k, Out, 1)
				waited += time.Since(begun)
			}
			if mean := waited / time.Duration(i); mean > 140*time.Millisecond {
				t.Errorf("%d replicas: one byte took %v, on the average", replicas, mean)
			}
			if got := float64(moved.Load()) / mega; got < 0.95*seconds || got > seconds+2 {
				t.Errorf("%d replicas moved %v s' worth in %d s", replicas, got, seconds)
			}
			leave()
			streams.Wait()
		})
	}
}

// Lists to delete, which are read before they could be slowed down, come to all replicas at once.
func TestWhatNobodyCouldSlowDownAtAnyReplicaPutsNobodyElseOff(t *testing.T) {
	rules := &Rules{All: &Rule{Measures: Measures{In: NewRate(mega, mega)}}}
	for _, replicas := range []int{1, 3, 6} {
		synctest.Test(t, func(t *testing.T) {
			tables := tablesOf(replicas, false)
			refused := 0
			for i := range 100 {
				var lists []*Ticket
				for _, table := range tables {
					k := table.Begin(rules, nil, Subject{Token: "mallory", Entry: "data", Operation: s3op.Delete})
					if k.AdmitOwn() == nil {
						if _, err := k.AdmitCommon(""); err == nil {
							lists = append(lists, k)
						}
					}
				}
				for _, k := range lists {
					k.End(2*mega, 0)
				}
				time.Sleep(settleEvery + settleEvery/2)
				k := tables[i%replicas].Begin(rules, nil, Subject{Token: "bob", Entry: "data", Operation: s3op.Write})
				if k.AdmitOwn() != nil {
					refused++
					continue
				}
				k.End(0, 0)
			}
			if refused > 0 {
				t.Errorf("%d replicas: %d of 100 requests of others were refused", replicas, refused)
			}
		})
	}
}

func TestAReplicaThatAloneMovesBytesHasTheWholeRate(t *testing.T) {
	for _, replicas := range []int{2, 8, 40} {
		synctest.Test(t, func(t *testing.T) {
			k := admitted(t, tablesOf(replicas, false)[0], &Rules{Token: bytesOut(mega)}, alice)
			begun := time.Now()
			moves(t, k, Out, 10*mega)
			for range 10 << 8 { // as much, in small pieces
				moves(t, k, Out, mega>>8)
			}
			if took := time.Since(begun); took > 21*time.Second || took < 18*time.Second {
				t.Errorf("one of %d took %v", replicas, took)
			}
		})
	}
}

func TestEachReplicaHasItsPartOfARateOfBytesWhileTheOthersAreAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := admitted(t, tablesOf(4, true)[0], &Rules{Token: bytesOut(mega)}, alice)
		begun := time.Now()
		moves(t, k, Out, 5*mega)
		if took := time.Since(begun); took < 17*time.Second || took > 20*time.Second {
			t.Errorf("5 s' worth, of which a quarter is this one's, took %v", took)
		}
	})
}
