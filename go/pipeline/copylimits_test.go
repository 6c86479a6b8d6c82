package pipeline

import (
	"context"
	"io"
	"maps"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"osp/go/callbacks"
	"osp/go/secret"
)

// The bytes of a copy between two stores are the client's, out of the one entry and into
// the other.
func TestACopyBetweenTwoStoresKeepsToTheRatesOfBothEntries(t *testing.T) {
	const rate = 64 << 10
	in, out := settings{"bytes_in": rate}, settings{"bytes_out": rate}
	for name, c := range map[string]struct {
		limits, from, to settings
		paced            bool
	}{
		"in of the token":             {limits: settings{"token": in}, paced: true},
		"out of the token":            {limits: settings{"token": out}, paced: true},
		"reading of all":              {limits: settings{"all": settings{"read": out}}, paced: true},
		"writing of all":              {limits: settings{"all": settings{"write": in}}, paced: true},
		"out of the source's entry":   {from: settings{"limits": settings{"all": out}}, paced: true},
		"out of the source's token":   {from: settings{"limits": settings{"token": out}}, paced: true},
		"in of the target's entry":    {to: settings{"limits": settings{"all": in}}, paced: true},
		"in of the source's entry":    {from: settings{"limits": settings{"all": in}}},
		"out of the target's entry":   {to: settings{"limits": settings{"all": out}}},
		"the source's requests":       {from: settings{"limits": settings{"all": once}}},
		"how many read of the source": {from: settings{"limits": settings{"all": settings{"concurrent": 1}}}},
	} {
		r := startTwoWith(t, callbacks.Set{}, settings{"limits": c.limits}, Options{}, c.from, c.to)
		r.from.Answers(object(strings.Repeat("x", 3*rate/2), nil))
		for range 2 {
			begun := time.Now()
			if got := r.Do(r.copy()); got.StatusCode != 200 || !strings.Contains(string(got.Content), "<CopyObjectResult") {
				t.Fatalf("%s: %d %s", name, got.StatusCode, got.Content)
			}
			if took := time.Since(begun); c.paced && took < 400*time.Millisecond {
				t.Errorf("%s: took %v", name, took)
			}
		}
	}
}

func TestACopyBetweenTwoStoresCountsInTheDaysOfBothEntries(t *testing.T) {
	day := func(bytes int) settings { return settings{"bytes_per_day": bytes} }
	for name, c := range map[string]struct {
		limits, from, to settings
		refused          bool // a second copy
	}{
		"the token's, out and in": {limits: settings{"token": day(10)}, refused: true},
		"with more than that":     {limits: settings{"token": day(1000)}},
		"the source's":            {from: settings{"limits": settings{"all": day(5)}}, refused: true},
		"the target's":            {to: settings{"limits": settings{"all": day(5)}}, refused: true},
	} {
		r := startTwoWith(t, callbacks.Set{}, settings{"limits": c.limits}, Options{}, c.from, c.to)
		if got := r.Do(r.copy()); got.StatusCode != 200 {
			t.Fatalf("%s: %d %s", name, got.StatusCode, got.Content)
		}
		if got := r.Do(r.copy()); (got.Code() == "QuotaExceeded") != c.refused {
			t.Errorf("%s: %d %s", name, got.StatusCode, got.Content)
		}
	}
}

func TestACopyBetweenTwoStoresMayBeTheLastRequestOfADay(t *testing.T) {
	day := settings{"requests_per_day": 1}
	for name, c := range map[string]struct{ limits, to settings }{
		"of the token":             {limits: settings{"token": day}},
		"of the token in an entry": {limits: settings{"token_and_bucket": day}},
		"of all":                   {limits: settings{"all": day}},
		"of the target's entry":    {to: settings{"limits": settings{"all": day}}},
		"of all writes":            {limits: settings{"all": settings{"write": day}}},
	} {
		r := startTwoWith(t, callbacks.Set{}, settings{"limits": c.limits}, Options{}, nil, c.to)
		for i, want := range []string{"", "QuotaExceeded"} {
			if got := r.Do(r.copy()); got.Code() != want {
				t.Errorf("%s: copy %d: %d %s", name, i+1, got.StatusCode, got.Content)
			}
		}
	}
}

