package shared

import (
	"strconv"
	"testing"
	"time"
)

// counts expects a replica to know of so many after a heartbeat.
func (r *replica) counts(t *testing.T, when string, want int) {
	t.Helper()
	eventually(t, "it does not beat", func() bool { return r.beat(t.Context()) == nil })
	if got := r.Replicas(); got != want {
		t.Errorf("%s: it counts %d replicas of %d", when, got, want)
	}
}

// ages makes the set of replicas as old as it has to be to be believed.
func (r *replica) ages(f *fleet) {
	f.server.command("HSET", r.key("head"), "begun", "1000000000000") // in 2001
	f.settle(r)
}

// Each would take the parts of those that were not heard yet, and what it admits by them goes on.
func TestReplicasThatANewLogHasNotHeardYetCount(t *testing.T) {
	t.Parallel()
	for name, loss := range map[string]func(*server, *replica){
		"a server that starts empty": func(s *server, _ *replica) { s.kill(); s.start() },
		"one that was emptied":       func(s *server, _ *replica) { s.command("FLUSHALL") },
		"one that lost who is there": func(s *server, r *replica) { s.command("DEL", r.logKey(r.at.Load().log, "heard")) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t)
			f := newFleet(t, s)
			a, b, c := f.replica(), f.replica(), f.replica()
			for _, r := range []*replica{a, b, c} {
				r.fallSilent()
			}
			a.counts(t, "before", 3)
			b.counts(t, "before", 3)
			a.ages(f)
			loss(s, a)
			a.counts(t, "alone in it", 3)
			a.counts(t, "once more", 3)
			fresh := f.replica() // which knows of nobody
			fresh.fallSilent()
			fresh.counts(t, "at its start", 3)
			b.counts(t, "with two others", 3)
			a.ages(f)
			a.counts(t, "when the set is old enough", 3) // all but c
			c.counts(t, "late", 4)
			for _, r := range []*replica{c, fresh} {
				r.Close()
			}
			a.counts(t, "when two have left", 2)
		})
	}
}

// A replica that is gone is nobody's part for a moment more: the server's clock may have been set.
func TestReplicasThatSeemToBeGoneCountUntilTheOthersHaveBeenHeard(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	f := newFleet(t, s)
	a, b, c := f.replica(), f.replica(), f.replica()
	for _, r := range []*replica{a, b, c} {
		r.fallSilent()
	}
	a.counts(t, "before", 3)
	a.ages(f)
	past := strconv.FormatInt(time.Now().Add(-2*silence).UnixMilli(), 10)
	for _, r := range []*replica{b, c} {
		s.command("ZADD", a.logKey(a.at.Load().log, "heard"), past, r.id)
	}
	a.counts(t, "when they seem to be gone", 3)
	b.counts(t, "which was not", 3)
	f.settle(a)
	a.counts(t, "when all who live must have been heard", 2)
}

func TestASetOfReplicasFromTheFutureIsBelievedInTime(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	f := newFleet(t, s)
	a := f.replica()
	a.fallSilent()
	s.command("HSET", a.key("head"), "begun", "9000000000000")
	before := time.Now().Add(-time.Minute).UnixMilli()
	a.counts(t, "when the clock was set back", 1)
	if begun, err := strconv.ParseInt(s.command("HGET", a.key("head"), "begun"), 10, 64); err != nil || begun < before || begun > before+2*time.Minute.Milliseconds() {
		t.Errorf("it began at %d, %v", begun, err)
	}
}
