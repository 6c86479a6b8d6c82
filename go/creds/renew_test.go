package creds

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"osp/go/callbacks"
	"osp/go/s3err"
	"osp/go/secret"
	"osp/go/stores"
)

// rotating is a fetcher whose keys change.
type rotating struct {
	mu    sync.Mutex
	key   string
	delay time.Duration
	calls int
	err   error
}

func (o *rotating) fetch(context.Context, callbacks.BucketCredsQuestion) (secret.Text, error) {
	o.mu.Lock()
	o.calls++
	answer, err := secret.NewText(`{"access_key": "`+o.key+`", "secret_key": "s"}`), o.err
	o.mu.Unlock()
	time.Sleep(o.delay)
	return answer, err
}

func (o *rotating) set(key string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.key = key
}

func mustFor(t *testing.T, r *Resolver, b *stores.Bucket) Credentials {
	t.Helper()
	c, err := r.For(t.Context(), b, "t")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestRefusedCredentialsAreRenewedOnceForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &rotating{key: "old", delay: time.Second}
		r, b := New(o.fetch, noBearer, nil, Options{}), bucket("b", time.Hour)
		used := mustFor(t, r, b)
		o.set("new")
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				fresh, changed, err := r.Renew(t.Context(), b, "t", used, true)
				if err != nil || !changed || fresh.AccessKey != "new" {
					t.Errorf("got %+v, %v, %v", fresh, changed, err)
				}
			})
		}
		wg.Wait()
		if got := mustFor(t, r, b); got.AccessKey != "new" || o.calls != 2 {
			t.Errorf("%s is kept after %d calls", got.AccessKey, o.calls)
		}
	})
}

func TestAQuestionFromBeforeTheRotationIsNotTheLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &rotating{key: "old"}
		r, b := New(o.fetch, noBearer, nil, Options{}), bucket("b", time.Minute)
		used := mustFor(t, r, b)
		time.Sleep(2 * time.Minute) // it has expired: the next request asks
		o.delay = time.Second
		go func() {
			if _, err := r.For(t.Context(), b, "t"); err != nil {
				t.Error(err)
			}
		}()
		synctest.Wait()
		o.set("new") // but the answer to that request is made
		fresh, changed, err := r.Renew(t.Context(), b, "t", used, true)
		if err != nil || !changed || fresh.AccessKey != "new" {
			t.Errorf("got %+v, %v, %v", fresh, changed, err)
		}
	})
}

func TestTheSameCredentialsAgainAreNotAskedForByEveryRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &rotating{key: "old"}
		r, b := New(o.fetch, noBearer, nil, Options{}), bucket("b", time.Hour)
		used := mustFor(t, r, b)
		renew := func() {
			if _, changed, err := r.Renew(t.Context(), b, "t", used, true); changed || err != nil {
				t.Fatalf("got %v, %v", changed, err)
			}
		}
		for range 100 {
			renew()
		}
		if o.calls != 3 {
			t.Errorf("%d calls", o.calls)
		}
		time.Sleep(keepConfirmed)
		o.set("new")
		if fresh, changed, err := r.Renew(t.Context(), b, "t", used, true); err != nil || !changed || fresh.AccessKey != "new" {
			t.Errorf("later: %+v, %v, %v", fresh, changed, err)
		}
	})
}

func TestWhereTheStoreDoesNotSayWhyTheOwnerIsSparedForLonger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &rotating{key: "old", delay: 5 * time.Second} // and, being slow, for longer still
		r, b := New(o.fetch, noBearer, nil, Options{}), bucket("b", time.Hour)
		used := mustFor(t, r, b)
		for range 60 {
			if _, changed, err := r.Renew(t.Context(), b, "t", used, false); changed || err != nil {
				t.Fatalf("got %v, %v", changed, err)
			}
			time.Sleep(time.Second)
		}
		if o.calls > 1+3*2 {
			t.Errorf("%d calls", o.calls)
		}
	})
}

func TestCredentialsThatWereConfirmedDoNotTakeThePlaceOfNewerOnes(t *testing.T) {
	o := &rotating{key: "old"}
	r, b := New(o.fetch, noBearer, nil, Options{}), bucket("b", time.Hour)
	old := mustFor(t, r, b)
	renew := func(used Credentials, certain, want bool) Credentials {
		t.Helper()
		c, changed, err := r.Renew(t.Context(), b, "t", used, certain)
		if err != nil || changed != want {
			t.Errorf("got %+v, %v, %v", c, changed, err)
		}
		return c
	}
	renew(old, false, false)
	o.set("new")
	fresh := renew(old, true, true)
	if again := renew(fresh, false, false); again.AccessKey != "new" {
		t.Errorf("got %+v", again)
	}
}

func TestRefusedBearerTokensAreExchangedAgain(t *testing.T) {
	apiKey := func(context.Context, callbacks.BucketCredsQuestion) (secret.Text, error) {
		return secret.NewText("K"), nil
	}
	for name, entry := range map[string]*stores.Bucket{
		"of the entry":   {Name: "b", APIKey: secret.New("K"), TTL: time.Hour},
		"of the fetcher": bucket("b", time.Hour),
	} {
		r := New(apiKey, &tokens{}, nil, Options{})
		used := mustFor(t, r, entry)
		fresh, changed, err := r.Renew(t.Context(), entry, "t", used, true)
		if err != nil || !changed || fresh.Bearer.Reveal() != "bearer of K#1" {
			t.Errorf("%s: %v, %v, %v", name, fresh.Bearer.Reveal(), changed, err)
		}
	}
}

func TestWhatCannotBeRenewed(t *testing.T) {
	o := &rotating{key: "old"}
	r := New(o.fetch, noBearer, nil, Options{})
	own := &stores.Bucket{AccessKey: "AK", SecretKey: secret.New("SK")}
	if _, changed, err := r.Renew(t.Context(), own, "t", mustFor(t, r, own), true); changed || err != nil || o.calls != 0 {
		t.Errorf("the entry's own: %v, %v after %d calls", changed, err, o.calls)
	}
	b := bucket("b", time.Hour)
	used := mustFor(t, r, b)
	o.err = errors.New("raised")
	if _, _, err := r.Renew(t.Context(), b, "t", used, true); !errors.Is(err, s3err.AccessDenied) {
		t.Errorf("a fetcher that fails: %v", err)
	}
}
