package shared

import (
	"context"
	"strings"
	"testing"
	"time"

	"osp/go/cache"
)

// In the middle of a change of keys, with the ring from before it.
func TestAnExaminationTellsOfAnotherKeyringAndCostsTheFleetNothing(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	f := newFleet(t, s)
	sessions := 0
	everything := func(r *replica) {
		t.Helper()
		v, err := r.get(t.Context(), "x", "y")
		must(t, v, err, "answer to x/y")
		_, err = Load(r.State, Item{Kind: "session", Key: "role", Everyone: true}, plain, func(context.Context) (cache.Entry[string], error) {
			sessions++
			return cache.Entry[string]{Value: "keys", TTL: time.Hour}, nil
		})(t.Context())
		if err != nil {
			t.Fatal(err)
		}
	}
	everything(f.replica(ring(t, "k2", "k1")))
	last := f.replica(ring(t, "k1", "k2"))
	at := *last.at.Load()
	o := last.o
	o.Keyring = keyring(t, "k1")
	report := Examine(t.Context(), o)
	if len(report.Problems) != 1 || !strings.Contains(report.Problems[0], "a key that shared_keys lacks") || report.Replicas != 2 {
		t.Errorf("got %+v", report)
	}
	everything(f.replica(ring(t, "k2", "k1")))
	if n := f.asked("x/y"); n != 1 || sessions != 1 {
		t.Errorf("asked %d and %d times", n, sessions)
	}
	if now := *last.at.Load(); now != at {
		t.Errorf("the log was at %+v, and is at %+v", at, now)
	}
	staysForEver(t, s, o.Namespace)
}

func staysForEver(t *testing.T, s *server, namespace string) {
	t.Helper()
	c := s.client()
	keys, err := c.Do(t.Context(), c.B().Keys().Pattern("*}:examination:*").Build()).AsStrSlice()
	if err != nil || len(keys) == 0 {
		t.Fatal(keys, err)
	}
	for _, key := range keys {
		if ttl, err := c.Do(t.Context(), c.B().Ttl().Key(key).Build()).AsInt64(); err != nil || ttl < 0 {
			t.Errorf("%s stays: %v", strings.TrimPrefix(key, "osp:{"+namespace+"}:"), err)
		}
	}
}

func TestAnExaminationFindsNothingWhereAllIsWell(t *testing.T) {
	t.Parallel()
	f := newFleet(t, newServer(t))
	r := f.replica(ring(t, "k2", "k1"))
	v, err := r.get(t.Context(), "x", "y")
	must(t, v, err, "answer to x/y")
	report := Examine(t.Context(), r.o)
	if len(report.Problems) != 0 || report.Replicas != 1 {
		t.Errorf("got %+v", report)
	}
}
