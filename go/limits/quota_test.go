package limits

import (
	"strings"
	"testing"
	"time"
)

// reads has a client read so many bytes at a replica, if he is admitted.
func reads(w *world, rules *Rules, bytes int64) bool {
	k, r := w.request(rules, alice, "")
	if r == nil {
		k.End(0, bytes)
	}
	return r == nil
}

func TestAQuotaLastsForItsDayHoweverItsShareIsUsed(t *testing.T) {
	rules := &Rules{Token: &Rule{Measures: Measures{Requests: NewRate(1, 1), DayBytes: 350}}}
	f, replicas := fleetOf(2)
	read := int64(0)
	for range 600 { // of ten hours
		for _, bytes := range []int64{100, 0} { // what tells no bytes comes last
			if reads(replicas[0], rules, bytes) {
				read += bytes
			}
			f.clock.move(30 * time.Second)
			f.pass()
		}
	}
	if read != 400 {
		t.Errorf("%d bytes of 350", read)
	}
}

func TestAQuotaHoldsThoughTheServerLosesIt(t *testing.T) {
	rules := &Rules{Token: &Rule{Measures: Measures{DayBytes: 350, DayRequests: 1000}}}
	f, replicas := fleetOf(2)
	var read int64
	for i := range 20 {
		if i == 6 { // both have heard by then
			clear(f.accounts)
		}
		if reads(replicas[i%2], rules, 50) {
			read += 50
		}
		f.clock.move(2 * time.Second)
		f.pass()
	}
	if read > 400 { // one replica has not heard of the other's last
		t.Errorf("%d bytes of 350", read)
	}
}

func TestWhatCouldNotBeToldIsToldWhenTheServerIsBack(t *testing.T) {
	rules := &Rules{Token: &Rule{Measures: Measures{DayBytes: 350, Out: NewRate(mega, 1)}}}
	f, replicas := fleetOf(2)
	f.away = true
	if !reads(replicas[0], rules, 350) {
		t.Fatal("refused")
	}
	for range 5 {
		f.pass()
	}
	f.away = false
	f.pass()
	if len(f.due) > 0 {
		t.Errorf("%d timers more", len(f.due))
	}
	reads(replicas[1], rules, 1)
	f.pass()
	if reads(replicas[1], rules, 1) {
		t.Error("the other replica has not heard of it")
	}
}

func TestAReplicaThatStopsTellsTheRest(t *testing.T) {
	rules := &Rules{Token: &Rule{Measures: Measures{DayBytes: 350}}}
	f, replicas := fleetOf(2)
	reads(replicas[0], rules, 350)
	replicas[0].Close(time.Second)
	f.due = nil // its process has ended
	reads(replicas[1], rules, 1)
	f.pass()
	if reads(replicas[1], rules, 1) {
		t.Error("the other replica has not heard of it")
	}
	f.away = true // what comes after that is told nobody, and sets no timer
	f.due = nil
	f.clock.move(time.Minute)
	reads(replicas[0], rules, 1)
	if len(f.due) > 0 {
		t.Errorf("%d timers", len(f.due))
	}
}

func TestTheLastWordHasItsTime(t *testing.T) {
	rules := &Rules{Token: &Rule{Measures: Measures{DayBytes: 350}}}
	f, replicas := fleetOf(1)
	for i := range 10 {
		if k, r := replicas[0].request(rules, Subject{Token: string(rune('a' + i))}, ""); r == nil {
			k.End(0, 1)
		}
	}
	f.takes = time.Second
	before := f.trips
	replicas[0].Close(3 * time.Second)
	if got := f.trips - before; got != 3 {
		t.Errorf("%d round trips of a second in three", got)
	}
}

// The first request of a share here asks what the others have used up, and so does one that
// comes long after the last; those in between do not.
func TestAQuotaThatWasUsedUpElsewhereIsKnownBeforeTheFirstRequest(t *testing.T) {
	rules := &Rules{Token: &Rule{Measures: Measures{DayBytes: 350}}}
	f, replicas := fleetOf(3)
	if !reads(replicas[1], rules, 1) {
		t.Fatal("refused")
	}
	f.pass()
	if !reads(replicas[0], rules, 350) {
		t.Fatal("refused")
	}
	f.pass()
	if reads(replicas[2], rules, 1) {
		t.Error("the first request at another replica was admitted")
	}
	before := f.trips
	for range 100 {
		if reads(replicas[2], rules, 1) {
			t.Error("admitted")
		}
	}
	if f.trips != before {
		t.Errorf("%d round trips more", f.trips-before)
	}
	f.clock.move(time.Minute)
	if reads(replicas[1], rules, 1) {
		t.Error("a request long after the last was admitted")
	}
}

