package shared

import (
	"testing"
	"time"
)

func TestEndsOfSessionsOutliveWhoeverRecordedThem(t *testing.T) {
	f := newFleet(t, newServer(t))
	a := f.replica(ring(t, "k1"))
	of := Revocation{Token: ptr("alice")}.Ends()
	before := time.Now()
	if at, err := a.EndedAt(t.Context(), of); err != nil || at.After(before) {
		t.Fatalf("ended before anything was: %v, %v", at, err)
	}
	moment := time.Now().Truncate(time.Microsecond)
	if err := a.Revoke(t.Context(), Revocation{Token: ptr("alice"), At: moment}); err != nil {
		t.Fatal(err)
	}
	a.Close()
	for _, ids := range [][]string{{"k2", "k1"}, {"k1"}, {"k2", "k1"}} {
		b := f.replica(ring(t, ids...))
		if at, err := b.EndedAt(t.Context(), of); err != nil || !at.Equal(moment) {
			t.Errorf("%v: ended at %v, %v", ids, at, err)
		}
		if at, err := b.SaidAt(t.Context(), of); err != nil || !at.Equal(moment) {
			t.Errorf("%v: said at %v, %v", ids, at, err)
		}
		if at, err := b.SaidAt(t.Context(), Revocation{Role: ptr("alice")}.Ends()); err != nil || !at.IsZero() {
			t.Errorf("%v: of a role that nobody ended: said at %v, %v", ids, at, err)
		}
		if at, err := b.EndedAt(t.Context(), Revocation{Role: ptr("alice")}.Ends()); err != nil || at.After(before) {
			t.Errorf("%v: a role that nobody ended was ended at %v, %v", ids, at, err)
		}
		b.Close()
	}
	if at, err := f.replica(ring(t, "k2")).EndedAt(t.Context(), nil); err != nil || at.After(before) {
		t.Errorf("all sessions ended at %v when a key left the keyring, %v", at, err)
	}
}

func TestEndsOfSessionsOutliveAChangeOfTheKeyring(t *testing.T) {
	t.Parallel()
	f := newFleet(t, newServer(t))
	var begun time.Time
	var ended []EndOf
	for _, ids := range [][]string{{"k1"}, {"k1", "k2"}, {"k2", "k1"}, {"k2"}} {
		r := f.replica(ring(t, ids...))
		if begun.IsZero() {
			begun = time.Now()
		}
		if at, err := r.EndedAt(t.Context(), Revocation{Role: ptr("nobodys")}.Ends()); err != nil || at.After(begun) {
			t.Errorf("%v: what nobody ended was ended at %v, %v", ids, at, err)
		}
		if at, err := r.EndedAt(t.Context(), ended); err != nil || ended != nil && !at.After(begun) || at.After(time.Now().Add(-time.Millisecond)) {
			t.Errorf("%v: what was ended before: at %v, %v", ids, at, err)
		}
		if len(ids) == 2 {
			what := Revocation{Role: ptr(ids[0]), At: time.Now().Add(-time.Millisecond)}
			if what.At.Before(begun) {
				what.At = begun.Add(time.Microsecond)
			}
			if err := r.Revoke(t.Context(), what); err != nil {
				t.Fatal(err)
			}
			ended = what.Ends()
		}
		r.Close()
	}
}

func TestAServerThatLostEndsEndsAllOlderSessions(t *testing.T) {
	server := newServer(t)
	f := newFleet(t, server)
	a := f.replica(ring(t, "k1"))
	begun := time.Now()
	forge := func(words ...string) {
		t.Helper()
		client, err := a.connected(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := client.Do(t.Context(), client.B().Arbitrary(words...).Build()).Error(); err != nil {
			t.Fatal(err)
		}
	}
	of := Revocation{Role: ptr("r")}.Ends()
	forge("DEL", a.endKeys([]EndOf{founded})[0])
	if at, err := a.EndedAt(t.Context(), of); err != nil || at.Before(begun) {
		t.Errorf("what was lost: ended at %v, %v", at, err)
	}
	now := time.Now()
	forge("SET", a.endKeys(of)[0], "forged")
	if at, err := a.EndedAt(t.Context(), of); err != nil || at.Before(now) {
		t.Errorf("what was forged: ended at %v, %v", at, err)
	}
}
