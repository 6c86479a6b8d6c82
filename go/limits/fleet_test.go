package limits

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"osp/go/s3op"
	"osp/go/shared"
	"osp/go/shared/sharedtest"
)

// together is the server of a fleet, in virtual time.
type together struct {
	clock    *clock
	began    time.Time // by the server's clock
	replicas int
	away     bool
	trips    int
	asked    int           // trips, and those that failed
	takes    time.Duration // a round trip
	accounts sharedtest.Accounts
	due      []func() // what timers would do
	begins   []func() // what replicas do when the server has begun a new log
}

func (f *together) note(_ time.Duration, do func()) { f.due = append(f.due, do) }

// pass has the time come for what timers do.
func (f *together) pass() {
	due := f.due
	f.due = nil
	for _, do := range due {
		do()
	}
}

// date is the server's.
func (f *together) date() time.Time { return f.began.Add(f.clock.time()) }

func (f *together) Replicas() int { return f.replicas }

func (f *together) OnNewLog(do func()) { f.begins = append(f.begins, do) }

// lose has the server forget everything, and replicas hear of that.
func (f *together) lose() {
	clear(f.accounts)
	f.clock.move(time.Millisecond) // no account is opened twice at a moment
	for _, do := range f.begins {
		do()
	}
}

func (f *together) Settle(_ context.Context, c shared.Claim) (shared.Grant, error) {
	f.asked++
	if f.away {
		return shared.Grant{}, errors.New("away")
	}
	f.trips++
	f.clock.move(f.takes)
	return f.accounts.Settle(c, f.date()), nil
}

// fleetOf makes replicas that share accounts and a clock.
func fleetOf(n int) (*together, []*world) {
	f := &together{clock: &clock{}, began: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), replicas: n, accounts: sharedtest.Accounts{}}
	var replicas []*world
	for range n {
		w := &world{clock: f.clock}
		w.Table = New(Options{Fleet: f, Clock: f.clock.time, Wall: func() time.Time { return f.date().Add(w.off) }, Later: f.note})
		replicas = append(replicas, w)
	}
	f.clock.move(time.Hour)
	return f, replicas
}

// Requests come several times as fast as they may, in every mixture of replicas, also where
// the same rule is about bytes and days, of which replicas tell each other all the time.
func TestAFleetAdmitsAsMuchAsTheLimitAndNoMoreThanItsBound(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	for _, c := range []struct {
		rate     float64
		burst    int64
		replicas int
		lopsided bool // nearly all come to one replica
		also     Measures
	}{
		{100, 100, 8, false, Measures{}}, {1000, 1000, 8, false, Measures{}}, {1000, 100, 8, true, Measures{}}, {20, 5, 8, false, Measures{}},
		{50, 1, 3, false, Measures{}}, {10_000, 10_000, 8, false, Measures{}}, {200, 200, 1, false, Measures{}},
		{10, 20, 2, false, Measures{Out: NewRate(1<<30, 1)}}, {100, 100, 8, false, Measures{DayBytes: 1 << 50}},
		{1, 5, 1, false, Measures{DayRequests: 1 << 40}}, {100, 20, 3, true, Measures{In: NewRate(1<<30, 1), DayBytes: 1 << 50}},
	} {
		f, replicas := fleetOf(c.replicas)
		rules := &Rules{Token: &Rule{Measures: c.also}}
		rules.Token.Requests = NewRate(c.rate, c.burst)
		const seconds = 30
		var times []time.Duration
		var alone meter // what one process would admit of the same requests
		due, told := 0, f.clock.time()
		gap := int64(float64(time.Second) / c.rate / 3)
		for begun := f.clock.time(); f.clock.time() < begun+seconds*time.Second; f.clock.move(time.Duration(random.Int64N(2 * gap))) {
			if _, _, ok := alone.take(&rules.Token.Requests, f.clock.time()); ok {
				due++
			}
			at := random.IntN(c.replicas)
			if c.lopsided && random.IntN(20) > 0 {
				at = 0
			}
			if k, r := replicas[at].request(rules, alice, ""); r == nil {
				times = append(times, f.clock.time())
				k.End(1, 1)
			}
			if f.clock.time() > told+settleEvery {
				told = f.clock.time()
				f.pass()
			}
		}
		slack := float64(int64(c.replicas) * batch(&rules.Token.Requests, c.replicas))
		least := 0.98
		if c.lopsided { // what replicas with little to do have taken in advance lapses more often
			least = 0.97
		}
		if got := float64(len(times)); got < least*float64(due) || got > float64(due)+slack {
			t.Errorf("%+v: admitted %v of %v", c, got, due)
		}
		for i := range times { // any window, not only those that begin with the test
			j := min(len(times)-1, i+int(c.burst)+int(c.rate))
			if window := (times[j] - times[i]).Seconds(); float64(j-i+1) > float64(c.burst)+c.rate*window+slack+1 {
				t.Fatalf("%+v: %d in %v s", c, j-i+1, window)
			}
		}
		if perSecond := f.trips / seconds; perSecond > c.replicas*int(min(c.rate, 40)+10)+int(c.rate)/4 {
			t.Errorf("%+v: %d round trips a second", c, perSecond)
		}
	}
}

