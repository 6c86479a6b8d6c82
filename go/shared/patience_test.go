package shared

import (
	"context"
	"errors"
	"testing"
	"time"

	"osp/go/cache"
)

// What one replica asks is not answered. Whoever waits for it at another one asks,
// too, while there is time, and knows how much that is.
func TestWaitingAndAnOwnQuestionTakeNoLongerThanAQuestion(t *testing.T) {
	t.Parallel()
	const patience = 2 * time.Second
	for name, c := range map[string]struct{ callbacks, item time.Duration }{
		"a callback's":    {patience, 0},
		"the item's own":  {time.Hour, patience},
		"a slower item's": {time.Millisecond, patience},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t, newServer(t))
			set := func(o *Options) { o.Patience = c.callbacks }
			a, b := f.replica(set), f.replica(set)
			asked, answer := make(chan struct{}), make(chan struct{})
			f.says(func(string) (string, time.Duration, error) {
				close(asked)
				<-answer
				return "", 0, errors.New("late")
			})
			done := make(chan struct{})
			go func() { defer close(done); _, _ = a.get(context.Background(), "x", "y") }()
			<-asked
			item, begun := itemOf("x", "y"), time.Now()
			item.Patience = c.item
			e, err := Load(b.State, item, plain, func(ctx context.Context) (cache.Entry[string], error) {
				end, ok := ctx.Deadline()
				if left := time.Until(end); !ok || end.Sub(begun) > patience+patience/10 || left < patience/4 {
					t.Errorf("it has %v left until %v (%v)", left, end.Sub(begun), ok)
				}
				return cache.Entry[string]{Value: "own", TTL: time.Hour}, nil
			})(t.Context())
			must(t, e.Value, err, "own")
			close(answer)
			<-done
		})
	}
}

// What one replica asks takes longer than another one waits for it, and longer than
// that has left then.
func TestAnAnswerThatCameDuringAnOwnQuestionIsUsedWhenThatFails(t *testing.T) {
	t.Parallel()
	f := newFleet(t, newServer(t))
	set := func(o *Options) { o.Patience = 100 * time.Millisecond }
	a, b := f.replica(set), f.replica(set)
	asked, answer, done := make(chan struct{}), make(chan struct{}), make(chan struct{})
	f.says(func(string) (string, time.Duration, error) {
		close(asked)
		<-answer
		return "slow", time.Hour, nil
	})
	go func() { defer close(done); _, _ = a.get(context.Background(), "x", "y") }()
	<-asked
	e, err := Load(b.State, itemOf("x", "y"), plain, func(ctx context.Context) (cache.Entry[string], error) {
		close(answer)
		<-done
		<-ctx.Done()
		return cache.Entry[string]{}, ctx.Err()
	})(t.Context())
	must(t, e.Value, err, "slow")
}

// Its marker is gone, so others are not told that it failed.
func TestARenewalThatFailedIsNotAskedForAgain(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	r := newFleet(t, s).replica()
	item, broken, calls := itemOf("x", "y"), errors.New("raised"), 0
	_, err := Load(r.State, item, plain, func(context.Context) (cache.Entry[string], error) {
		return cache.Entry[string]{Value: "old", TTL: time.Hour, RefreshAfter: time.Millisecond}, nil
	})(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	keys := r.keys(r.at.Load().log, item)
	fails := func(lose string) (string, error) {
		t.Helper()
		calls = 0
		var e cache.Entry[string]
		var err error
		eventually(t, "it is not renewed", func() bool {
			e, err = Load(r.State, item, plain, func(context.Context) (cache.Entry[string], error) {
				calls++
				s.command("DEL", keys.marker, lose)
				return cache.Entry[string]{}, broken
			})(t.Context())
			return calls > 0
		})
		if calls != 1 {
			t.Errorf("asked %d times", calls)
		}
		return e.Value, err
	}
	v, err := fails("nothing else")
	must(t, v, err, "old")
	if _, err = fails(keys.value); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

func TestAQuestionThatWaitsForNobodyHasAllItsTime(t *testing.T) {
	r := newFleet(t, newServer(t)).replica()
	_, err := Load(r.State, itemOf("x", "y"), plain, func(ctx context.Context) (cache.Entry[string], error) {
		if end, ok := ctx.Deadline(); ok {
			t.Errorf("it has to end at %v", end)
		}
		return cache.Entry[string]{Value: "v", TTL: time.Hour}, nil
	})(t.Context())
	if err != nil {
		t.Fatal(err)
	}
}
