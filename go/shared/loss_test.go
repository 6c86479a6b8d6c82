package shared

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"osp/go/cache"
)

// alive waits until replicas have a lease.
func alive(t *testing.T, replicas ...*replica) {
	t.Helper()
	for _, r := range replicas {
		eventually(t, "a replica has no lease", func() bool { return r.Generation() != 0 })
	}
}

func TestANumberThatIsGivenAgainIsAnotherRevocation(t *testing.T) {
	t.Parallel()
	for name, restart := range map[string]func(*server){
		"by a server that starts empty":         func(s *server) { s.kill(); s.start() },
		"by one that has lost the end":          func(s *server) { s.kill(); s.start() }, // it was saved before
		"by one that was emptied":               func(s *server) { s.command("FLUSHALL") },
		"by one that has evicted the log":       func(s *server) { s.command("DEL", "osp:{test}:head") },
		"by one in whose log is something else": func(s *server) { s.command("SET", "osp:{test}:head", "x") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t)
			f := newFleet(t, s)
			a := f.replica()
			if strings.Contains(name, "the end") {
				s.command("SAVE")
			}
			v, err := a.get(t.Context(), "x", "y")
			must(t, v, err, "answer to x/y")
			if err := a.Revoke(t.Context(), Revocation{Token: ptr("nobody")}); err != nil {
				t.Fatal(err)
			}
			before, generation := *a.at.Load(), a.Generation()
			restart(s)
			// Another replica, which has seen nothing, gives the number again.
			if err := f.replica().Revoke(t.Context(), Revocation{Token: ptr("x")}); err != nil {
				t.Fatal(err)
			}
			f.changesItsMind()
			v, err = a.get(t.Context(), "x", "y")
			must(t, v, err, "new")
			// It may have forgotten without having begun again.
			if at := a.at.Load(); at != nil && at.log == before.log || a.Generation() == generation {
				t.Error("nothing was forgotten")
			}
		})
	}
}

func TestOldValuesAreNotGoodAgainAfterALoss(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	f := newFleet(t, s)
	a, b := f.replica(), f.replica()
	v, err := a.get(t.Context(), "x", "y")
	must(t, v, err, "answer to x/y")
	s.command("SAVE")
	f.changesItsMind()
	if err := b.Revoke(t.Context(), Revocation{Token: ptr("x")}); err != nil {
		t.Fatal(err)
	}
	s.kill()
	s.start() // with the value, as it was before the revocation
	for _, r := range []*replica{a, b, f.replica()} {
		alive(t, r)
		v, err := r.get(t.Context(), "x", "y")
		must(t, v, err, "new")
	}
}

func TestAStartOfTheServerIsALoss(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	f := newFleet(t, s)
	a, b := f.replica(), f.replica()
	v, err := a.get(t.Context(), "x", "y")
	must(t, v, err, "answer to x/y")
	b.fallSilent()
	s.command("SAVE")
	if err := a.Revoke(t.Context(), Revocation{Token: ptr("x")}); err != nil {
		t.Fatal(err)
	}
	a.Close() // nobody is left who knows of it
	s.kill()
	s.start()
	f.changesItsMind()
	eventually(t, "it does not come back", func() bool { return b.beat(t.Context()) == nil && !b.breaker.open() })
	v, err = b.get(t.Context(), "x", "y")
	must(t, v, err, "new")
}

func TestReplicasThatTheServerHasForgottenAreWaitedFor(t *testing.T) {
	t.Parallel()
	for name, keys := range map[string][]string{"both sets": {"applied", "heard"}, "one": {"applied"}, "the other one": {"heard"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t)
			f := newFleet(t, s)
			a, b := f.replica(), f.replica()
			v, err := b.get(t.Context(), "x", "y")
			must(t, v, err, "answer to x/y")
			b.fallSilent()
			for _, k := range keys {
				s.command("DEL", a.logKey(a.at.Load().log, k))
			}
			if err := a.Revoke(t.Context(), Revocation{Token: ptr("x")}); err != nil {
				t.Fatal(err)
			}
			if b.Generation() != 0 {
				t.Error("a replica may still use what was revoked")
			}
			applied := a.logKey(a.at.Load().log, "applied")
			eventually(t, "it is waited for for ever", func() bool { return s.command("ZSCORE", applied, b.id) == "" })
		})
	}
}

func TestASetOfReplicasThatWasLostComesBack(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"applied", "heard"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			s := newServer(t)
			f := newFleet(t, s)
			all := []*replica{f.replica(), f.replica(), f.replica()}
			set := all[0].logKey(all[0].at.Load().log, kind)
			s.command("DEL", set)
			eventually(t, "it does not come back", func() bool {
				for _, r := range all {
					if s.command("ZSCORE", set, r.id) == "" {
						return false
					}
				}
				n, err := all[0].behind(t.Context(), *all[0].at.Load())
				return err == nil && n == 0 && all[0].Replicas() == len(all)
			})
		})
	}
}

func TestAnEpochThatIsLostMakesVoidWhatIsOlder(t *testing.T) {
	s := newServer(t)
	f := newFleet(t, s)
	a := f.replica()
	v, err := a.get(t.Context(), "x", "y")
	must(t, v, err, "answer to x/y")
	k := a.keys(a.at.Load().log, itemOf("x", "y"))
	for i, scope := range k.scopes {
		s.command("DEL", scope)
		// Another answer of the same scopes gives them epochs again.
		other := Item{Kind: "other", Key: newID(), Token: "x", Bucket: "y"}
		_, err := Load(a.State, other, plain, func(context.Context) (cache.Entry[string], error) {
			return cache.Entry[string]{Value: "other", TTL: time.Hour}, nil
		})(t.Context())
		must(t, "", err, "")
		v, err := f.replica().get(t.Context(), "x", "y")
		must(t, v, err, "answer to x/y")
		if n := f.asked("x/y"); n != i+2 {
			t.Errorf("asked %d times after %d losses", n, i+1)
		}
	}
}