func TestEachReplicaHasItsShareWhileTheOthersAreAway(t *testing.T) {
	f, replicas := fleetOf(4)
	f.away = true
	rules, admitted := &Rules{Token: perSecond(100, 100)}, 0
	for range 10_000 {
		if _, r := replicas[1].request(rules, alice, ""); r == nil {
			admitted++
		}
		f.clock.move(time.Millisecond)
	}
	if admitted < 270 || admitted > 276 { // 25 at once, and 25 a second for 10 seconds
		t.Errorf("%d", admitted)
	}
}

func TestARefusedKeyIsNotAskedAboutAgainBeforeItsTime(t *testing.T) {
	f, replicas := fleetOf(2)
	rules := &Rules{Token: perSecond(1, 1)}
	if _, r := replicas[0].request(rules, alice, ""); r != nil {
		t.Fatal(r)
	}
	_, first := replicas[0].request(rules, alice, "")
	trips := f.trips
	for range 100 {
		if _, r := replicas[0].request(rules, alice, ""); r == nil || r.Wait != first.Wait {
			t.Fatalf("%+v, first %+v", r, first)
		}
	}
	if f.trips != trips {
		t.Errorf("%d more round trips", f.trips-trips)
	}
	f.clock.move(first.Wait)
	if _, r := replicas[0].request(rules, alice, ""); r != nil {
		t.Error(r)
	}
}

func TestAnotherRuleLiftsAWait(t *testing.T) {
	f, replicas := fleetOf(2)
	slow, fast := &Rules{Token: perSecond(0.001, 20)}, &Rules{Token: perSecond(1000, 1000)}
	for range 30 {
		replicas[0].request(slow, alice, "")
	}
	if _, r := replicas[0].request(slow, alice, ""); r == nil || r.Wait < 15*time.Minute {
		t.Fatalf("%+v", r)
	}
	if _, r := replicas[0].request(fast, alice, ""); r != nil && r.Wait > time.Second {
		t.Errorf("%+v", r)
	}
	f.clock.move(time.Second) // by then what the first rule let him take is as if it were a burst of the second one
	for i := range 900 {
		if _, r := replicas[0].request(fast, alice, ""); r != nil {
			t.Fatalf("request %d: %+v", i, r)
		}
	}
}

func TestWhatWasTakenInAdvanceLapses(t *testing.T) {
	f, replicas := fleetOf(1)
	rules := &Rules{Token: perSecond(100, 100)}
	for range 2 { // of three, the last of which was taken in advance
		if _, r := replicas[0].request(rules, alice, ""); r != nil {
			t.Fatal(r)
		}
	}
	before := f.trips
	f.clock.move(lapse + time.Millisecond)
	if _, r := replicas[0].request(rules, alice, ""); r != nil || f.trips == before {
		t.Errorf("%+v after %d trips", r, f.trips-before)
	}
}

func TestReplicasHearOfBytesAndDaysOfOthers(t *testing.T) {
	f, replicas := fleetOf(2)
	rule := &Rule{Measures: Measures{Out: NewRate(1<<20, 1), DayRequests: 2, DayBytes: 1 << 40}}
	rules := &Rules{Token: rule}
	k, _ := replicas[0].request(rules, alice, "")
	k.End(0, 3<<20)
	f.pass()
	if _, r := replicas[1].request(rules, alice, ""); r != nil { // it has not heard of anything yet
		t.Fatal(r)
	}
	f.pass()
	// What the first one has told is two windows at most, so that late news locks nobody out for long.
	other := replicas[1].account(key{scope: Token, of: s3op.Classes, who: "alice"})
	if got := other.flows[Out].ahead(f.clock.time()); got != 2*Window {
		t.Errorf("the other replica owes %v", got)
	}
	if _, r := replicas[1].request(rules, alice, ""); r == nil || r.Measure != RequestsPerDay {
		t.Errorf("%+v", r)
	}
	if got := other.today.bytes.Load(); got != 3<<20 {
		t.Errorf("%d bytes today", got)
	}
}

