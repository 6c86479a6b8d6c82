package creds

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"osp/go/hooks"
	"osp/go/s3err"
	"osp/go/secret"
)

// directory is an hmac_fetcher whose secrets change with every question.
type directory struct {
	mu      sync.Mutex
	calls   int
	expires time.Time
	err     error
}

func (d *directory) fetch(_ context.Context, accessKey string) (hooks.Secret, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.calls++
	if d.err != nil {
		return hooks.Secret{}, d.err
	}
	return hooks.Secret{Key: secret.New(fmt.Sprintf("%s#%d", accessKey, d.calls)), Expires: d.expires}, nil
}

func (d *directory) fail(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.err = err
}

func (d *directory) asked() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.calls
}

func TestTheKeystoreComesBeforeTheFetcher(t *testing.T) {
	d := &directory{}
	c := NewClientKeys(d.fetch, Options{})
	keystore := map[string]secret.Value{"own": secret.New("kept")}
	if s, err := c.Secret(t.Context(), keystore, "own"); err != nil || s.Key.Reveal() != "kept" || d.asked() != 0 {
		t.Errorf("got %q, %v after %d questions", s.Key.Reveal(), err, d.asked())
	}
	if s, err := c.Secret(t.Context(), keystore, "other"); err != nil || s.Key.Reveal() != "other#1" {
		t.Errorf("got %q, %v", s.Key.Reveal(), err)
	}
}

func TestWithoutKeystoreAndFetcherNobodyIsKnown(t *testing.T) {
	c := NewClientKeys(nil, Options{})
	for _, key := range []string{"", "anybody"} {
		if _, err := c.Secret(t.Context(), nil, key); !errors.Is(err, hooks.ErrUnknownKey) {
			t.Errorf("%q: %v", key, err)
		}
	}
}

func TestAFetchedSecretIsKeptForFiveMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &directory{}
		c := NewClientKeys(d.fetch, Options{})
		want := func(value string) {
			t.Helper()
			if s, err := c.Secret(t.Context(), nil, "k"); err != nil || s.Key.Reveal() != value {
				t.Fatalf("got %q, %v; want %q", s.Key.Reveal(), err, value)
			}
		}
		want("k#1")
		time.Sleep(keepSecret * 7 / 10)
		want("k#1")
		time.Sleep(keepSecret)
		want("k#2")
		c.Forget(named("k"))
		want("k#3")
		c.Forget(nil)
		want("k#4")
	})
}

func TestAFetchedSecretEndsAtItsExpiration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &directory{expires: time.Now().Add(10 * time.Second)}
		c := NewClientKeys(d.fetch, Options{})
		for range 2 {
			if _, err := c.Secret(t.Context(), nil, "k"); err != nil || d.asked() != 1 {
				t.Fatalf("%v after %d questions", err, d.asked())
			}
		}
		time.Sleep(11 * time.Second)
		if _, err := c.Secret(t.Context(), nil, "k"); err != nil || d.asked() != 2 {
			t.Errorf("%v after %d questions, want 2", err, d.asked())
		}
	})
}

func TestAnUnknownKeyIsRememberedForSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &directory{err: hooks.ErrUnknownKey}
		c := NewClientKeys(d.fetch, Options{})
		for range 3 {
			if _, err := c.Secret(t.Context(), nil, "k"); !errors.Is(err, hooks.ErrUnknownKey) || d.asked() != 1 {
				t.Fatalf("%v after %d questions", err, d.asked())
			}
		}
		d.fail(nil)
		time.Sleep(keepUnknown)
		if _, err := c.Secret(t.Context(), nil, "k"); err != nil {
			t.Errorf("a key that is known by now: %v", err)
		}
	})
}