func TestACopyBetweenTwoStoresIsNoRequestOfItsSource(t *testing.T) {
	r := startTwoWith(t, callbacks.Set{}, nil, Options{}, settings{"limits": settings{"all": settings{"requests_per_day": 1}}}, nil)
	for range 2 {
		if got := r.Do(r.Signed("GET", "/from/k", "")); got.StatusCode != 200 && got.Code() != "QuotaExceeded" {
			t.Fatalf("%d %s", got.StatusCode, got.Content)
		}
		if got := r.Do(r.copy()); got.StatusCode != 200 {
			t.Errorf("%d %s", got.StatusCode, got.Content)
		}
	}
}

// comesApart is a rig whose store can copy from/k to target/k until it has been asked to:
// then the credentials of the two entries differ.
func comesApart(t *testing.T, from settings) *rig {
	t.Helper()
	var apart atomic.Bool
	fetch := func(_ context.Context, q callbacks.BucketCredsQuestion) (secret.Text, error) {
		key := "BOTH"
		if apart.Load() {
			key = q.Bucket
		}
		return secret.NewText(`{"access_key":"` + key + `","secret_key":"s"}`), nil
	}
	source, target := settings{"access_key": nil, "secret_key": nil}, settings{"access_key": nil, "secret_key": nil}
	maps.Copy(source, from)
	r := entries(t, callbacks.Set{BucketCredsFetcher: fetch}, nil, map[string]settings{"from": source, "target": target})
	r.Store.Answers(func(w http.ResponseWriter, req *http.Request) {
		if req.Header.Get("X-Amz-Copy-Source") != "" {
			apart.Store(true)
			w.WriteHeader(403)
			_, _ = io.WriteString(w, "<Error><Code>InvalidAccessKeyId</Code></Error>")
			return
		}
		object("hello", nil)(w, req)
	})
	return r
}

func TestACopyThatItsStoreCannotMakeAnyMoreReadsItsSourceWithinLimits(t *testing.T) {
	copied := func(r *rig) *http.Request { return r.Signed("PUT", "/target/k", "", "X-Amz-Copy-Source", "/from/k") }

	r := comesApart(t, settings{"limits": settings{"all": settings{"bytes_per_day": 5}}})
	if got := r.Do(copied(r)); got.StatusCode != 200 {
		t.Fatalf("%d %s", got.StatusCode, got.Content)
	}
	if got := r.Do(r.Signed("GET", "/from/k", "")); got.Code() != "QuotaExceeded" {
		t.Errorf("its bytes were not counted: %d %s", got.StatusCode, got.Content)
	}

	r = comesApart(t, settings{"limits": settings{"all": settings{"bytes_per_day": 5}}})
	if got := r.Do(r.Signed("GET", "/from/k", "")); got.StatusCode != 200 {
		t.Fatalf("%d %s", got.StatusCode, got.Content)
	}
	if got := r.Do(copied(r)); got.Code() != "QuotaExceeded" {
		t.Errorf("it was not refused: %d %s", got.StatusCode, got.Content)
	}
}

func TestACopyThatIsRefusedBecauseOfItsSourceTakesNothing(t *testing.T) {
	for name, rule := range map[string]settings{"of a day": {"requests_per_day": 2}, "of a rate": {"requests": 0.001, "burst": 2}, "at a time": {"concurrent": 1}} {
		r := startTwoWith(t, callbacks.Set{}, settings{"limits": settings{"token": rule}}, Options{}, settings{"limits": settings{"all": settings{"bytes_per_day": 5}}}, nil)
		if got := r.Do(r.Signed("GET", "/from/k", "")); got.StatusCode != 200 {
			t.Fatalf("%s: %d %s", name, got.StatusCode, got.Content)
		}
		for range 3 {
			if got := r.Do(r.copy()); got.Code() != "QuotaExceeded" || !strings.Contains(r.Log.String(), "limits.entry: bytes_per_day") {
				t.Errorf("%s: %d %s", name, got.StatusCode, got.Content)
			}
		}
		if got := r.Do(r.Signed("PUT", "/target/k", "")); got.StatusCode != 200 {
			t.Errorf("%s: it has used up requests: %d %s", name, got.StatusCode, got.Content)
		}
	}
}

func TestACopyBetweenTwoStoresIsHeldToTheLargestObject(t *testing.T) {
	for largest, want := range map[int]string{4: "EntityTooLarge", 5: ""} {
		change := settings{"limits": settings{"all": settings{"largest_object": largest}}}
		r := startTwoWith(t, callbacks.Set{}, change, Options{}, nil, nil)
		if a := r.Do(r.copy()); a.Code() != want {
			t.Errorf("largest_object %d: got %d %s", largest, a.StatusCode, a.Content)
		}
		if want != "" {
			r.Store.Untouched(t)
		}
	}
}