// A client asks all the time, of replicas whose clocks are off; whichever way, a day has
// as many requests as it may, and no day has none.
func TestADayIsThatOfTheServersClock(t *testing.T) {
	const quota = 100
	rules := &Rules{Token: &Rule{Measures: Measures{DayRequests: quota}}}
	for _, off := range []time.Duration{0, 150 * time.Millisecond, -150 * time.Millisecond, 2 * time.Second, -2 * time.Second, 3 * time.Hour, -3 * time.Hour} {
		f, replicas := fleetOf(2)
		var served [4]int
		replicas[1].off = off
		last := time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)
		for f.date().Before(last) {
			step := 10 * time.Second
			if f.date().Add(step).Sub(f.date().Round(24*time.Hour)).Abs() < 30*time.Second {
				step = 50 * time.Millisecond
			}
			f.clock.move(step)
			f.pass()
			for _, w := range replicas {
				if k, r := w.request(rules, alice, ""); r == nil {
					served[f.date().Day()-1]++
					k.End(0, 0)
				}
			}
		}
		for i, n := range served {
			if n < quota-2 || n > quota+4 { // by what both have not told yet
				t.Errorf("off by %v: %d requests on day %d", off, n, i+1)
			}
		}
	}
}

func TestAQuotaThatSomebodyGaveBackIsHeardOf(t *testing.T) {
	f, replicas := fleetOf(2)
	own := &Rules{Token: &Rule{Measures: Measures{DayRequests: 1}}}
	k := replicas[0].Begin(own, nil, alice)
	if err := k.AdmitOwn(); err != nil {
		t.Fatal(err)
	}
	f.pass() // the first replica tells
	other := replicas[1].account(key{scope: Token, of: s3op.Classes, who: "alice"})
	replicas[1].settleSoon(other, &own.Token.Measures)
	f.pass() // the other one hears
	k.accounts[0].giveBack(replicas[0].Table)
	f.pass()
	if _, r := replicas[1].request(own, alice, ""); r == nil {
		t.Error("it has heard already")
	}
	f.clock.move(freshFor + time.Millisecond)
	if _, r := replicas[1].request(own, alice, ""); r != nil {
		t.Errorf("%v, for ever", r)
	}
}

func TestWhatIsRefusedTakesNothingWhileTheOthersAreAway(t *testing.T) {
	f, replicas := fleetOf(2)
	f.away = true
	rules := &Rules{Token: perSecond(0.01, 100), TokenAndBucket: perSecond(0.01, 2)}
	for i := range 300 {
		if _, r := replicas[0].request(rules, alice, ""); (r == nil) != (i == 0) || r != nil && r.Rule != "token_and_bucket" {
			t.Fatalf("request %d: %+v", i, r)
		}
	}
	f.away = false // and has put by nothing for when they are back
	if got := replicas[0].account(key{scope: Token, of: s3op.Classes, who: "alice"}).fleet.leased.Load(); got != 0 {
		t.Errorf("%d", got)
	}
}

// fifty requests of alice's that were admitted, and wait.
func fifty(t *testing.T, at *world, rules *Rules) (waiting []*Ticket) {
	t.Helper()
	for range 50 {
		k, r := at.request(rules, alice, "")
		if r != nil {
			t.Fatal(r)
		}
		waiting = append(waiting, k)
	}
	return waiting
}

func TestWhatIsGivenBackIsNoMoreThanWasTakenInAdvance(t *testing.T) {
	_, replicas := fleetOf(1)
	rules := &Rules{Token: perSecond(100, 100)}
	waiting := fifty(t, replicas[0], rules)
	f := &replicas[0].account(key{scope: Token, of: s3op.Classes, who: "alice"}).fleet
	for _, k := range waiting {
		k.accounts[0].giveBack(replicas[0].Table)
	}
	if n := int64(f.leased.Load() & (1<<leasedBits - 1)); n > f.size.Load() {
		t.Errorf("%d at once, of %d", n, f.size.Load())
	}
}

// Also one that was taken in advance long ago is not among those that have been since.
func TestWhatWasTakenInAdvanceIsGivenBackOnlyWhereItWas(t *testing.T) {
	f, replicas := fleetOf(1)
	rules := &Rules{Token: perSecond(100, 100)}
	waiting := fifty(t, replicas[0], rules)
	f.clock.move(time.Second) // all have lapsed
	served := 0
	for _, k := range waiting {
		for range 100 {
			if k, r := replicas[0].request(rules, alice, ""); r == nil {
				served++
				k.End(0, 0)
			}
		}
		k.accounts[0].giveBack(replicas[0].Table)
	}
	if served > 100 {
		t.Errorf("%d at one moment, of 100", served)
	}
}
