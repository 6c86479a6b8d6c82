package limits

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Around midnight a moment decides which day it is. What replicas have not told each other yet
// may come on top of a quota, but no further one for each of them.
func TestAtMidnightNoReplicaHasADayOfItsOwn(t *testing.T) {
	const quota, count = 100, 6
	rules := &Rules{Token: &Rule{Measures: Measures{DayRequests: quota}}}
	for _, off := range []time.Duration{0, 50 * time.Millisecond, -50 * time.Millisecond, 900 * time.Millisecond, -900 * time.Millisecond, 3 * time.Hour} {
		f, replicas := fleetOf(count)
		f.began = time.Date(2026, 3, 1, 22, 59, 59, 0, time.UTC) // an hour before
		for _, r := range replicas[1:] {
			r.off = off
		}
		served := map[int]int{}
		const step = 5 * time.Millisecond
		for i := range 2 * time.Second / step {
			for _, r := range replicas {
				if k, refused := r.request(rules, alice, ""); refused == nil {
					served[f.date().Day()]++
					k.End(0, 0)
				}
			}
			f.clock.move(step)
			if i%(settleEvery/step) == 0 {
				f.pass()
			}
		}
		for day, n := range served {
			if most := quota + (count+1)*int(settleEvery/step); n < quota || n > most {
				t.Errorf("off by %v: %d requests on day %d", off, n, day)
			}
		}
		if len(served) != 2 {
			t.Errorf("off by %v: %d days", off, len(served))
		}
	}
}

// As exactly as a round trip takes, and no more often than something is learned.
func TestALongRoundTripSaysLittleOfTheTime(t *testing.T) {
	rules := &Rules{Token: &Rule{Measures: Measures{DayRequests: 100}}}
	f, replicas := fleetOf(1)
	replicas[0].off = -time.Second
	f.takes = 400 * time.Millisecond
	reads(replicas[0], rules, 0)
	if ahead := time.Duration(replicas[0].ahead.Load()); ahead < time.Second || ahead > time.Second+f.takes {
		t.Errorf("%v ahead, by a long trip", ahead)
	}
	f.takes = 0
	f.clock.move(time.Minute)
	reads(replicas[0], rules, 0)
	if ahead := time.Duration(replicas[0].ahead.Load()); ahead != time.Second {
		t.Errorf("%v ahead", ahead)
	}
	f.takes = time.Second
	f.clock.move(time.Minute)
	reads(replicas[0], rules, 0)
	if ahead := time.Duration(replicas[0].ahead.Load()); ahead != time.Second {
		t.Errorf("%v ahead, which was known better", ahead)
	}
}

// A clock that is put right goes back over midnight, but no day begins twice for that; so replica
// and server have different days for a moment.
func TestNobodyAsksForEachRequestWhileDaysDiffer(t *testing.T) {
	rules := &Rules{Token: &Rule{Measures: Measures{DayRequests: 1000}}}
	f, replicas := fleetOf(1)
	f.began = time.Date(2026, 3, 1, 22, 59, 59, 950_000_000, time.UTC) // an hour before 50 ms to midnight
	replicas[0].off = 90 * time.Millisecond
	for range 100 {
		reads(replicas[0], rules, 0)
	}
	if f.asked > 2 {
		t.Errorf("%d round trips for 100 requests", f.asked)
	}
}

// Whoever looks at the clock just before midnight, and comes just after it, begins no day
// again.
func TestNoCountOfANewDayIsLost(t *testing.T) {
	for range 1000 {
		begun := time.Now()
		last := time.Date(2026, 3, 1, 23, 59, 59, 999_800_000, time.UTC)
		table := New(Options{Wall: func() time.Time { return last.Add(time.Since(begun)) }})
		rules := &Rules{Token: &Rule{Measures: Measures{DayRequests: 1 << 30}}}
		var counted atomic.Int64
		var all sync.WaitGroup
		for range 16 {
			all.Go(func() {
				for time.Since(begun) < time.Millisecond {
					k := table.Begin(rules, nil, alice)
					if err := k.AdmitOwn(); err != nil {
						t.Error(err)
					}
					if k.accounts[0].counted == numberOf(last)+1 {
						counted.Add(1)
					}
					k.End(0, 0)
				}
			})
		}
		all.Wait()
		for _, a := range table.all() {
			if got := a.today.requests.Load(); got < counted.Load() {
				t.Fatalf("%d of %d are known", got, counted.Load())
			}
		}
	}
}