// Many at once would keep a server that has just come back busy until commands fail, which
// would then be told again.
func TestSharesThatCouldNotBeToldAreToldOneAfterTheOther(t *testing.T) {
	const clients = 50
	rules := &Rules{Token: &Rule{Measures: Measures{DayRequests: 3}}}
	f, replicas := fleetOf(2)
	once := func(w *world) (admitted int) {
		for i := range clients {
			if k, r := w.request(rules, Subject{Token: string(rune('a' + i))}, ""); r == nil {
				k.End(0, 0)
				admitted++
			}
		}
		return admitted
	}
	f.away = true
	once(replicas[0])
	once(replicas[0])
	f.pass() // of which none could be told
	for range 5 {
		before := f.asked
		f.pass()
		if got := f.asked - before; got != 1 || len(f.due) != 1 {
			t.Errorf("%d were tried while the server was away, %d timers", got, len(f.due))
		}
	}
	f.away = false
	f.pass()
	if len(f.due) > 0 {
		t.Errorf("%d timers more", len(f.due))
	}
	if got := once(replicas[1]) + once(replicas[1]); got != clients {
		t.Errorf("%d requests of %d that were left", got, clients)
	}
}

// What is given back of a rate lapses in a fleet: so nothing is taken before all that is known here allows it.
func TestInAFleetARefusalByAnotherRuleTakesNothing(t *testing.T) {
	rules := &Rules{
		Token:          &Rule{Measures: Measures{Requests: NewRate(0.01, 12)}},
		TokenAndBucket: &Rule{Measures: Measures{Concurrent: 2}},
	}
	f, replicas := fleetOf(2)
	running, r := replicas[0].request(rules, alice, "")
	if r != nil {
		t.Fatal(r)
	}
	for range 30 {
		if _, r := replicas[0].request(rules, alice, ""); r == nil || r.Measure != Concurrent {
			t.Fatalf("%v", r)
		}
		f.clock.move(time.Second)
		f.pass()
	}
	running.End(0, 0)
	for i := range 9 { // of eleven; some of the first batch have lapsed
		k, r := replicas[0].request(rules, alice, "")
		if r != nil {
			t.Fatalf("request %d: %v for %v", i, r, r.Wait)
		}
		k.End(0, 0)
	}
}

func TestAReplicaWithAWrongClockKnowsWhatIsUsedUp(t *testing.T) {
	rules := &Rules{Token: &Rule{Measures: Measures{DayRequests: 10}}}
	for _, off := range []time.Duration{-24 * time.Hour, 24 * time.Hour} {
		f, replicas := fleetOf(2)
		for range 10 {
			reads(replicas[0], rules, 0)
		}
		f.pass()
		replicas[1].off = off
		admitted := 0
		for range 20 {
			if reads(replicas[1], rules, 0) {
				admitted++
			}
			f.clock.move(5 * time.Millisecond)
		}
		if admitted > 1 { // by which it learns what day it is
			t.Errorf("off by %v: %d admitted", off, admitted)
		}
	}
}

func TestAShareThatWaitsToBeToldAgainIsToldWhatIsNewAsAnyOther(t *testing.T) {
	const clients = 50
	rules := &Rules{Token: &Rule{Measures: Measures{DayRequests: 100}}}
	f, replicas := fleetOf(1)
	once := func() {
		for i := range clients {
			if k, r := replicas[0].request(rules, Subject{Token: string(rune('a' + i))}, ""); r == nil {
				k.End(0, 0)
			}
		}
	}
	f.away = true
	once()
	f.pass()
	f.away = false
	line := f.due // which has not had its turn
	f.due = nil
	f.clock.move(time.Minute)
	once()
	f.pass()
	for name, a := range f.accounts {
		if a.Served() != 2 {
			t.Errorf("%q: %d of 2 requests were told", name, a.Served())
		}
	}
	f.due, f.trips = line, 0
	f.pass()
	if f.trips > 0 || len(f.due) > 0 {
		t.Errorf("%d round trips that told nothing, %d timers", f.trips, len(f.due))
	}
}

