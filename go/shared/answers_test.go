package shared

import (
	"context"
	"testing"
	"time"

	"osp/go/cache"
)

func TestReplicasThatKeepAnswersForAnotherTimeShareNone(t *testing.T) {
	f := newFleet(t, newServer(t))
	for _, ttl := range []time.Duration{time.Hour, time.Second, time.Hour} {
		item := itemOf("a", "b")
		item.TTL = ttl
		e, err := Load(f.replica().State, item, plain, func(context.Context) (cache.Entry[string], error) {
			return cache.Entry[string]{Value: "of " + ttl.String(), TTL: ttl}, nil
		})(t.Context())
		must(t, e.Value, err, "of "+ttl.String())
	}
}

func TestTheAgeOfAnAnswerCountsFromBeforeItWasLookedFor(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	f := newFleet(t, s)
	v, err := f.replica().get(t.Context(), "x", "y")
	must(t, v, err, "answer to x/y")
	way := newRelay(t, s.socket)
	r := f.replica(by(way))
	const slow = 100 * time.Millisecond
	way.setSlow(slow)
	codec, age := plain, time.Duration(0)
	codec.Decode = func(b []byte, since time.Duration) (string, bool) { age = since; return string(b), true }
	e, err := Load(r.State, itemOf("x", "y"), codec, nil)(t.Context())
	must(t, e.Value, err, "answer to x/y")
	if age < slow || e.TTL > time.Hour-slow {
		t.Errorf("it is %v old and lasts %v", age, e.TTL)
	}
}
