package limits

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"osp/go/s3op"
	"osp/go/shared"
)

const mega = 1 << 20

func bytesOut(n float64) *Rule { return &Rule{Measures: Measures{Out: NewRate(n, 1)}} }

// admitted is a request's ticket. Its clock is that of the bubble.
func admitted(t *testing.T, table *Table, rules *Rules, who Subject) *Ticket {
	t.Helper()
	k := table.Begin(rules, nil, who)
	if err := k.AdmitOwn(); err != nil {
		t.Fatal(err)
	}
	if _, err := k.AdmitCommon(""); err != nil {
		t.Fatal(err)
	}
	return k
}

// moves has a stream move so many bytes.
func moves(t *testing.T, k *Ticket, d Direction, bytes int) {
	for bytes > 0 {
		n := k.Chunk(d, min(bytes, 128<<10))
		if err := k.Move(t.Context(), d, n); err != nil {
			t.Error(err)
			return
		}
		bytes -= n
	}
}

// since says how long it has been, in the bubble's time.
func since(begun time.Time, want time.Duration) error {
	if took := time.Since(begun); (took - want).Abs() > want/50 {
		return fmt.Errorf("took %v, want %v", took, want)
	}
	return nil
}

func TestAStreamKeepsToItsRateAndDoesNotPauseForEachPiece(t *testing.T) {
	for _, rate := range []float64{20 << 10, 1 << 16, 10 << 20, 1 << 30} {
		synctest.Test(t, func(t *testing.T) {
			var pauses atomic.Int64
			table := New(Options{Later: func(d time.Duration, f func()) { pauses.Add(1); time.AfterFunc(d, f) }})
			k := admitted(t, table, &Rules{Token: bytesOut(rate)}, alice)
			begun := time.Now()
			moves(t, k, Out, 11*int(rate)) // the first second of which comes at once
			if err := since(begun, 10*time.Second); err != nil {
				t.Errorf("%v bytes a second: %v", rate, err)
			}
			if n := pauses.Load(); n > 1010 {
				t.Errorf("%v bytes a second: %d pauses", rate, n)
			}
		})
	}
}

func TestStreamsOfOneKeyShareItsRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table, rules := New(Options{}), &Rules{Token: &Rule{Measures: Measures{In: NewRate(mega, 1)}}}
		write := alice
		write.Operation = s3op.Write
		begun := time.Now()
		var streams sync.WaitGroup
		for range 8 {
			k := admitted(t, table, rules, write)
			streams.Go(func() { moves(t, k, In, 11*mega/8) })
		}
		streams.Wait()
		if err := since(begun, 10*time.Second); err != nil {
			t.Error(err)
		}
	})
}

// Whoever has very many streams in a share that is common to all keeps nobody else away.
func TestClientsTakeTurnsInASharedRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table, rules := New(Options{}), &Rules{All: bytesOut(mega)}
		ctx, leave := context.WithCancel(t.Context())
		var greedy sync.WaitGroup
		var moved atomic.Int64
		var streams []*Ticket
		for range 120 { // all before the first byte, or most would be refused
			streams = append(streams, admitted(t, table, rules, Subject{Token: "greedy", Entry: "data"}))
		}
		for _, k := range streams {
			greedy.Go(func() {
				for {
					n := k.Chunk(Out, mega)
					if k.Move(ctx, Out, n) != nil {
						return
					}
					moved.Add(int64(n))
				}
			})
		}
		start := time.Now()
		time.Sleep(10 * time.Second)
		for range 20 {
			k := admitted(t, table, rules, alice)
			begun := time.Now()
			moves(t, k, Out, 1)
			if took := time.Since(begun); took > 200*time.Millisecond {
				t.Errorf("one byte took %v", took)
			}
			k.End(0, 1)
			time.Sleep(time.Second)
		}
		k := admitted(t, table, rules, alice)
		begun := time.Now()
		moves(t, k, Out, 5*mega) // half of what there is
		if err := since(begun, 10*time.Second); err != nil {
			t.Error(err)
		}
		if all, time := moved.Load()+5*mega, time.Since(start); float64(all) > 1.02*mega*(time+Window).Seconds() {
			t.Errorf("%d bytes in %v", all, time)
		}
		k = table.Begin(rules, nil, Subject{Token: "greedy", Entry: "data"})
		if r := (*Refusal)(nil); !errors.As(k.AdmitOwn(), &r) || r.Measure != BytesOut || r.Wait <= 0 || r.Wait > 7*time.Second {
			t.Errorf("one more of the greedy: %+v", r)
		}
		leave()
		greedy.Wait()
		if k := admitted(t, table, rules, Subject{Token: "greedy", Entry: "data"}); k == nil {
			t.Error("what does not wait any more counts")
		}
	})
}

func TestAStreamThatLeavesLosesItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table, rules := New(Options{}), &Rules{Token: bytesOut(mega)}
		k := admitted(t, table, rules, alice)
		k.accounts[0].flows[Out].charge(2*time.Second, mostDebt, table.clock())
		ctx, leave := context.WithCancel(t.Context())
		left := make(chan error)
		go func() { left <- k.Move(ctx, Out, mega/20) }()
		synctest.Wait()
		leave()
		if err := <-left; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if owed := k.accounts[0].flows[Out].owed("alice", table.clock()); owed > 2*time.Second {
			t.Errorf("%v is owed", owed)
		}
		time.Sleep(time.Minute)
		moves(t, k, Out, mega/20) // nobody waits for one that has left
	})
}

