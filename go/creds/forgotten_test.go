package creds

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"osp/go/callbacks"
	"osp/go/secret"
	"osp/go/shared"
	"osp/go/stores"
)

func TestNoBearerTokenFromBeforeForgettingServesWhomItWasAbout(t *testing.T) {
	apiKey := func(context.Context, callbacks.BucketCredsQuestion) (secret.Text, error) {
		return secret.NewText("K"), nil
	}
	for _, c := range []struct {
		token, bucket string
		gone          string
	}{
		{"alice", "", "alice@one alice@two"},
		{"", "one", "alice@one bob@one"},
		{"bob", "two", "bob@two"},
		{"", "", "alice@one alice@two bob@one bob@two"},
		{"carol", "", ""},
	} {
		for name, entry := range map[string]func(name string) *stores.Bucket{
			"the entry's":   func(name string) *stores.Bucket { return &stores.Bucket{Name: name, APIKey: secret.New("K")} },
			"the fetcher's": func(name string) *stores.Bucket { return bucket(name, time.Hour) },
		} {
			t.Run(c.token+"@"+c.bucket+", "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					bearer := &tokens{}
					r := New(apiKey, bearer, nil, Options{})
					time.Sleep(time.Second)
					forgotten := time.Now()
					r.Forget(shared.Revocation{Token: named(c.token), Bucket: named(c.bucket)})
					time.Sleep(2 * time.Hour) // the fetcher's own answer has ended, which a token may outlive
					gone := ""
					for _, token := range []string{"alice", "bob"} {
						for _, b := range []string{"one", "two"} {
							if _, err := r.For(t.Context(), entry(b), token); err != nil {
								t.Fatal(err)
							}
							switch bearer.after {
							case forgotten:
								gone += " " + token + "@" + b
							case time.Time{}:
							default:
								t.Errorf("%s@%s: not before %v", token, b, bearer.after)
							}
						}
					}
					if gone != "" {
						gone = gone[1:]
					}
					if gone != c.gone {
						t.Errorf("new tokens for %q, want %q", gone, c.gone)
					}
				})
			})
		}
	}
}

func TestTheLatestMarkCounts(t *testing.T) {
	f := newForgotten()
	at := func(s int) time.Time { return time.Unix(int64(s), 0) }
	f.mark(nil, nil, at(1))
	f.mark(nil, named("b"), at(2))
	f.mark(named("t"), nil, at(3))
	f.mark(named("t"), named("c"), at(4))
	for pair, want := range map[[2]string]int{{"t", "b"}: 3, {"t", "c"}: 4, {"u", "b"}: 2, {"u", "c"}: 1, {"", ""}: 1} {
		if got := f.last(pair[0], pair[1]); got != at(want) {
			t.Errorf("%v: %v, want %v", pair, got.Unix(), want)
		}
	}
	f.mark(nil, nil, at(5))
	if got := f.last("t", "c"); got != at(5) || f.marks.Len() != 0 {
		t.Errorf("%v with %d marks", got.Unix(), f.marks.Len())
	}
}

func TestMarksAreBoundedAndNoneIsLost(t *testing.T) {
	f := newForgotten()
	for i := range 3 * maxForgotten {
		f.mark(named(fmt.Sprint(i)), nil, time.Unix(int64(i), 0))
		if f.marks.Len() > maxForgotten {
			t.Fatalf("%d marks", f.marks.Len())
		}
	}
	for i := range 3 * maxForgotten {
		if f.last(fmt.Sprint(i), "b").Before(time.Unix(int64(i), 0)) {
			t.Fatalf("mark %d was lost", i)
		}
	}
}

func TestThatCredentialsWereConfirmedIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &rotating{key: "old"}
		r, b := New(o.fetch, noBearer, nil, Options{}), bucket("b", time.Hour)
		used := mustFor(t, r, b)
		if _, changed, err := r.Renew(t.Context(), b, "t", used, true); changed || err != nil {
			t.Fatalf("got %v, %v", changed, err)
		}
		o.delay = time.Second / 10
		go func() { _, _, _ = r.Renew(t.Context(), b, "u", used, true) }() // of which the answers come too late
		synctest.Wait()
		o.set("new")
		r.Forget(shared.Revocation{Bucket: named("b")})
		time.Sleep(time.Second / 2)
		for _, token := range []string{"t", "u"} {
			if fresh, changed, err := r.Renew(t.Context(), b, token, used, true); err != nil || !changed || fresh.AccessKey != "new" {
				t.Errorf("%s: got %+v, %v, %v", token, fresh, changed, err)
			}
		}
	})
}

// steady has one token for everybody, whatever the stores say of it.
type steady struct{ after time.Time }

func (b *steady) Token(_ context.Context, _ secret.Value, after time.Time) (secret.Value, time.Time, error) {
	b.after = after
	return secret.New("bearer"), time.Time{}, nil
}

func (*steady) Reject(context.Context, secret.Value, secret.Value) error { return nil }

func TestWhatIsConfirmedWhileForgettingIsForgottenToo(t *testing.T) {
	now, meanwhile := time.Unix(1, 0), func() {}
	bearer := &steady{}
	apiKey := func(context.Context, callbacks.BucketCredsQuestion) (secret.Text, error) {
		return secret.NewText("K"), nil
	}
	r := New(apiKey, bearer, nil, Options{Now: func() time.Time {
		do := meanwhile
		meanwhile = func() {}
		do()
		return now
	}})
	b := bucket("b", time.Hour)
	renew := func() {
		if _, _, err := r.Renew(t.Context(), b, "t", Credentials{Bearer: secret.New("bearer")}, true); err != nil {
			t.Error(err)
		}
	}
	meanwhile = renew // when Forget looks at the clock
	r.Forget(shared.Revocation{Token: named("t")})
	renew()
	if bearer.after != now {
		t.Errorf("a token of before %v serves", bearer.after)
	}
}

func TestMarksNeverGoBack(t *testing.T) {
	earlier := time.Now()
	later := earlier.Add(time.Second)
	for _, token := range []*string{named("alice"), nil} {
		f := newForgotten()
		f.mark(token, nil, later)
		f.mark(token, nil, earlier) // looked at the clock first, and came to the lock second
		if got := f.last("alice", "one"); !got.Equal(later) {
			t.Errorf("%v", got)
		}
	}
}
