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
	f := newFleet(t, newServer(t))
	set := func(o *Options) { o.Patience = patience }
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
	begun := time.Now()
	e, err := Load(b.State, itemOf("x", "y"), plain, func(ctx context.Context) (cache.Entry[string], error) {
		end, ok := ctx.Deadline()
		if left := time.Until(end); !ok || end.Sub(begun) > patience+patience/10 || left < patience/4 {
			t.Errorf("it has %v left until %v (%v)", left, end.Sub(begun), ok)
		}
		return cache.Entry[string]{Value: "own", TTL: time.Hour}, nil
	})(t.Context())
	must(t, e.Value, err, "own")
	close(answer)
	<-done
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
