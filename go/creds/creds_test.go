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
	"osp/go/stores"
)

// owner is a fetcher that gives each token and bucket its own pair.
type owner struct {
	mu    sync.Mutex
	calls int
	extra string // more JSON fields
	err   error
}

func (o *owner) fetch(_ context.Context, q callbacks.BucketCredsQuestion) (secret.Text, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.calls++
	return secret.NewText(fmt.Sprintf(`{"access_key": "%s@%s#%d", "secret_key": "s"%s}`, q.Token, q.Bucket, o.calls, o.extra)), o.err
}

// tokens is a token service that numbers what it gives.
type tokens struct {
	given   int
	expires time.Time
	after   time.Time // as it was told last
	err     error
}

func (b *tokens) Token(_ context.Context, apiKey secret.Value, after time.Time) (secret.Value, time.Time, error) {
	if b == nil {
		return secret.Value{}, time.Time{}, errors.New("no exchange expected")
	}
	b.after = after
	return secret.New(fmt.Sprintf("bearer of %s#%d", apiKey.Reveal(), b.given)), b.expires, b.err
}

func (b *tokens) Reject(_ context.Context, _, token secret.Value) error {
	if strings.HasSuffix(token.Reveal(), fmt.Sprint("#", b.given)) {
		b.given++
	}
	return nil
}

var noBearer *tokens

func bucket(name string, ttl time.Duration) *stores.Bucket {
	return &stores.Bucket{Name: name, TTL: ttl}
}

func accessKey(t *testing.T, r *Resolver, b *stores.Bucket, token string) string {
	t.Helper()
	c, err := r.For(t.Context(), b, token)
	if err != nil {
		t.Fatal(err)
	}
	return c.AccessKey
}

func TestTheEntrysOwnCredentialsComeFirst(t *testing.T) {
	o := &owner{}
	expires := time.Unix(5, 0)
	r := New(o.fetch, &tokens{expires: expires}, nil, Options{})
	pair := &stores.Bucket{AccessKey: "AK", SecretKey: secret.New("SK"), APIKey: secret.New("K")}
	if c, err := r.For(t.Context(), pair, "t"); err != nil || c.AccessKey != "AK" || c.SecretKey.Reveal() != "SK" || !c.Bearer.Empty() {
		t.Errorf("got %+v, %v", c, err)
	}
	ibm := &stores.Bucket{APIKey: secret.New("K")}
	if c, err := r.For(t.Context(), ibm, "t"); err != nil || c.Bearer.Reveal() != "bearer of K#0" || c.AccessKey != "" || c.Expires != expires {
		t.Errorf("got %+v, %v", c, err)
	}
	if o.calls != 0 {
		t.Error("the fetcher was asked")
	}
}

func TestAFetchedAPIKeyIsExchanged(t *testing.T) {
	fetch := func(context.Context, callbacks.BucketCredsQuestion) (secret.Text, error) {
		return secret.NewText("K"), nil
	}
	r := New(fetch, &tokens{}, nil, Options{})
	if c, err := r.For(t.Context(), bucket("b", time.Hour), "t"); err != nil || c.Bearer.Reveal() != "bearer of K#0" {
		t.Errorf("got %+v, %v", c, err)
	}
}

func TestOneClientsCredentialsNeverServeAnother(t *testing.T) {
	o := &owner{}
	r := New(o.fetch, noBearer, nil, Options{})
	entries := map[string]*stores.Bucket{"one": bucket("one", time.Hour), "two": bucket("two", time.Hour)}
	for range 2 {
		for _, token := range []string{"alice", "bob"} {
			for name, entry := range entries {
				if got := accessKey(t, r, entry, token); !strings.HasPrefix(got, token+"@"+name+"#") {
					t.Errorf("%s on %s got %s", token, name, got)
				}
			}
		}
	}
	if o.calls != 4 {
		t.Errorf("%d calls for four pairs", o.calls)
	}
}

func TestHowLongAnAnswerServes(t *testing.T) {
	for _, c := range []struct {
		name  string
		ttl   time.Duration
		extra string
		want  time.Duration
	}{
		{"for the bucket's ttl", time.Minute, "", time.Minute},
		{"not at all with ttl 0", 0, "", 0},
		{"for its own ttl", time.Minute, `, "ttl": 7200`, 2 * time.Hour},
		{"not at all with its own ttl 0", time.Minute, `, "ttl": 0`, 0},
		{"not past its expiration", time.Hour, `, "expiration": "2026-03-01T12:01:40Z"`, 90 * time.Second},
		{"its own ttl does not outlive its expiration", 0, `, "ttl": 7200, "expiration": "2026-03-01T12:01:40Z"`, 90 * time.Second},
		{"not when it is about to expire", time.Hour, `, "expiration": "2026-03-01T12:00:05Z"`, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			now := noon
			o := &owner{extra: c.extra}
			r := New(o.fetch, noBearer, nil, Options{Now: func() time.Time { return now }})
			b := bucket("b", c.ttl)
			accessKey(t, r, b, "t")
			if c.want > 0 {
				now = now.Add(c.want*8/10 - 1) // before the earliest refresh
				accessKey(t, r, b, "t")
				if o.calls != 1 {
					t.Fatalf("%d calls before the end", o.calls)
				}
			}
			if now = noon.Add(c.want); c.want == 0 {
				o.extra = ""
			} else {
				o.err = errors.New("now it raises")
			}
			_, err := r.For(t.Context(), b, "t")
			if o.calls != 2 {
				t.Errorf("%d calls after the end (%v)", o.calls, err)
			}
		})
	}
}

