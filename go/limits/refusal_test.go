package limits

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"osp/go/s3op"
)

// randomRule limits some of what a rule may.
func randomRule(random *rand.Rand) *Rule {
	if random.IntN(3) == 0 {
		return nil
	}
	m := Measures{}
	if random.IntN(2) == 0 {
		m.Requests = newRate(1+random.Int64N(5000), 1+random.Int64N(3))
	}
	if random.IntN(2) == 0 {
		m.Concurrent = 1 + random.Int64N(2)
	}
	if random.IntN(2) == 0 {
		m.Out = newRate(1000*(1+random.Int64N(1000)), 1)
	}
	return &Rule{Measures: m}
}

// Whatever the rules measure: the longest refusal is the one that is told, whether it is by
// another rule or by another measure of the same.
func TestWhoeverWaitsAsLongAsHeIsToldIsServed(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 8))
	refused := map[Measure]int{}
	for range 5000 {
		w := newWorld()
		rules := &Rules{Token: randomRule(random), TokenAndBucket: randomRule(random), Entry: randomRule(random), All: randomRule(random)}
		var running []*Ticket
		var r *Refusal
		for range 8 {
			var k *Ticket
			if k, r = w.request(rules, alice, ""); r != nil {
				break
			}
			if running = append(running, k); random.IntN(2) == 0 {
				running = running[:len(running)-1]
				k.End(0, random.Int64N(5000))
			}
			w.clock.move(time.Duration(random.Int64N(int64(time.Second / 4))))
		}
		if r == nil {
			continue
		}
		refused[r.Measure]++
		for _, k := range running {
			k.End(0, 0)
		}
		w.clock.move(r.Wait)
		if _, again := w.request(rules, alice, ""); again != nil {
			t.Fatalf("%v: waited %v, then %v for %v more", r, r.Wait, again, again.Wait)
		}
	}
	for _, m := range []Measure{Requests, Concurrent, BytesOut} {
		if refused[m] == 0 {
			t.Errorf("nobody was refused because of %v", m)
		}
	}
}

func TestACopyIsToldOfTheMostThatItsSourceOwes(t *testing.T) {
	w, out := newWorld(), &Rule{Measures: Measures{Out: NewRate(1000, 1)}}
	rules := &Rules{Token: out, TokenAndBucket: out, All: out}
	for scope, owed := range map[key]time.Duration{{scope: Token, who: "alice"}: 4, {scope: TokenAndBucket, who: "alice", bucket: "data"}: 8, {scope: All}: 6} {
		scope.of = s3op.Classes
		w.account(scope).flows[Out].charge(owed*time.Second, mostDebt, w.clock.time())
	}
	_, err := w.BeginReading(rules, nil, alice, "")
	var r *Refusal
	if !errors.As(err, &r) || r.Rule != "token_and_bucket" || r.Wait != 6*time.Second {
		t.Errorf("%+v", r)
	}
}

// A replica would have to take of a rate to know how long it will refuse; so it says that
// once it has refused.
func TestInAFleetWhoeverWaitsIsToldOfEachRateOnceAtMost(t *testing.T) {
	f, replicas := fleetOf(1)
	rules := &Rules{Token: perSecond(0.5, 1), All: perSecond(0.05, 1)}
	var told []string
	for range 4 {
		_, r := replicas[0].request(rules, alice, "")
		if r == nil {
			told = append(told, "served")
			continue
		}
		told = append(told, r.Rule)
		f.clock.move(r.Wait)
	}
	if want := []string{"served", "token", "all", "served"}; !slices.Equal(told, want) {
		t.Errorf("%v, want %v", told, want)
	}
}
