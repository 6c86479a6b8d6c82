package shared

import (
	"context"
	"testing"
	"time"
)

// Heartbeats are in time, so replicas answer by what they remember, and it has to be
// possible to end that.
func TestASlowServerTakesRevocationsAsLongAsItHearsHeartbeats(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	f := newFleet(t, s)
	way := newRelay(t, s.socket)
	a, b := f.replica(by(way)), f.replica()
	v, err := b.get(t.Context(), "x", "y")
	must(t, v, err, "answer to x/y")
	a.fallSilent() // heartbeats would wait in the same line
	way.setSlow(beatTimeout * 3 / 10)
	s.command("SCRIPT", "FLUSH") // so that each command takes two round trips
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := a.Revoke(ctx, Revocation{Token: ptr("x")}); err != nil {
		t.Fatal(err)
	}
	f.changesItsMind()
	v, err = b.get(t.Context(), "x", "y")
	must(t, v, err, "new")
	if n := b.at.Load().number; n != 1 {
		t.Errorf("recorded %d times", n)
	}
}

// Whoever has not heard that it is recorded tries again.
func TestARevocationIsRecordedOnceHoweverOftenItIsWritten(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	r := newFleet(t, s).replica()
	r.fallSilent()
	one, other := &draft{what: Revocation{Token: ptr("x")}, id: newID()}, &draft{what: Revocation{Token: ptr("y")}, id: newID()}
	write := func(d *draft) position {
		t.Helper()
		w, err := r.write(t.Context(), d)
		if err != nil {
			t.Fatal(err)
		}
		return w.at
	}
	first := write(one)
	last := write(other)
	if again := write(one); again != first || last.number != 2 {
		t.Errorf("it is %+v, and %+v after %+v", first, again, last)
	}
	if now := write(&draft{id: newID()}); now.number != 3 {
		t.Errorf("the next one is %+v", now)
	}
	s.command("FLUSHALL")
	if anew := write(one); anew.number != 1 || anew.log == first.log || anew.last != first.last {
		t.Errorf("it is %+v in another log", anew)
	}
}