func TestALateAnswerIsNotEvenWritten(t *testing.T) {
	s := newServer(t)
	f := newFleet(t, s)
	a, b := f.replica(), f.replica()
	f.says(func(string) (string, time.Duration, error) {
		if err := b.Revoke(context.Background(), Revocation{Token: ptr("x")}); err != nil {
			t.Error(err)
		}
		return "late", time.Hour, nil
	})
	v, err := a.get(t.Context(), "x", "y")
	must(t, v, err, "late")
	k := a.keys(a.at.Load().log, itemOf("x", "y"))
	eventually(t, "its marker stays", func() bool { return s.command("HGET", k.marker, "who") == "" })
	if sealed := s.command("HGET", k.value, "sealed"); sealed != "" {
		t.Error("it is there")
	}
}

func TestNothingIsSharedAcrossALoss(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	f := newFleet(t, s)
	a := f.replica()
	asked, answer := make(chan struct{}), make(chan struct{})
	var first atomic.Bool
	f.says(func(string) (string, time.Duration, error) {
		if first.CompareAndSwap(false, true) {
			close(asked)
			<-answer
			return "before", time.Hour, nil
		}
		return "after", time.Hour, nil
	})
	done := make(chan struct{})
	go func() { defer close(done); _, _ = a.get(context.Background(), "x", "y") }()
	<-asked
	before := a.at.Load().log
	s.command("FLUSHALL")
	eventually(t, "the loss is not noticed", func() bool { at := a.at.Load(); return at != nil && at.log != before })
	close(answer)
	<-done
	alive(t, a)
	for _, r := range []*replica{a, f.replica()} {
		v, err := r.get(t.Context(), "x", "y")
		must(t, v, err, "after")
	}
}

func TestWithoutALeaseNothingIsTaken(t *testing.T) {
	t.Parallel()
	f := newFleet(t, newServer(t))
	a, b := f.replica(), f.replica()
	v, err := a.get(t.Context(), "x", "y")
	must(t, v, err, "answer to x/y")
	b.fallSilent()
	eventually(t, "the lease does not end", func() bool { return b.Generation() == 0 })
	f.changesItsMind()
	v, err = b.get(t.Context(), "x", "y")
	must(t, v, err, "new")
}

func TestWithoutALeaseOnlyThoseOfOneMomentShareAnAnswer(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	f := newFleet(t, s)
	r := f.replica()
	s.kill()
	eventually(t, "the lease does not end", func() bool { return r.Generation() == 0 })
	asked, answer := make(chan string, 10), make(chan struct{})
	f.says(func(key string) (string, time.Duration, error) {
		asked <- key
		<-answer
		return "v", time.Hour, nil
	})
	done := make(chan struct{}, 10)
	get := func() { _, _ = r.get(context.Background(), "x", "y"); done <- struct{}{} }
	for range 3 {
		go get()
	}
	<-asked
	time.Sleep(2 * Moment) // the rule is about time
	select {
	case <-asked:
		t.Log("one of the three came late") // on a busy machine
	default:
	}
	go get()
	<-asked // for itself: it came after the moment
	close(answer)
	for range 4 {
		<-done
	}
}

func TestARenewalThatFailsServesNothingThatWasRevoked(t *testing.T) {
	t.Parallel()
	f := newFleet(t, newServer(t))
	a, b := f.replica(), f.replica()
	broken := errors.New("raised")
	renewed := func(r *replica, load cache.Load[string]) (string, error) {
		e, err := Load(r.State, itemOf("x", "y"), plain, load)(t.Context())
		return e.Value, err
	}
	v, err := renewed(a, func(context.Context) (cache.Entry[string], error) {
		return cache.Entry[string]{Value: "old", TTL: time.Hour, RefreshAfter: time.Millisecond}, nil
	})
	must(t, v, err, "old")
	time.Sleep(5 * time.Millisecond) // until it is due
	v, err = renewed(b, func(context.Context) (cache.Entry[string], error) { return cache.Entry[string]{}, broken })
	must(t, v, err, "old") // it serves while it can't be renewed
	eventually(t, "it is not renewed again", func() bool {
		begun := false
		_, err = renewed(b, func(ctx context.Context) (cache.Entry[string], error) {
			begun = true
			if err := a.Revoke(ctx, Revocation{Token: ptr("x")}); err != nil {
				t.Error(err)
			}
			return cache.Entry[string]{}, broken
		})
		return begun
	})
	if !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

// What the server had has to be told again, which is no use while it counts as away.
func TestANewLogIsToldOfWhenTheServerCanBeAsked(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	f := newFleet(t, s)
	r := f.replica()
	r.fallSilent()
	told := 0
	r.OnNewLog(func() {
		told++
		if _, err := r.Settle(t.Context(), claimOf(1)); err != nil {
			t.Error(err)
		}
	})
	s.kill()
	if _, err := r.Settle(t.Context(), claimOf(1)); err == nil {
		t.Fatal("it is not away")
	}
	s.start()
	eventually(t, "nothing is told", func() bool { _ = r.beat(t.Context()); return told > 0 })
	_ = r.beat(t.Context())
	if told != 1 {
		t.Errorf("told %d times", told)
	}
}
