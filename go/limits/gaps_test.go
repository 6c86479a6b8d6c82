package limits

import (
	"math/rand/v2"
	"testing"
	"time"
)

// Requests that wait, for a validator mostly, while others come and go: whatever is refused
// after all, and when, those that are served are no more than the rate allows.
func TestWhatIsGivenBackMakesRoomForNoMoreThanTheRate(t *testing.T) {
	random := rand.New(rand.NewPCG(9, 10))
	type request struct{ came, good time.Duration }
	for round := range 300 {
		rate := NewRate(float64(1+random.IntN(20)), 1+random.Int64N(20))
		var a allowance
		var waiting []request
		var served []time.Duration
		now := time.Hour
		for range 600 {
			if random.IntN(3) == 0 {
				now += time.Duration(random.Int64N(int64(2 * rate.each)))
			}
			if random.IntN(40) == 0 {
				now += rate.ahead
			}
			if len(waiting) > 0 && random.IntN(2) == 0 {
				i := random.IntN(len(waiting))
				if random.IntN(3) == 0 {
					served = append(served, waiting[i].came)
				} else {
					a.giveBack(&rate, waiting[i].good, now)
				}
				waiting = append(waiting[:i], waiting[i+1:]...)
			}
			would := a.wouldWait(&rate, now)
			until, wait, ok := a.take(&rate, now)
			if ok != (would <= 0) || !ok && wait != would {
				t.Fatalf("round %d: it would have to wait %v, and was told %v, %v", round, would, wait, ok)
			}
			if ok {
				waiting = append(waiting, request{now, until})
			}
		}
		for _, w := range waiting {
			served = append(served, w.came)
		}
		most := int(rate.Burst)
		for _, begin := range served {
			in := 0
			for _, s := range served {
				if s >= begin && s <= begin+rate.ahead {
					in++
				}
			}
			if in > 2*most+1 { // a burst, and as many as come in the time of one
				t.Fatalf("round %d: %d served in the time of %d", round, in, most)
			}
			at := 0
			for _, s := range served {
				if s == begin {
					at++
				}
			}
			if at > most {
				t.Fatalf("round %d: %d at one moment, of %d", round, at, most)
			}
		}
	}
}

// In whichever order they are refused, it is as if they had never come.
func TestWhatIsGivenBackInTimeIsAllThere(t *testing.T) {
	random := rand.New(rand.NewPCG(11, 12))
	for range 100 {
		rate := NewRate(10, 40)
		var a allowance
		var good []time.Duration
		now := time.Hour
		for range 40 {
			until, _, ok := a.take(&rate, now)
			if !ok {
				t.Fatal("the burst was refused")
			}
			good = append(good, until)
		}
		now += time.Duration(random.Int64N(int64(2 * time.Second)))
		for _, i := range random.Perm(len(good)) {
			a.giveBack(&rate, good[i], now)
		}
		for i := range 40 {
			if _, _, ok := a.take(&rate, now); !ok {
				t.Fatalf("%d of 40 are there", i)
			}
		}
		if _, _, ok := a.take(&rate, now); ok {
			t.Fatal("more than the burst is there")
		}
	}
}

// The burst has come back while they waited, and does not come twice.
func TestRequestsThatWaitedLongForTheirRefusalMakeNoRoom(t *testing.T) {
	rules, fast := &Rules{Token: perSecond(5, 15), Entry: perSecond(0.001, 1)}, &Rules{Token: perSecond(5, 15)}
	w := newWorld()
	fleet, replicas := fleetOf(2)
	fleet.away = true
	for name, w := range map[string]*world{"alone": w, "while the others are away": replicas[0]} {
		var waiting []*Ticket
		for range 15 {
			if k := w.Begin(rules, nil, Subject{Token: "alice", Entry: "slow"}); k.AdmitOwn() == nil {
				waiting = append(waiting, k)
			}
		}
		w.clock.move(4 * time.Second)
		if _, r := w.request(rules, Subject{Token: "bob", Entry: "slow"}, ""); r != nil { // takes the one place
			t.Fatal(r)
		}
		served := 0
		for range 2 {
			for range 50 {
				if k, r := w.request(fast, Subject{Token: "alice", Entry: "fast"}, ""); r == nil {
					served++
					k.End(0, 0)
				}
			}
			for _, k := range waiting {
				if _, err := k.AdmitCommon(""); err == nil {
					t.Error("not refused")
				}
			}
			waiting = nil
		}
		if most := map[string]int{"alone": 15, "while the others are away": 7}[name]; served != most {
			t.Errorf("%s: %d of %d at one moment", name, served, most)
		}
	}
}

func TestGapsAreBounded(t *testing.T) {
	rate := NewRate(1, 10_000)
	var a allowance
	now := time.Hour
	for i := range 10_000 {
		until, _, ok := a.take(&rate, now)
		if ok && i%2 == 0 {
			a.giveBack(&rate, until-rate.each/2, now) // no two of which touch
		}
	}
	if n := len(a.gaps.Load().list); n > mostGaps {
		t.Errorf("%d", n)
	}
}

// Whatever another rule allowed and had given back, no more come at once than the one that
// holds now allows.
func TestWhatIsGivenBackIsNoMoreThanTheBurstThatHoldsNow(t *testing.T) {
	random := rand.New(rand.NewPCG(11, 12))
	for round := range 2000 {
		var a allowance
		now, passed := time.Hour, 0
		var good []time.Duration
		rate := NewRate(1, 1)
		for range 4 {
			before := rate
			rate = NewRate([]float64{0.1, 1, 10, 1000}[random.IntN(4)], []int64{1, 10, 100, 1000}[random.IntN(4)])
			for _, until := range good {
				if random.IntN(2) == 0 {
					a.giveBack(&before, until, now)
				}
			}
			good = good[:0]
			for passed = 0; ; passed++ {
				until, _, ok := a.take(&rate, now)
				if !ok {
					break
				}
				good = append(good, until)
			}
			if passed > int(rate.Burst) {
				t.Fatalf("round %d: %d at once by %+v, after %+v", round, passed, rate, before)
			}
			now += time.Duration(random.Int64N(int64(min(rate.ahead, time.Hour) + 1)))
		}
	}
}
