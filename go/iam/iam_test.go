package iam

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"osp/go/grants"
	"osp/go/s3err"
	"osp/go/secret"
)

// double is an IAM that answers from a script: the last line also serves for
// all later requests.
type double struct {
	t       *testing.T
	mu      sync.Mutex
	script  []string // "200 60" is a token for 60 s, "net" no response, other numbers a status
	asked   int
	waiting chan struct{} // not nil: responses wait for it
}

func (d *double) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	form, err := url.ParseQuery(string(body))
	if err != nil || r.Method != http.MethodPost || r.URL.String() != "https://iam.example/token" ||
		r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" ||
		form.Get("grant_type") != "urn:ibm:params:oauth:grant-type:apikey" || len(form) != 2 {
		d.t.Errorf("IAM was asked %s %s %v %s", r.Method, r.URL, r.Header, body)
	}
	if d.waiting != nil {
		<-d.waiting
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked++
	line := d.script[min(d.asked, len(d.script))-1]
	var status, life int
	if line == "net" {
		return nil, errors.New("connection refused")
	}
	_, _ = fmt.Sscan(line, &status, &life)
	answer := fmt.Sprintf(`{"access_token": "token-%d-of-%s", "expires_in": %d, "token_type": "Bearer"}`, d.asked, form.Get("apikey"), life)
	switch {
	case strings.HasPrefix(line, "200 {"):
		answer = line[4:]
	case status != 200:
		answer = `{"errorCode": "BXNIM0415E", "errorMessage": "Provided API key ` + form.Get("apikey") + ` could not be found."}`
	}
	header := http.Header{"Retry-After": {"1"}, "Location": {"https://evil.example/"}}
	return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(strings.NewReader(answer)), Request: r}, nil
}

func (d *double) count() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.asked
}

func exchange(t *testing.T, script ...string) (*Exchange, *double) {
	d := &double{t: t, script: script}
	return New("https://iam.example/token", Options{Transport: d}), d
}

func token(t *testing.T, e *Exchange, key string) (string, error) {
	t.Helper()
	v, _, err := e.Token(t.Context(), secret.New(key), time.Time{})
	return v.Reveal(), err
}

func TestTheEndOfEachExchangeIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []string
		d := &double{t: t, script: []string{"503", "net", "200 60", "400"}}
		e := New("https://iam.example/token", Options{Transport: d, Options: grants.Options{Exchanged: func(outcome string) { told = append(told, outcome) }}})
		if _, err := token(t, e, "key"); err != nil {
			t.Fatal(err)
		}
		if _, err := token(t, e, "wrong"); err == nil {
			t.Error("a wrong key has a token")
		}
		if want := "[failed failed granted refused]"; fmt.Sprint(told) != want {
			t.Errorf("told %v, want %s", told, want)
		}
	})
}

func TestATokenServesUntilItsRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, d := exchange(t, "200 3600")
		for range 3 {
			if got, err := token(t, e, "key"); err != nil || got != "token-1-of-key" {
				t.Fatalf("got %q, %v", got, err)
			}
		}
		if got, err := token(t, e, "other"); err != nil || got != "token-2-of-other" {
			t.Errorf("another key: got %q, %v", got, err)
		}
		time.Sleep(3300 * time.Second) // beyond nine tenths of its life
		if got, _ := token(t, e, "key"); got != "token-1-of-key" {
			t.Errorf("while it is renewed: got %q", got)
		}
		synctest.Wait()
		if got, _ := token(t, e, "key"); got != "token-3-of-key" {
			t.Errorf("after its renewal: got %q", got)
		}
		if d.count() != 3 {
			t.Errorf("%d exchanges", d.count())
		}
	})
}

func TestConcurrentFirstUsesShareOneExchange(t *testing.T) {
	e, d := exchange(t, "200 3600")
	d.waiting = make(chan struct{})
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if got, err := token(t, e, "key"); err != nil || got != "token-1-of-key" {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
	close(d.waiting)
	all.Wait()
	if d.count() != 1 {
		t.Errorf("%d exchanges", d.count())
	}
}

func TestPassingFaultsAreTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, d := exchange(t, "503", "net", "429", "200 3600")
		begun := time.Now()
		if got, err := token(t, e, "key"); err != nil || got != "token-4-of-key" {
			t.Errorf("got %q, %v", got, err)
		}
		if waited := time.Since(begun); waited < 2*time.Second || waited > 20*time.Second {
			t.Errorf("waited %v, though Retry-After asked for twice a second", waited)
		}
		if d.count() != 4 {
			t.Errorf("%d exchanges", d.count())
		}
	})
}

