package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"osp/go/callbacks"
	"osp/go/secret"
)

func TestCredentialsThatAreRenewedInTheMiddleOfACopyServeItsSecondAttempt(t *testing.T) {
	var asked atomic.Int32
	fetch := func(_ context.Context, q callbacks.BucketCredsQuestion) (secret.Text, error) {
		if q.Bucket == "target" {
			return secret.NewText(fmt.Sprintf(`{"access_key":"K%d","secret_key":"s"}`, asked.Add(1))), nil
		}
		return secret.NewText(`{"access_key":"FROM","secret_key":"s"}`), nil
	}
	none := settings{"access_key": nil, "secret_key": nil}
	r := startTwo(t, callbacks.Set{BucketCredsFetcher: fetch}, Options{}, none, none)
	r.Store.Answers(func(w http.ResponseWriter, req *http.Request) {
		if strings.Contains(req.Header.Get("Authorization"), "Credential=K1/") {
			w.WriteHeader(403)
			_, _ = io.WriteString(w, "<Error><Code>ExpiredToken</Code></Error>")
			return
		}
		w.Header().Set("ETag", `"e"`)
	})
	if a := r.Do(r.copy()); a.StatusCode != 200 {
		t.Fatalf("got %d %s", a.StatusCode, a.Content)
	}
	gets := r.from.Requests()
	if len(gets) != 3 || gets[2].Header.Get("If-Match") != `"5d41402abc4b2a76b9719d911017c592"` {
		t.Errorf("the source's store saw %+v", gets)
	}
}

// A store reads the source of its own copy with the credentials of the request. When
// these are renewed, they have to be those of both entries again.
func TestCredentialsThatAreRenewedOpenEachItsOwnSideOfACopy(t *testing.T) {
	for name, c := range map[string]struct {
		from, to string // that are given after the first ones; empty: none
		status   int
		seen     []string // keys and methods, after the request with the first ones
	}{
		"both get the same again":     {"NEW", "NEW", 200, []string{"NEW COPY"}},
		"each gets its own":           {"READS", "WRITES", 200, []string{"READS GET", "READS GET", "WRITES PUT"}},
		"the source's are still good": {"OLD", "WRITES", 200, []string{"OLD GET", "OLD GET", "WRITES PUT"}},
		"the target's stay":           {"NEW", "OLD", 403, nil},
		"the source is nobody's":      {"", "WRITES", 403, nil},
	} {
		var refused atomic.Bool
		fetch := func(_ context.Context, q callbacks.BucketCredsQuestion) (secret.Text, error) {
			key := map[string]string{"from": c.from, "target": c.to}[q.Bucket]
			if !refused.Load() {
				key = "OLD"
			}
			if key == "" {
				return secret.Text{}, errors.New("nothing is given for it any more")
			}
			return secret.NewText(`{"access_key":"` + key + `","secret_key":"s"}`), nil
		}
		none := settings{"access_key": nil, "secret_key": nil, "connections": 1}
		r := entries(t, callbacks.Set{BucketCredsFetcher: fetch}, nil, map[string]settings{"from": none, "target": none})
		r.Store.Answers(func(w http.ResponseWriter, req *http.Request) {
			if refused.CompareAndSwap(false, true) {
				w.WriteHeader(403)
				_, _ = io.WriteString(w, "<Error><Code>InvalidAccessKeyId</Code></Error>")
				return
			}
			object("hello", nil)(w, req)
		})
		a := r.Do(r.Signed("PUT", "/target/k", "", "X-Amz-Copy-Source", "/from/k"))
		var seen []string
		for _, one := range r.Store.Requests()[1:] {
			method := one.Method
			if one.Header.Get("X-Amz-Copy-Source") != "" {
				method = "COPY"
			}
			seen = append(seen, keyOf(one)+" "+method)
		}
		if a.StatusCode != c.status || !slices.Equal(seen, c.seen) {
			t.Errorf("%s: got %d %s, the store saw %v", name, a.StatusCode, a.Content, seen)
		}
	}
}

func TestEachSideOfACopyIsAskedAboutOnce(t *testing.T) {
	for _, same := range []bool{false, true} {
		var asked atomic.Int32
		fetch := func(_ context.Context, q callbacks.BucketCredsQuestion) (secret.Text, error) {
			asked.Add(1)
			if same {
				return secret.NewText(`{"access_key":"K","secret_key":"s"}`), nil
			}
			return secret.NewText(`{"access_key":"` + q.Bucket + `","secret_key":"s"}`), nil
		}
		none := settings{"access_key": nil, "secret_key": nil, "ttl": 0}
		r := entries(t, callbacks.Set{BucketCredsFetcher: fetch}, nil, map[string]settings{"from": none, "target": none})
		r.Store.Answers(object("hello", nil))
		if a := r.Do(r.Signed("PUT", "/target/k", "", "X-Amz-Copy-Source", "/from/k")); a.StatusCode != 200 || asked.Load() != 2 {
			t.Errorf("the same credentials %v: asked %d times, got %d %s", same, asked.Load(), a.StatusCode, a.Content)
		}
		if native := len(r.Store.Requests()) == 1; native != same {
			t.Errorf("the same credentials %v: the store saw %d requests", same, len(r.Store.Requests()))
		}
	}
}
