package creds

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"osp/go/callbacks"
	"osp/go/s3err"
	"osp/go/secret"
	"osp/go/shared"
)

// directory is an hmac_fetcher whose secrets change with every question.
type directory struct {
	mu      sync.Mutex
	calls   int
	delay   time.Duration
	expires time.Time
	ttl     *time.Duration
	err     error
}

func (d *directory) fetch(_ context.Context, q callbacks.HMACQuestion) (callbacks.Secret, error) {
	d.mu.Lock()
	d.calls++
	s, err := callbacks.Secret{Key: secret.NewText(fmt.Sprintf("%s#%d", q.AccessKey, d.calls)), Expires: d.expires, TTL: d.ttl}, d.err
	d.mu.Unlock()
	time.Sleep(d.delay)
	if err != nil {
		return callbacks.Secret{}, err
	}
	return s, nil
}

// keepSecret is how long these tests keep secrets.
const keepSecret = 5 * time.Minute

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
	c := NewClientKeys(d.fetch, keepSecret, Options{})
	keystore := map[string]secret.Value{"own": secret.New("kept")}
	if s, err := c.Secret(t.Context(), keystore, "own"); err != nil || s.Key.Reveal() != "kept" || d.asked() != 0 {
		t.Errorf("got %q, %v after %d questions", s.Key.Reveal(), err, d.asked())
	}
	if s, err := c.Secret(t.Context(), keystore, "other"); err != nil || s.Key.Reveal() != "other#1" {
		t.Errorf("got %q, %v", s.Key.Reveal(), err)
	}
}

func TestWithoutKeystoreAndFetcherNobodyIsKnown(t *testing.T) {
	c := NewClientKeys(nil, keepSecret, Options{})
	for _, key := range []string{"", "anybody"} {
		if _, err := c.Secret(t.Context(), nil, key); !errors.Is(err, callbacks.ErrUnknownKey) {
			t.Errorf("%q: %v", key, err)
		}
	}
}

func TestAFetchedSecretIsKeptForItsTTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &directory{}
		c := NewClientKeys(d.fetch, keepSecret, Options{})
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
		c.Forget(shared.Revocation{Token: named("k")})
		want("k#3")
		c.Forget(shared.Revocation{})
		want("k#4")
	})
}

func TestAFetchedSecretEndsAtItsExpiration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &directory{expires: time.Now().Add(10 * time.Second)}
		c := NewClientKeys(d.fetch, keepSecret, Options{})
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
		d := &directory{err: callbacks.ErrUnknownKey}
		c := NewClientKeys(d.fetch, keepSecret, Options{})
		for range 3 {
			if _, err := c.Secret(t.Context(), nil, "k"); !errors.Is(err, callbacks.ErrUnknownKey) || d.asked() != 1 {
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
		c := NewClientKeys(d.fetch, keepSecret, Options{})
		if _, err := c.Secret(t.Context(), nil, "k"); err != nil {
			t.Fatal(err)
		}
		d.fail(callbacks.ErrUnknownKey)
		time.Sleep(keepSecret * 95 / 100)
		_, _ = c.Secret(t.Context(), nil, "k") // served the old one, and begins the refresh
		synctest.Wait()
		if _, err := c.Secret(t.Context(), nil, "k"); !errors.Is(err, callbacks.ErrUnknownKey) {
			t.Errorf("after the refresh: %v", err)
		}
	})
}

func TestAnEmptySecretAdmitsNobody(t *testing.T) {
	c := NewClientKeys(func(context.Context, callbacks.HMACQuestion) (callbacks.Secret, error) {
		return callbacks.Secret{}, nil
	}, keepSecret, Options{})
	if _, err := c.Secret(t.Context(), nil, "k"); !errors.Is(err, callbacks.ErrUnknownKey) {
		t.Error(err)
	}
}

func TestAFetcherThatFailsRefusesAndIsAskedAgain(t *testing.T) {
	for _, c := range []struct {
		cause error
		want  *s3err.Error
	}{
		{errors.New("raised"), s3err.AccessDenied},
		{fmt.Errorf("late: %w", callbacks.ErrOverloaded), s3err.SlowDown},
	} {
		d := &directory{err: c.cause}
		keys := NewClientKeys(d.fetch, keepSecret, Options{})
		for i := range 2 {
			if _, err := keys.Secret(t.Context(), nil, "k"); !errors.Is(err, c.want) || d.asked() != i+1 {
				t.Errorf("%v: got %v after %d questions", c.cause, err, d.asked())
			}
		}
	}
}

func TestAScanOfRandomKeysDoesNotPushRealOnesOut(t *testing.T) {
	d := &directory{}
	c := NewClientKeys(d.fetch, keepSecret, Options{Capacity: 10})
	if _, err := c.Secret(t.Context(), nil, "real"); err != nil {
		t.Fatal(err)
	}
	d.fail(callbacks.ErrUnknownKey)
	for i := range 100 {
		if _, err := c.Secret(t.Context(), nil, fmt.Sprint(i)); !errors.Is(err, callbacks.ErrUnknownKey) {
			t.Fatal(err)
		}
	}
	if s, err := c.Secret(t.Context(), nil, "real"); err != nil || s.Key.Reveal() != "real#1" {
		t.Errorf("got %q, %v", s.Key.Reveal(), err)
	}
	if n := c.known.Len(); n > 20 {
		t.Errorf("%d entries are kept", n)
	}
}

