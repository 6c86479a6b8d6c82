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

// first gets "1".
func first(t *testing.T, k *Keeper[string, string]) {
	t.Helper()
	if g, err := k.Get(t.Context(), "key", time.Time{}); err != nil || g.Value != "1" {
		t.Fatalf("got %q, %v", g.Value, err)
	}
}

func isFirst(v string) bool { return v == "1" }

// A store's refusal may be what a client made it: nobody else pays for it.
func TestAGrantThatAStoreRefusesServesUntilThereIsAnother(t *testing.T) {
	for name, c := range map[string]struct {
		fault hourly
		want  error
		asks  int
	}{
		"refused": {hourly{refused: "by the service"}, s3err.AccessDenied, 1},
		"away":    {hourly{err: errors.New("status 503")}, s3err.ServiceUnavailable, Attempts},
	} {
		synctest.Test(t, func(t *testing.T) {
			h, asked := &hourly{}, 0
			k := keeper(func(ctx context.Context, given string) (Grant[string], time.Duration, error) {
				asked++
				return h.ask(ctx, given)
			}, Options{})
			first(t, k)
			time.Sleep(KeepRefusal)
			h.refused, h.err, asked = c.fault.refused, c.fault.err, 0
			for range 10 {
				if err := k.Reject(t.Context(), "key", isFirst); !errors.Is(err, c.want) {
					t.Errorf("%s: got %v", name, err)
				}
				first(t, k)
			}
			if asked != c.asks {
				t.Errorf("%s: the service was asked %d times", name, asked)
			}
			h.refused, h.err = "", nil
			time.Sleep(KeepRefusal)
			if err := k.Reject(t.Context(), "key", isFirst); err != nil {
				t.Errorf("%s: later: %v", name, err)
			}
			if g, err := k.Get(t.Context(), "key", time.Time{}); err != nil || g.Value != "2" {
				t.Errorf("%s: later: got %q, %v", name, g.Value, err)
			}
		})
	}
}

func TestNobodyWaitsForTheExchangeThatAnothersRefusalCaused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, slow := &hourly{}, time.Duration(0)
		k := keeper(func(ctx context.Context, given string) (Grant[string], time.Duration, error) {
			time.Sleep(slow)
			return h.ask(ctx, given)
		}, Options{})
		first(t, k)
		time.Sleep(KeepRefusal)
		slow = time.Second
		for range 2 { // those whose grant was refused share an exchange
			go func() {
				if err := k.Reject(t.Context(), "key", isFirst); err != nil {
					t.Error(err)
				}
			}()
		}
		synctest.Wait()
		begun := time.Now()
		first(t, k)
		if waited := time.Since(begun); waited != 0 {
			t.Errorf("waited %v", waited)
		}
		time.Sleep(slow)
		synctest.Wait()
		if g, err := k.Get(t.Context(), "key", time.Time{}); err != nil || g.Value != "2" || h.given != 2 {
			t.Errorf("got %q, %v after %d exchanges", g.Value, err, h.given)
		}
	})
}

func TestWhoWantsALaterGrantTakesNobodysAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &hourly{}
		k := keeper(h.ask, Options{})
		first(t, k)
		time.Sleep(time.Second)
		after := time.Now()
		for _, fault := range []hourly{{refused: "by the service"}, {err: errors.New("status 503")}} {
			h.refused, h.err = fault.refused, fault.err
			if g, err := k.Get(t.Context(), "key", after); err == nil {
				t.Errorf("got %q", g.Value)
			}
			first(t, k)
			time.Sleep(KeepRefusal)
		}
		h.refused, h.err = "", nil
		if g, err := k.Get(t.Context(), "key", after); err != nil || g.Value != "2" {
			t.Errorf("got %q, %v", g.Value, err)
		}
		if g, err := k.Get(t.Context(), "key", time.Time{}); err != nil || g.Value != "2" {
			t.Errorf("the others: got %q, %v", g.Value, err)
		}
	})
}

// Each of two revocations within a few seconds is followed by an exchange of its own.
func TestALaterGrantIsNoOlderThanTheLastRevocation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := keeper((&hourly{}).ask, Options{})
		first(t, k)
		for _, want := range []string{"2", "3"} {
			time.Sleep(KeepRefusal / 5)
			if g, err := k.Get(t.Context(), "key", time.Now()); err != nil || g.Value != want {
				t.Errorf("got %q, %v instead of %s", g.Value, err, want)
			}
		}
	})
}

func TestAShortGrantServesForHalfOfItsLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		given := 0
		k := keeper(func(context.Context, string) (Grant[string], time.Duration, error) {
			given++
			return Grant[string]{Value: fmt.Sprint(given), Asked: time.Now(), Expires: time.Now().Add(10 * time.Second)}, 0, nil
		}, Options{})
		for range 10 {
			first(t, k)
		}
		time.Sleep(5 * time.Second)
		if g, err := k.Get(t.Context(), "key", time.Time{}); err != nil || g.Value != "2" {
			t.Errorf("got %q, %v", g.Value, err)
		}
	})
}