func TestAnOutageIsServiceUnavailable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, fault := range []string{"503", "net", "500", "200 {", `200 {"access_token": "a b", "expires_in": 60}`, `200 {"expires_in": 60}`, "200 -5", "200 0"} {
			e, d := exchange(t, fault)
			_, err := token(t, e, "the-key")
			if !errors.Is(err, s3err.ServiceUnavailable) || d.count() != grants.Attempts {
				t.Errorf("%s: %v after %d attempts", fault, err, d.count())
			}
			if strings.Contains(err.Error(), "the-key") {
				t.Errorf("the error names the key: %v", err)
			}
		}
	})
}

func TestAnOutageIsServedFromTheValidToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, _ := exchange(t, "200 3600", "503")
		if _, err := token(t, e, "key"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3500 * time.Second)
		for range 5 {
			if got, err := token(t, e, "key"); err != nil || got != "token-1-of-key" {
				t.Errorf("got %q, %v", got, err)
			}
			synctest.Wait()
			time.Sleep(10 * time.Second)
		}
		time.Sleep(time.Minute)
		if _, err := token(t, e, "key"); !errors.Is(err, s3err.ServiceUnavailable) {
			t.Errorf("after its end: %v", err)
		}
	})
}

func TestARefusedKeyIsRefusedAndSoonAskedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, status := range []string{"400", "401", "403", "302"} {
			e, d := exchange(t, status, "200 3600")
			for range 3 {
				_, err := token(t, e, "the-key")
				if !errors.Is(err, s3err.AccessDenied) || d.count() != 1 {
					t.Fatalf("%s: %v after %d exchanges", status, err, d.count())
				}
				text := err.Error() + fmt.Sprint(errors.Unwrap(err))
				if strings.Contains(text, "the-key") || !strings.Contains(text, "BXNIM0415E") {
					t.Errorf("the error says %s", text)
				}
			}
			time.Sleep(grants.KeepRefusal)
			if _, err := token(t, e, "the-key"); err != nil {
				t.Errorf("a key that is good by now: %v", err)
			}
		}
	})
}

func TestExpirationStandsInForExpiresIn(t *testing.T) {
	now := time.Now()
	g, err := readGrant(fmt.Appendf(nil, `{"access_token": "t", "expiration": %d}`, now.Add(time.Hour).Unix()), now)
	if life := g.Expires.Sub(now); err != nil || life > time.Hour || life < time.Hour-time.Second {
		t.Errorf("%v, %v", life, err)
	}
	g, _ = readGrant([]byte(`{"access_token": "t", "expires_in": 99999999999}`), now)
	if life := g.Expires.Sub(now); life != longestToken {
		t.Errorf("an absurd life: %v", life)
	}
}

func TestACallerWhoLeavesGetsItsOwnError(t *testing.T) {
	e, d := exchange(t, "200 3600")
	d.waiting = make(chan struct{})
	defer close(d.waiting)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := e.Token(ctx, secret.New("key"), time.Time{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestARefusedTokenIsReplacedAlsoWhenItsRefreshIsDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, age := range []time.Duration{time.Minute, 3500 * time.Second} {
			e, _ := exchange(t, "200 3600")
			if _, err := token(t, e, "key"); err != nil {
				t.Fatal(err)
			}
			time.Sleep(age)
			for _, refused := range []string{"another", "token-1-of-key"} {
				if err := e.Reject(t.Context(), secret.New("key"), secret.New(refused)); err != nil {
					t.Error(err)
				}
			}
			if got, err := token(t, e, "key"); err != nil || got != "token-2-of-key" {
				t.Errorf("after %v: got %q, %v", age, got, err)
			}
		}
	})
}

func TestATokenFromBeforeIsNotServedToWhoWantsALaterOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, d := exchange(t, "200 3600")
		want := func(after time.Time, value string) {
			t.Helper()
			if v, _, err := e.Token(t.Context(), secret.New("key"), after); err != nil || v.Reveal() != value {
				t.Errorf("got %q, %v; want %q", v.Reveal(), err, value)
			}
		}
		d.waiting = make(chan struct{})
		go want(time.Time{}, "token-1-of-key") // asked for, but not answered yet
		synctest.Wait()
		time.Sleep(time.Second)
		after := time.Now()
		time.Sleep(time.Second)
		go want(after, "token-2-of-key")
		synctest.Wait()
		close(d.waiting)
		synctest.Wait()
		want(after, "token-2-of-key")
		want(time.Time{}, "token-2-of-key")
		if d.count() != 2 {
			t.Errorf("%d exchanges", d.count())
		}
	})
}

func TestAnOutageIsOneForAllWhoWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, d := exchange(t, "503")
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				if _, err := token(t, e, "key"); !errors.Is(err, s3err.ServiceUnavailable) {
					t.Errorf("got %v", err)
				}
			})
		}
		all.Wait()
		if d.count() != grants.Attempts {
			t.Errorf("%d exchanges", d.count())
		}
	})
}