func TestHowLongASecretIsKept(t *testing.T) {
	of := func(d time.Duration) *time.Duration { return &d }
	for _, c := range []struct {
		name    string
		ttl     time.Duration
		own     *time.Duration
		expires time.Duration
		want    time.Duration
	}{
		{"for the ttl", time.Minute, nil, 0, time.Minute},
		{"not at all with ttl 0", 0, nil, 0, 0},
		{"for its own ttl", time.Minute, of(time.Hour), 0, time.Hour},
		{"for its own ttl although there is none", 0, of(time.Minute), 0, time.Minute},
		{"not at all with its own ttl 0", time.Minute, of(0), 0, 0},
		{"until its expiration", time.Minute, of(time.Hour), time.Second, time.Second},
		{"not at all when it has expired", time.Minute, nil, -time.Second, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := &directory{ttl: c.own}
				if c.expires != 0 {
					d.expires = time.Now().Add(c.expires)
				}
				keys := NewClientKeys(d.fetch, c.ttl, Options{})
				ask := func(want int) {
					t.Helper()
					if _, err := keys.Secret(t.Context(), nil, "k"); err != nil || d.asked() != want {
						t.Fatalf("%v; asked %d times, want %d", err, d.asked(), want)
					}
				}
				ask(1)
				if c.want > 0 {
					time.Sleep(c.want * 7 / 10) // before it is renewed
					ask(1)
					time.Sleep(c.want)
				}
				ask(2)
			})
		})
	}
}

func TestASecretThatIsNotKeptServesItsAskerAlone(t *testing.T) {
	none := time.Duration(0)
	for name, c := range map[string]struct {
		ttl  time.Duration
		d    *directory
		want error
	}{
		"ttl 0":               {0, &directory{}, nil},
		"its own ttl 0":       {time.Minute, &directory{ttl: &none}, nil},
		"one that has ended":  {time.Minute, &directory{expires: time.Now().Add(-time.Hour)}, nil},
		"an exception":        {time.Minute, &directory{err: errors.New("raised")}, s3err.AccessDenied},
		"unknown, with ttl 0": {0, &directory{err: callbacks.ErrUnknownKey}, callbacks.ErrUnknownKey},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c.d.delay = time.Second
				if !c.d.expires.IsZero() {
					c.d.expires = time.Now().Add(-time.Hour)
				}
				keys := NewClientKeys(c.d.fetch, c.ttl, Options{})
				var mu sync.Mutex
				given := map[string]bool{}
				var wg sync.WaitGroup
				for i := range 20 {
					wg.Go(func() {
						s, err := keys.Secret(t.Context(), nil, "k")
						if !errors.Is(err, c.want) {
							t.Errorf("got %v", err)
						}
						mu.Lock()
						defer mu.Unlock()
						if err != nil {
							s.Key = secret.NewText(fmt.Sprint(i))
						}
						given[s.Key.Reveal()] = true
					})
				}
				wg.Wait()
				if d := c.d; d.asked() != 20 || len(given) != 20 {
					t.Errorf("asked %d times, %d different answers", d.asked(), len(given))
				}
			})
		})
	}
}

func TestALateNoEvictsNoSecretThatCameMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &directory{err: callbacks.ErrUnknownKey, delay: time.Minute}
		c := NewClientKeys(d.fetch, keepSecret, Options{})
		early := make(chan error, 1)
		go func() {
			_, err := c.Secret(t.Context(), nil, "k")
			early <- err
		}()
		synctest.Wait()
		d.fail(nil) // the key exists by now
		d.mu.Lock()
		d.delay = 0
		d.mu.Unlock()
		c.Forget(shared.Revocation{Token: named("k")})
		for range 2 { // the second one after the late answer
			if s, err := c.Secret(t.Context(), nil, "k"); err != nil || s.Key.Reveal() != "k#2" {
				t.Errorf("got %q, %v", s.Key.Reveal(), err)
			}
			if early != nil {
				if err := <-early; !errors.Is(err, callbacks.ErrUnknownKey) {
					t.Errorf("who came before: %v", err)
				}
				early = nil
			}
		}
	})
}

// Whoever has signed once is known, also when the secret was forgotten since.
func TestAScanOfRandomKeysKeepsNoClientWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &directory{}
		limited := callbacks.Set{HMACFetcher: func(ctx context.Context, q callbacks.HMACQuestion) (callbacks.Secret, error) {
			if q.AccessKey != "client" && q.AccessKey != "seen" {
				<-ctx.Done() // nobody answers about random keys
			}
			return d.fetch(ctx, q)
		}}.With(callbacks.Limits(8, 8, time.Hour))
		c := NewClientKeys(limited.HMACFetcher, time.Minute, Options{})
		for _, key := range []string{"client", "seen"} { // the secret of the second was found, but nobody has signed with it
			if _, err := c.Secret(t.Context(), nil, key); err != nil {
				t.Fatal(err)
			}
		}
		c.Verified(nil, "client")
		time.Sleep(2 * time.Minute)
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

// A request in a session asks that each time.
func TestWhetherAPairIsKnownTakesNoMemory(t *testing.T) {
	keystore := map[string]secret.Value{"alice": secret.New(strings.Repeat("s", 40)), "bob": secret.New("other")}
	c := NewClientKeys(nil, 0, Options{Capacity: 1})
	pair := PairOf(keystore, "alice")
	if n := testing.AllocsPerRun(100, func() {
		if !c.MayKnow(keystore, "alice", pair) || c.MayKnow(keystore, "bob", pair) || c.MayKnow(keystore, "alice", "") || c.MayKnow(keystore, "carol", "") {
			t.Fatal("the wrong answer")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
