package grants

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"osp/go/s3err"
)

type asker = func(context.Context, string) (Grant[string], time.Duration, error)

func keeper(ask asker, o Options) *Keeper[string, string] {
	return New(Service[string, string]{
		Name: "the service", Refusal: "refused", Ask: ask,
		Encode: func(v string) []byte { return []byte(v) },
		Decode: func(b []byte) (string, bool) { return string(b), len(b) > 0 },
	}, o)
}

// hourly grants "1", "2" and so on for an hour each, unless fault says otherwise.
type hourly struct {
	given   int
	refused string
	err     error
}

func (h *hourly) ask(context.Context, string) (Grant[string], time.Duration, error) {
	now := time.Now()
	if h.err != nil || h.refused != "" {
		return Grant[string]{Asked: now, Refused: h.refused}, 0, h.err
	}
	h.given++
	return Grant[string]{Value: fmt.Sprint(h.given), Asked: now, Expires: now.Add(time.Hour)}, 0, nil
}

func TestAnOutageIsNotWaitedForPastADeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := keeper(func(context.Context, string) (Grant[string], time.Duration, error) {
			return Grant[string]{}, time.Second, errors.New("status 503")
		}, Options{})
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		begun := time.Now()
		if _, err := k.load(ctx, "key"); !errors.Is(err, s3err.ServiceUnavailable) {
			t.Errorf("got %v", err)
		}
		if took := time.Since(begun); took != 1500*time.Millisecond {
			t.Errorf("it took %v", took)
		}
	})
}

func TestAServiceThatHangsIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := keeper(func(ctx context.Context, _ string) (Grant[string], time.Duration, error) {
			ctx, cancel := context.WithTimeout(ctx, attemptTime)
			defer cancel()
			<-ctx.Done()
			return Grant[string]{}, 0, ctx.Err()
		}, Options{})
		begun := time.Now()
		if _, err := k.Get(t.Context(), "key", time.Time{}); !errors.Is(err, s3err.ServiceUnavailable) {
			t.Errorf("got %v", err)
		}
		if took := time.Since(begun); took != longestLoad {
			t.Errorf("it took %v", took)
		}
	})
}

func TestARefusedRenewalLeavesTheGrantUntilItEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &hourly{}
		k := keeper(h.ask, Options{})
		if _, err := k.Get(t.Context(), "key", time.Time{}); err != nil {
			t.Fatal(err)
		}
		h.refused = "by the service"
		time.Sleep(55 * time.Minute)
		for range 4 {
			if g, err := k.Get(t.Context(), "key", time.Time{}); err != nil || g.Value != "1" {
				t.Errorf("got %q, %v", g.Value, err)
			}
			synctest.Wait()
			time.Sleep(time.Minute)
		}
		time.Sleep(time.Minute)
		if _, err := k.Get(t.Context(), "key", time.Time{}); !errors.Is(err, s3err.AccessDenied) {
			t.Errorf("after its end: %v", err)
		}
		h.refused = ""
		time.Sleep(KeepRefusal)
		if g, err := k.Get(t.Context(), "key", time.Time{}); err != nil || g.Value != "2" {
			t.Errorf("granted again: %q, %v", g.Value, err)
		}
	})
}

func TestARefusalAfterTheStoresIsOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &hourly{}
		k := keeper(h.ask, Options{})
		if _, err := k.Get(t.Context(), "key", time.Time{}); err != nil {
			t.Fatal(err)
		}
		h.refused = "by the service"
		time.Sleep(KeepRefusal)
		k.Reject("key", func(v string) bool { return v == "1" })
		if _, err := k.Get(t.Context(), "key", time.Time{}); !errors.Is(err, s3err.AccessDenied) {
			t.Errorf("got %v", err)
		}
	})
}
