package shared

import (
	"testing"
)

// What the server has noted is a minute old when its clock is set forward by one.
func TestReplicasThatSeemSilentAreWaitedFor(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	f := newFleet(t, s)
	a, b := f.replica(), f.replica()
	v, err := b.get(t.Context(), "x", "y")
	must(t, v, err, "answer to x/y")
	b.fallSilent()
	if err := b.beat(t.Context()); err != nil { // just now
		t.Fatal(err)
	}
	heard := a.logKey(a.at.Load().log, "heard")
	for _, r := range []*replica{a, b} {
		s.command("ZINCRBY", heard, "-60000", r.id)
	}
	a.news()
	eventually(t, "the other replica is not removed", func() bool { return s.command("ZSCORE", heard, b.id) == "" })
	if err := a.Revoke(t.Context(), Revocation{Token: ptr("x")}); err != nil {
		t.Fatal(err)
	}
	if b.Generation() != 0 {
		t.Error("a replica may still use what was revoked")
	}
	f.changesItsMind()
	v, err = b.get(t.Context(), "x", "y")
	must(t, v, err, "new")
}