// Also those shares are told of that were displaced meanwhile.
func TestAStopEmptiesTheLineOfThoseWhoWaitToBeToldAgain(t *testing.T) {
	rules := &Rules{Token: &Rule{Measures: Measures{DayRequests: 100}}}
	f, replicas := fleetOf(1)
	f.away = true
	if k, r := replicas[0].request(rules, alice, ""); r == nil {
		k.End(0, 0)
	}
	f.pass()
	replicas[0].accounts.Purge()
	f.away = false
	replicas[0].Close(time.Second)
	for name, a := range f.accounts {
		if a.Served() != 1 {
			t.Errorf("%q: %d requests were told", name, a.Served())
		}
	}
	before := f.asked
	f.pass()
	if f.asked != before || len(f.due) > 0 || len(f.accounts) != 1 {
		t.Errorf("%d accounts; after the stop %d commands, %d timers", len(f.accounts), f.asked-before, len(f.due))
	}
}

// Whoever has heard of a day tells it, whether or not a request comes to it.
func TestADayGoesOnAtReplicasThatHadNotHeardOfIt(t *testing.T) {
	rules := &Rules{Token: &Rule{Measures: Measures{DayRequests: 100}}, Anonymous: &Rule{Measures: Measures{DayRequests: 100}}}
	for _, who := range []Subject{alice, {Address: "192.0.2.1"}} {
		f, replicas := fleetOf(2)
		once := func(w *world) bool {
			k, r := w.request(rules, who, "")
			if r == nil {
				k.End(0, 0)
			}
			return r == nil
		}
		for range 100 {
			once(replicas[0])
		}
		f.pass()
		f.clock.move(time.Minute)
		f.lose()
		f.pass()
		f.pass()
		if once(replicas[1]) {
			t.Errorf("%+v: the day began anew", who)
		}
		f.pass()
		if len(f.due) > 0 {
			t.Errorf("%d timers more", len(f.due))
		}
		f.clock.move(24 * time.Hour)
		before := f.asked
		f.lose()
		f.pass()
		f.pass()
		if f.asked != before {
			t.Errorf("%d round trips about a day that is over", f.asked-before)
		}
	}
}

// What counts already at the new server is not told twice, nor what waits for a server that is away.
func TestWhatTheServerHasLostIsToldOnce(t *testing.T) {
	const clients = 50
	rules := &Rules{Token: &Rule{Measures: Measures{DayRequests: 100, Out: NewRate(mega, mega)}}}
	f, replicas := fleetOf(2)
	for i := range clients {
		if k, r := replicas[0].request(rules, Subject{Token: string(rune('a' + i))}, ""); r == nil {
			k.End(0, mega)
		}
	}
	f.pass()
	f.away = true
	if k, r := replicas[0].request(rules, Subject{Token: "a"}, ""); r == nil {
		k.End(0, 0)
	}
	f.pass() // one waits for the server
	f.away = false
	f.lose()
	f.asked = 0
	f.pass()
	f.pass()
	if f.asked != clients || len(f.due) > 0 {
		t.Errorf("%d round trips for %d shares, %d timers more", f.asked, clients, len(f.due))
	}
	for name, a := range f.accounts {
		want := int64(1)
		if strings.Contains(name, "\x00a\x00") {
			want = 2
		}
		if a.Served() != want {
			t.Errorf("%q: %d requests were told", name, a.Served())
		}
	}
}

func TestAReplicaThatStopsTellsWhatTheServerHasLost(t *testing.T) {
	rules := &Rules{Token: &Rule{Measures: Measures{DayRequests: 1}}}
	f, replicas := fleetOf(2)
	reads(replicas[0], rules, 0)
	f.pass()
	f.lose()
	f.due = nil // before it has come to that
	replicas[0].Close(time.Second)
	if reads(replicas[1], rules, 0) {
		t.Error("the day began anew")
	}
}
