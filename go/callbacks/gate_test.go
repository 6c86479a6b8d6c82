package callbacks

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// queued has each of these ask, one after the other, and returns what makes it
// leave.
func queued(t *testing.T, h Set, names ...string) map[string]func() {
	leave := make(map[string]func(), len(names))
	for _, name := range names {
		ctx, cancel := context.WithCancel(t.Context())
		leave[name] = cancel
		go func() {
			defer cancel()
			_, _ = h.Validator(ctx, &Request{Token: name})
		}()
		synctest.Wait()
	}
	return leave
}

func TestTheFirstToComeIsTheFirstToBeAsked(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		var order []string
		end := make(chan struct{})
		h := allowing(func(_ context.Context, token string) (Decision, error) {
			order = append(order, token) // one at a time
			<-end
			return Decision{Allow: true}, nil
		}).With(Limits(1, 10, time.Hour))
		leave := queued(t, h, "a", "b", "c", "d", "e", "f")
		leave["b"]()
		leave["d"]()
		leave["f"]()
		synctest.Wait()
		close(end)
		synctest.Wait()
		if !slices.Equal(order, []string{"a", "c", "e"}) {
			t.Errorf("asked: %v", order)
		}
	})
}

func TestClientsTakeTurns(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		var order []string
		end := make(chan struct{})
		h := allowing(func(_ context.Context, token string) (Decision, error) {
			order = append(order, token) // one at a time
			<-end
			return Decision{Allow: true}, nil
		}).With(Limits(1, 20, time.Hour))
		queued(t, h, "greedy", "greedy", "greedy", "greedy", "calm", "greedy", "quiet")
		close(end)
		synctest.Wait()
		if !slices.Equal(order, []string{"greedy", "greedy", "calm", "quiet", "greedy", "greedy", "greedy"}) {
			t.Errorf("asked: %v", order)
		}
	})
}

func TestInAFullQueueTheClientWithMostMakesRoom(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		end := make(chan struct{})
		h := allowing(func(context.Context, string) (Decision, error) {
			<-end
			return Decision{Allow: true}, nil
		}).With(Limits(1, 3, time.Hour))
		var mu sync.Mutex
		results := make(map[string][]error)
		for _, token := range []string{"greedy", "greedy", "greedy", "greedy", "calm", "greedy"} {
			go func() {
				_, err := h.Validator(t.Context(), &Request{Token: token})
				mu.Lock()
				defer mu.Unlock()
				results[token] = append(results[token], err)
			}()
			synctest.Wait()
		}
		if got := results["greedy"]; len(got) != 2 || !errors.Is(got[0], ErrOverloaded) || !errors.Is(got[1], ErrOverloaded) {
			t.Errorf("while all places are taken: %v", results)
		}
		close(end)
		synctest.Wait()
		if got := results["calm"]; len(got) != 1 || got[0] != nil || len(results["greedy"]) != 5 {
			t.Errorf("%v", results)
		}
	})
}

func TestWhatWaitedForTooLongIsNotAskedAnyMore(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		asked := 0
		end := make(chan struct{})
		h := allowing(func(context.Context, string) (Decision, error) {
			asked++ // one at a time
			<-end
			return Decision{Allow: true}, nil
		}).With(Limits(1, 10, time.Minute))
		queued(t, h, "a", "b", "c")
		time.Sleep(2 * time.Minute)
		close(end)
		synctest.Wait()
		if asked != 1 {
			t.Errorf("asked %d times", asked)
		}
	})
}

func TestACallbackThatEndsItsGoroutineHoldsUpNobodyBehind(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		end := make(chan struct{})
		h := allowing(func(_ context.Context, token string) (Decision, error) {
			if token == "ends" {
				<-end
				runtime.Goexit()
			}
			return Decision{Allow: true}, nil
		}).With(Limits(1, 10, time.Hour))
		var errs [3]error
		for i, token := range []string{"ends", "behind", "behind"} {
			go func() { _, errs[i] = h.Validator(t.Context(), &Request{Token: token}) }()
			synctest.Wait()
		}
		close(end)
		synctest.Wait()
		if !errors.Is(errs[0], errNoAnswer) || errs[1] != nil || errs[2] != nil {
			t.Errorf("got %v", errs)
		}
	})
}

func TestWhatIsAskedHasTheAskersValuesAndAnEndOfItsOwn(t *testing.T) {
	type name struct{}
	inBubble(t, func(t *testing.T) {
		asked := make(chan context.Context)
		answer := make(chan struct{})
		h := allowing(func(ctx context.Context, _ string) (Decision, error) {
			asked <- ctx
			<-answer
			return Decision{Allow: true}, nil
		}).With(Limits(2, 10, time.Minute))
		begin := func() (seen, child context.Context) {
			ctx, leave := context.WithCancel(context.WithValue(t.Context(), name{}, "asker"))
			go func() { _, _ = h.Validator(ctx, &Request{Token: "client"}) }()
			seen = <-asked
			child, cancel := context.WithCancel(seen)
			t.Cleanup(cancel)
			leave()
			synctest.Wait()
			if end, ok := seen.Deadline(); !ok || !end.Equal(time.Now().Add(time.Minute)) || seen.Value(name{}) != "asker" || child.Err() != nil {
				t.Errorf("it ends at %v, with %v: %v", end, seen.Value(name{}), child.Err())
			}
			return seen, child
		}
		late, lateChild := begin()
		<-late.Done()
		synctest.Wait()
		if late.Err() != context.DeadlineExceeded || lateChild.Err() != context.DeadlineExceeded || context.Cause(late) != context.DeadlineExceeded {
			t.Errorf("after the deadline: %v", late.Err())
		}
		answer <- struct{}{}
		inTime, inTimeChild := begin()
		answer <- struct{}{}
		<-inTime.Done()
		synctest.Wait()
		if inTime.Err() != context.Canceled || inTimeChild.Err() != context.Canceled {
			t.Errorf("after the answer: %v", inTime.Err())
		}
	})
}
