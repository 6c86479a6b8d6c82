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

func TestARevocationReachesAllAndOnlyWhatItIsAbout(t *testing.T) {
	for name, c := range map[string]struct {
		token, bucket *string
		again         string // what is asked again
	}{
		"all":    {nil, nil, "a/1 a/2 b/1"},
		"token":  {ptr("a"), nil, "a/1 a/2"},
		"bucket": {nil, ptr("1"), "a/1 b/1"},
		"both":   {ptr("a"), ptr("1"), "a/1"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFleet(t, newServer(t))
			replicas := []*replica{f.replica(), f.replica(), f.replica()}
			all := func() {
				for _, r := range replicas {
					for _, k := range []string{"a/1", "a/2", "b/1"} {
						token, bucket, _ := strings.Cut(k, "/")
						v, err := r.get(t.Context(), token, bucket)
						must(t, v, err, "answer to "+k)
					}
				}
			}
			all()
			begun := time.Now()
			if err := replicas[0].Revoke(t.Context(), Revocation{Token: c.token, Bucket: c.bucket}); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(begun); took > Lease/2 || took < Moment {
				t.Errorf("it took %v although all replicas live", took)
			}
			all()
			for _, k := range []string{"a/1", "a/2", "b/1"} {
				want := 1
				if strings.Contains(c.again, k) {
					want = 2
				}
				if n := f.asked(k); n != want {
					t.Errorf("%s: asked %d times, want %d", k, n, want)
				}
			}
		})
	}
}

func TestWhatIsAboutEveryoneIsVoidAfterAnyRevocation(t *testing.T) {
	t.Parallel()
	f := newFleet(t, newServer(t))
	asked := 0
	ask := func(r *replica) {
		t.Helper()
		if _, err := Load(r.State, Item{Kind: "bearer", Key: "k", Everyone: true}, plain, func(context.Context) (cache.Entry[string], error) {
			asked++
			return cache.Entry[string]{Value: "v", TTL: time.Hour}, nil
		})(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	a, b := f.replica(), f.replica()
	ask(a)
	ask(b)
	if asked != 1 {
		t.Errorf("asked %d times", asked)
	}
	for i, about := range [][2]*string{{nil, nil}, {ptr("x"), nil}, {nil, ptr("y")}, {ptr("x"), ptr("y")}} {
		if err := a.Revoke(t.Context(), Revocation{Token: about[0], Bucket: about[1]}); err != nil {
			t.Fatal(err)
		}
		ask(b)
		if asked != i+2 {
			t.Errorf("asked %d times after %d revocations", asked, i+1)
		}
	}
}

func TestAnAnswerThatComesAfterItsRevocationIsNotShared(t *testing.T) {
	f := newFleet(t, newServer(t))
	a, b := f.replica(), f.replica()
	asked, go_ := make(chan struct{}), make(chan struct{})
	var first atomic.Bool
	f.says(func(string) (string, time.Duration, error) {
		if first.CompareAndSwap(false, true) {
			close(asked)
			<-go_
			return "before", time.Hour, nil
		}
		return "after", time.Hour, nil
	})
	late := make(chan string, 1)
	go func() {
		v, _ := a.get(context.Background(), "alice", "photos")
		late <- v
	}()
	<-asked
	if err := b.Revoke(t.Context(), Revocation{Token: ptr("alice")}); err != nil {
		t.Fatal(err)
	}
	v, err := b.get(t.Context(), "alice", "photos")
	must(t, v, err, "after")
	close(go_)
	<-late
	for _, r := range []*replica{a, b, f.replica()} {
		v, err := r.get(t.Context(), "alice", "photos")
		must(t, v, err, "after")
	}
}

func TestARevocationWaitsForTheLeaseOfWhoeverDoesNotAnswer(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	f := newFleet(t, s)
	a, b := f.replica(), f.replica()
	for _, r := range []*replica{a, b} {
		v, err := r.get(t.Context(), "x", "y")
		must(t, v, err, "answer to x/y")
	}
	b.fallSilent()
	if err := a.Revoke(t.Context(), Revocation{Token: ptr("x")}); err != nil {
		t.Fatal(err)
	}
	if b.Generation() != 0 {
		t.Error("a replica may still use what was revoked")
	}
	short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	c := f.replica()
	c.fallSilent()
	if err := a.Revoke(short, Revocation{Token: ptr("x")}); !errors.Is(err, ErrUnconfirmed) {
		t.Errorf("got %v", err)
	}
}

func TestARevocationIsConfirmedOnlyWhenItIsApplied(t *testing.T) {
	t.Parallel()
	f := newFleet(t, newServer(t))
	applying, apply := make(chan struct{}), make(chan struct{})
	a := f.replica()
	f.replica(func(o *Options) {
		o.Forget = func([]Revocation) { close(applying); <-apply }
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- a.Revoke(ctx, Revocation{Token: ptr("x")}) }()
	<-applying
	select {
	case err := <-done:
		t.Errorf("got %v", err)
	case <-time.After(5 * Moment): // the rule is about time
	}
	cancel()
	if err := <-done; !errors.Is(err, ErrUnconfirmed) {
		t.Errorf("got %v", err)
	}
	close(apply)
}

func TestABeatEndsHoweverManyRevocationsCome(t *testing.T) {
	f := newFleet(t, newServer(t))
	a, b := f.replica(), f.replica()
	a.fallSilent()
	b.fallSilent() // it only revokes
	revoke := func() {
		if _, err := b.record(t.Context(), Revocation{Token: ptr("x")}); err != nil {
			t.Error(err)
		}
	}
	applied := 0
	a.o.Forget = func([]Revocation) {
		if applied++; applied < 20 {
			revoke()
		}
	}
	select {
	case <-a.wake: // of before
	default:
	}
	revoke()
	if err := a.beat(t.Context()); err != nil || applied != 2 {
		t.Errorf("%d revocations were applied, %v", applied, err)
	}
	select {
	case <-a.wake:
	default:
		t.Error("the next beat does not come at once")
	}
}

func TestNothingIsRevokedAtAServerThatIsAway(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	r := newFleet(t, s).replica()
	s.kill()
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond) // it tries for longer
	defer cancel()
	if err := r.Revoke(ctx, Revocation{}); !errors.Is(err, ErrNotRecorded) {
		t.Errorf("got %v", err)
	}
	if _, err := r.Use(t.Context(), "u", 1, time.Now().Add(time.Hour)); !errors.Is(err, ErrAway) {
		t.Errorf("got %v", err)
	}
	v, err := r.get(t.Context(), "a", "b")
	must(t, v, err, "answer to a/b")
}