func TestBytesThatHaveBeenMovedAreADebtForTheNextRequest(t *testing.T) {
	w, rules := newWorld(), &Rules{Token: bytesOut(mega)}
	for moved, wait := range map[int64]time.Duration{5 << 20: 3 * time.Second, 1 << 40: mostDebt - 2*Window} {
		k, _ := w.request(rules, alice, "")
		k.End(0, moved)
		if _, r := w.request(rules, alice, ""); r == nil || r.Measure != BytesOut || r.Wait != wait {
			t.Errorf("%d bytes: %+v", moved, r)
		}
		w.clock.move(wait)
		if _, r := w.request(rules, alice, ""); r != nil {
			t.Errorf("%d bytes: whoever waited as he was told: %v", moved, r)
		}
		w.clock.move(time.Minute)
	}
}

// Lists to delete, which are read before it is known who may, are such bytes.
func TestWhatNobodyCouldSlowDownPutsNobodyElseOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := New(Options{})
		rules := &Rules{All: &Rule{Measures: Measures{In: NewRate(mega, 1)}}}
		began := func(token string) (*Ticket, error) {
			k := table.Begin(rules, nil, Subject{Token: token, Operation: s3op.Write})
			if err := k.AdmitOwn(); err != nil {
				return k, err
			}
			_, err := k.AdmitCommon("")
			return k, err
		}
		greedy, leave := context.WithCancel(t.Context())
		lists := 0
		var others sync.WaitGroup
		others.Go(func() {
			for greedy.Err() == nil {
				k, err := began("greedy")
				k.End(8*mega, 0)
				if err == nil {
					lists++
				}
				time.Sleep(20 * time.Millisecond)
			}
		})
		time.Sleep(time.Second)
		begun := time.Now()
		k, err := began("calm")
		if err != nil {
			t.Fatal(err)
		}
		moves(t, k, In, 10*mega)
		took := since(begun, 10*time.Second)
		leave()
		others.Wait()
		if took != nil || lists == 0 {
			t.Errorf("%v, beside %d lists", took, lists)
		}
	})
}

// What was moved before the common shares were taken of counts there, too.
func TestBytesThatCameEarlyCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := New(Options{})
		in := &Rule{Measures: Measures{In: NewRate(mega, 1)}}
		k := table.Begin(&Rules{Token: in, All: in}, nil, Subject{Token: "alice", Operation: s3op.Delete})
		if err := k.AdmitOwn(); err != nil {
			t.Fatal(err)
		}
		moves(t, k, In, mega/2)
		if _, err := k.AdmitCommon(""); err != nil {
			t.Fatal(err)
		}
		k.End(mega, 0)
		for _, name := range []key{{scope: Token, of: s3op.Classes, who: "alice"}, {scope: All, of: s3op.Classes}} {
			if got := table.account(name).flows[In].ahead(table.clock()); (got - time.Second).Abs() > time.Millisecond {
				t.Errorf("%v: %v", name.scope, got)
			}
		}
	})
}

func TestWhoWaitsAsLongAsOneRuleSaysIsNotRefusedByTheNext(t *testing.T) {
	w := newWorld()
	rules := &Rules{Token: perSecond(1, 1), TokenAndBucket: perSecond(0.01, 1), Entry: perSecond(0.5, 1), All: perSecond(0.1, 1)}
	if _, r := w.request(rules, alice, ""); r != nil {
		t.Fatal(r)
	}
	for range 5 {
		_, r := w.request(rules, alice, "")
		if r == nil || r.Rule != "token_and_bucket" {
			t.Fatalf("%+v", r)
		}
		w.clock.move(r.Wait)
		if _, r := w.request(rules, alice, ""); r != nil {
			t.Fatalf("whoever waited as he was told: %v for %v", r, r.Wait)
		}
	}
}

// bubble keeps accounts together by the bubble's clock.
type bubble struct {
	*together
	mu    sync.Mutex
	begun time.Time
}

func (b *bubble) Settle(ctx context.Context, c shared.Claim) (shared.Grant, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.clock.now.Store(int64(time.Since(b.begun)))
	return b.together.Settle(ctx, c)
}

func TestStreamsOfAFleetShareARate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const replicas, seconds = 4, 30
		f, _ := fleetOf(replicas)
		fleet := &bubble{together: f, begun: time.Now()}
		rules := &Rules{Token: bytesOut(mega)}
		ctx, leave := context.WithTimeout(t.Context(), seconds*time.Second)
		defer leave()
		var streams sync.WaitGroup
		var moved atomic.Int64
		for range replicas {
			table := New(Options{Fleet: fleet})
			for range 3 {
				k := admitted(t, table, rules, alice)
				streams.Go(func() {
					for n := k.Chunk(Out, mega); k.Move(ctx, Out, n) == nil; {
						moved.Add(int64(n))
					}
				})
			}
		}
		streams.Wait()
		time.Sleep(2 * settleEvery) // what is told last
		// Each replica has a second's worth before it hears of the others.
		if got := float64(moved.Load()) / mega; got < seconds || got > seconds+replicas+1 {
			t.Errorf("%v MiB in %d s at one a second", got, seconds)
		}
	})
}