func TestCredentialsAreRenewedWhileTheOldOnesServe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &owner{}
		r := New(o.fetch, noBearer, nil, Options{})
		b := bucket("b", 100*time.Second)
		accessKey(t, r, b, "t")
		time.Sleep(91 * time.Second)
		if got := accessKey(t, r, b, "t"); got != "t@b#1" {
			t.Errorf("during the renewal: %s", got)
		}
		synctest.Wait()
		if got := accessKey(t, r, b, "t"); got != "t@b#2" {
			t.Errorf("after the renewal: %s", got)
		}
	})
}

func TestWhatFailsIsDeniedAndNotKept(t *testing.T) {
	raised := errors.New("raised")
	for _, c := range []struct {
		name  string
		fetch Fetch
		want  *s3err.Error
		cause error
	}{
		{"no credentials anywhere", nil, s3err.AccessDenied, errNoCredentials},
		{"a fetcher that raises", func(context.Context, callbacks.BucketCredsQuestion) (secret.Text, error) {
			return secret.NewText("K"), raised
		}, s3err.AccessDenied, raised},
		{"a fetcher that answers nonsense", func(context.Context, callbacks.BucketCredsQuestion) (secret.Text, error) { return secret.Text{}, nil }, s3err.AccessDenied, errEmpty},
		{"a fetcher that panics", func(context.Context, callbacks.BucketCredsQuestion) (secret.Text, error) { panic("boom") }, s3err.AccessDenied, nil},
		{"callbacks past their limits", func(context.Context, callbacks.BucketCredsQuestion) (secret.Text, error) {
			return secret.Text{}, callbacks.ErrOverloaded
		}, s3err.SlowDown, callbacks.ErrOverloaded},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := New(c.fetch, noBearer, nil, Options{})
			got, err := r.For(t.Context(), bucket("b", time.Hour), "t")
			if !errors.Is(err, c.want) || c.cause != nil && !errors.Is(err, c.cause) || got != (Credentials{}) {
				t.Errorf("got %+v, %v", got, err)
			}
			if r.fetched.Len() != 0 {
				t.Error("it was kept")
			}
		})
	}
}

func TestAnOutageOfTheExchangeKeepsItsOwnAnswer(t *testing.T) {
	r := New(nil, &tokens{err: s3err.ServiceUnavailable}, nil, Options{})
	c, err := r.For(t.Context(), &stores.Bucket{APIKey: secret.New("K")}, "t")
	if !errors.Is(err, s3err.ServiceUnavailable) || c != (Credentials{}) {
		t.Errorf("got %+v, %v", c, err)
	}
}

func TestAClientThatLeftIsNotRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := New(func(ctx context.Context, _ callbacks.BucketCredsQuestion) (secret.Text, error) {
			<-ctx.Done()
			return secret.Text{}, ctx.Err()
		}, noBearer, nil, Options{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := r.For(ctx, bucket("b", time.Hour), "t")
		if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, s3err.AccessDenied) {
			t.Errorf("got %v", err)
		}
	})
}

func TestForgetting(t *testing.T) {
	for _, c := range []struct {
		token, bucket string
		gone          map[string]bool
	}{
		{"alice", "", map[string]bool{"alice@one": true, "alice@two": true}},
		{"", "one", map[string]bool{"alice@one": true, "bob@one": true}},
		{"bob", "two", map[string]bool{"bob@two": true}},
		{"", "", map[string]bool{"alice@one": true, "alice@two": true, "bob@one": true, "bob@two": true}},
	} {
		t.Run(c.token+"@"+c.bucket, func(t *testing.T) {
			o := &owner{}
			r := New(o.fetch, noBearer, nil, Options{})
			entries := map[string]*stores.Bucket{"one": bucket("one", time.Hour), "two": bucket("two", time.Hour)}
			first := map[string]string{}
			each := func(do func(id, got string)) {
				for _, token := range []string{"alice", "bob"} {
					for _, b := range []string{"one", "two"} {
						do(token+"@"+b, accessKey(t, r, entries[b], token))
					}
				}
			}
			each(func(id, got string) { first[id] = got })
			r.Forget(shared.Revocation{Token: named(c.token), Bucket: named(c.bucket)})
			each(func(id, got string) {
				if (got != first[id]) != c.gone[id] {
					t.Errorf("%s: first %s, now %s", id, first[id], got)
				}
			})
		})
	}
}

func named(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func TestCredentialsForOneStoreNeverGoToAnother(t *testing.T) {
	o := &owner{}
	r := New(o.fetch, noBearer, nil, Options{})
	before, after := bucket("b", time.Hour), bucket("b", time.Hour)
	if accessKey(t, r, before, "t") == accessKey(t, r, after, "t") {
		t.Error("an entry that was replaced lent its credentials to the new one")
	}
}

func TestMemoryIsBounded(t *testing.T) {
	o := &owner{}
	r := New(o.fetch, noBearer, nil, Options{Capacity: 8})
	for i := range 100 {
		accessKey(t, r, bucket("b", time.Hour), fmt.Sprint("token", i))
	}
	if n := r.fetched.Len(); n != 8 {
		t.Errorf("%d answers are kept", n)
	}
}
