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
		if at, err := b.EndedAt(t.Context(), Revocation{Role: ptr("alice")}.Ends()); err != nil || at.After(before) {
			t.Errorf("%v: a role that nobody ended was ended at %v, %v", ids, at, err)
		}
		b.Close()
	}
	if at, err := f.replica(ring(t, "k2")).EndedAt(t.Context(), nil); err != nil || at.After(before) {
		t.Errorf("all sessions ended at %v when a key left the keyring, %v", at, err)
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