func TestAWithdrawnKeyEndsWithTheNextRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &directory{}
		c := NewClientKeys(d.fetch, Options{})
		if _, err := c.Secret(t.Context(), nil, "k"); err != nil {
			t.Fatal(err)
		}
		d.fail(hooks.ErrUnknownKey)
		time.Sleep(keepSecret * 95 / 100)
		_, _ = c.Secret(t.Context(), nil, "k") // served the old one, and begins the refresh
		synctest.Wait()
		if _, err := c.Secret(t.Context(), nil, "k"); !errors.Is(err, hooks.ErrUnknownKey) {
			t.Errorf("after the refresh: %v", err)
		}
	})
}

func TestAnEmptySecretAdmitsNobody(t *testing.T) {
	c := NewClientKeys(func(context.Context, string) (hooks.Secret, error) { return hooks.Secret{}, nil }, Options{})
	if _, err := c.Secret(t.Context(), nil, "k"); !errors.Is(err, hooks.ErrUnknownKey) {
		t.Error(err)
	}
}

func TestAFetcherThatFailsRefusesAndIsAskedAgain(t *testing.T) {
	for _, c := range []struct {
		cause error
		want  *s3err.Error
	}{
		{errors.New("raised"), s3err.AccessDenied},
		{fmt.Errorf("late: %w", hooks.ErrOverloaded), s3err.SlowDown},
	} {
		d := &directory{err: c.cause}
		keys := NewClientKeys(d.fetch, Options{})
		for i := range 2 {
			if _, err := keys.Secret(t.Context(), nil, "k"); !errors.Is(err, c.want) || d.asked() != i+1 {
				t.Errorf("%v: got %v after %d questions", c.cause, err, d.asked())
			}
		}
	}
}

func TestAScanOfRandomKeysDoesNotPushRealOnesOut(t *testing.T) {
	d := &directory{}
	c := NewClientKeys(d.fetch, Options{Capacity: 10})
	if _, err := c.Secret(t.Context(), nil, "real"); err != nil {
		t.Fatal(err)
	}
	d.fail(hooks.ErrUnknownKey)
	for i := range 100 {
		if _, err := c.Secret(t.Context(), nil, fmt.Sprint(i)); !errors.Is(err, hooks.ErrUnknownKey) {
			t.Fatal(err)
		}
	}
	if s, err := c.Secret(t.Context(), nil, "real"); err != nil || s.Key.Reveal() != "real#1" {
		t.Errorf("got %q, %v", s.Key.Reveal(), err)
	}
	if n := c.known.Len() + c.unknown.Len(); n > 20 {
		t.Errorf("%d entries are kept", n)
	}
}

// Whoever has signed once is known, also when the secret was forgotten since.
func TestAScanOfRandomKeysKeepsNoClientWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &directory{}
		limited := hooks.Limited(hooks.Hooks{Secret: func(ctx context.Context, accessKey string) (hooks.Secret, error) {
			if accessKey != "client" && accessKey != "seen" {
				<-ctx.Done() // nobody answers about random keys
			}
			return d.fetch(ctx, accessKey)
		}}, 8, 8, time.Hour)
		c := NewClientKeys(limited.Secret, Options{})
		for _, key := range []string{"client", "seen"} { // the secret of the second was found, but nobody has signed with it
			if _, err := c.Secret(t.Context(), nil, key); err != nil {
				t.Fatal(err)
			}
		}
		c.Verified(nil, "client")
		time.Sleep(2 * keepSecret)
		for i := range 1000 {
			go func() { _, _ = c.Secret(t.Context(), nil, fmt.Sprint(i)) }()
		}
		time.Sleep(time.Second)
		if s, err := c.Secret(t.Context(), nil, "client"); err != nil || s.Key.Reveal() != "client#3" {
			t.Errorf("the client: got %q, %v", s.Key.Reveal(), err)
		}
		if _, err := c.Secret(t.Context(), nil, "seen"); !errors.Is(err, s3err.SlowDown) {
			t.Errorf("a key that was only seen: %v", err)
		}
		time.Sleep(2 * time.Hour) // those who wait give up
	})
}
