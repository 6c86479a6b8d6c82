package shared

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// claimOf is one for requests: one a second, ten at once.
func claimOf(want int64) Claim {
	return Claim{Name: []string{"token", "alice"}, Requests: want, Milli: 1_000, Ahead: 10 * time.Second}
}

func TestReplicasTakeRequestsOfOneAccount(t *testing.T) {
	f := newFleet(t, newServer(t))
	one, two := f.replica(), f.replica()
	settled := func(r *replica) Grant {
		t.Helper()
		got, err := r.Settle(t.Context(), claimOf(8))
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	if got := settled(one); got.Requests != 8 {
		t.Errorf("%+v", got)
	}
	if got := settled(two); got.Requests < 2 || got.Requests > 4 { // two, and what has come since
		t.Errorf("%+v", got)
	}
	for range 20 { // until there is none left
		got := settled(one)
		if got.Requests == 0 {
			if got.Wait <= 0 || got.Wait > time.Second {
				t.Errorf("%+v", got)
			}
			return
		}
	}
	t.Error("there is no end")
}

func TestAsManyRequestsAreGivenAsTheClockAllows(t *testing.T) {
	f := newFleet(t, newServer(t))
	var given atomic.Int64
	var wait sync.WaitGroup
	begun := time.Now()
	for range 4 {
		r := f.replica()
		wait.Go(func() {
			for time.Since(begun) < time.Second {
				got, err := r.Settle(t.Context(), Claim{Name: []string{"all"}, Requests: 7, Milli: 1_000_000, Ahead: 500 * time.Millisecond})
				if err != nil {
					t.Error(err)
					return
				}
				given.Add(got.Requests)
			}
		})
	}
	wait.Wait()
	// What nobody asks for in time lapses, where the machine has much else to do.
	if most := 500 + int64(1000*time.Since(begun).Seconds()) + 1; given.Load() > most || given.Load() < most/2 {
		t.Errorf("%d of %d", given.Load(), most)
	}
}

func TestBytesAndDaysAddUp(t *testing.T) {
	f := newFleet(t, newServer(t))
	one, two := f.replica(), f.replica()
	today := time.Now().Unix() / 86400
	c := Claim{Name: []string{"token", "alice"}, Day: today, In: time.Second, Out: 2 * time.Second, DayRequests: 3, DayBytes: 1 << 40, Daily: true}
	if _, err := one.Settle(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	got, err := two.Settle(t.Context(), c)
	if err != nil || got.In > 2*time.Second || got.In < time.Second || got.Out > 4*time.Second || got.Out < 3*time.Second || got.DayRequests != 6 || got.DayBytes != 2<<40 {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestADayIsTheServers(t *testing.T) {
	f := newFleet(t, newServer(t))
	r := f.replica()
	for _, off := range []int64{0, -1, 1} {
		now := time.Now()
		got, err := r.Settle(t.Context(), Claim{Name: []string{"token", "alice"}, DayRequests: 3, DayBytes: 5, Day: now.Unix()/86400 + off, Daily: true})
		if err != nil || got.DayRequests != 3 || got.DayBytes != 5 || got.Time.Sub(now).Abs() > time.Minute {
			t.Errorf("%d days off: %+v, %v", off, got, err)
		}
	}
}

// What somebody else has written there, or a clock that was set back has left, closes
// an account for MostAhead at most.
func TestWhateverStandsAtTheServerAnAccountOpensAgain(t *testing.T) {
	f := newFleet(t, newServer(t))
	r := f.replica()
	name := r.key("limit:" + r.names.Name("limit", "token", "alice"))
	for _, words := range [][]string{
		{"SET", name, "text"}, {"HSET", name, "requests", "1e300"}, {"HSET", name, "requests", "nan", "in", "-5", "out", "inf"},
		{"HSET", name, "requests", "9007199254740991", "in", "9007199254740991", "day", "x", "day_requests", "-1"},
	} {
		f.server.command("DEL", name)
		f.server.command(words...)
		got, err := r.Settle(t.Context(), claimOf(1))
		if err != nil || got.Wait > 11*time.Second || got.In > MostAhead || got.Out > MostAhead || got.DayRequests != 0 {
			t.Errorf("%v: %+v, %v", words, got, err)
		}
	}
}

func TestAnAccountIsNotKeptForEver(t *testing.T) {
	f := newFleet(t, newServer(t))
	r := f.replica()
	if _, err := r.Settle(t.Context(), claimOf(1)); err != nil {
		t.Fatal(err)
	}
	name := r.key("limit:" + r.names.Name("limit", "token", "alice"))
	client := f.server.client()
	left, err := client.Do(t.Context(), client.B().Pttl().Key(name).Build()).AsInt64()
	if err != nil || left <= 0 || left > (2*time.Minute).Milliseconds() {
		t.Errorf("%d ms, %v", left, err)
	}
}

// Whoever claims less than others before shortens no life: what stands there counts on.
func TestNoClaimShortensTheLifeOfAnAccount(t *testing.T) {
	f := newFleet(t, newServer(t))
	r := f.replica()
	name := []string{"token", "alice"}
	day := Claim{Name: name, Day: time.Now().Unix() / 86400, DayBytes: 1, Daily: true}
	for _, c := range []struct {
		first Claim
		life  time.Duration
	}{{day, 25 * time.Hour}, {Claim{Name: name, Requests: 1, Milli: 1, Ahead: 1000 * time.Second}, 1000 * time.Second}} {
		f.server.command("FLUSHALL")
		for _, claim := range []Claim{c.first, {Name: name, Out: time.Second}, claimOf(1)} {
			if _, err := r.Settle(t.Context(), claim); err != nil {
				t.Fatal(err)
			}
		}
		client := f.server.client()
		left, err := client.Do(t.Context(), client.B().Pttl().Key(r.key("limit:"+r.names.Name("limit", "token", "alice"))).Build()).AsInt64()
		if err != nil || left < c.life.Milliseconds() {
			t.Errorf("%d ms, %v", left, err)
		}
	}
}

func TestADayGoesOnWhereTheServerHasLostIt(t *testing.T) {
	f := newFleet(t, newServer(t))
	one, two := f.replica(), f.replica()
	c := Claim{Name: []string{"token", "alice"}, Day: time.Now().Unix() / 86400, DayRequests: 3, DayBytes: 5, Daily: true}
	settled := func(r *replica, c Claim) Grant {
		t.Helper()
		got, err := r.Settle(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	before := settled(one, c)
	f.server.command("FLUSHALL")
	c.Born, c.KnownRequests, c.KnownBytes = before.Born, 3, 5
	got := settled(one, c)
	if got.DayRequests != 6 || got.DayBytes != 10 {
		t.Errorf("%+v", got)
	}
	if again := settled(two, c); again.DayRequests != 9 || again.DayBytes != 15 || again.Born != got.Born { // another one that knew the lost one
		t.Errorf("%+v", again)
	}
	c.Born, c.KnownRequests = got.Born, 100 // of one that is there the server knows best
	if again := settled(one, c); again.DayRequests != 12 {
		t.Errorf("%+v", again)
	}
}
