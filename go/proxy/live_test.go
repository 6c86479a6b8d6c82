package proxy

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"osp/go/callbacks"
	"osp/go/secret"
)

func TestStoresAreSwappedUnderLoad(t *testing.T) {
	r := start(t, callbacks.Set{}, nil)
	port, err := strconv.Atoi(r.store.URL[strings.LastIndexByte(r.store.URL, ':')+1:])
	if err != nil {
		t.Fatal(err)
	}
	entry := settings{"host": "127.0.0.1", "port": port, "addressing_style": "path", "access_key": storeKey, "secret_key": storeSecret}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if a := r.do(r.signed("GET", "/photos/k", "")); a.StatusCode != 200 {
					t.Errorf("got %d %s", a.StatusCode, a.body)
					return
				}
			}
		})
	}
	for i := range 100 {
		changed := maps.Clone(entry)
		changed["ttl"] = i
		raw, err := json.Marshal(settings{
			"cos_map":       settings{"photos": changed, "same": entry},
			"hmac_keystore": []settings{{"access_key": clientKey, "secret_key": clientSecret}},
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := r.server.Update(raw); err != nil {
			t.Fatal(err)
		}
		r.server.Forget(nil, nil)
	}
	close(stop)
	wg.Wait()
	if a := r.do(r.signed("GET", "/other/k", "")); a.code() != "NoSuchBucket" {
		t.Errorf("a bucket that went: %d %s", a.StatusCode, a.body)
	}
}

// rotation is a fetcher's and a store's idea of the current key.
type rotation struct{ fetched, taken atomic.Value }

func (k *rotation) callbacks() callbacks.Set {
	return callbacks.Set{BucketCredsFetcher: func(context.Context, callbacks.BucketCredsQuestion) (secret.Value, error) {
		return secret.New(`{"access_key": "` + k.fetched.Load().(string) + `", "secret_key": "s"}`), nil
	}}
}

func (k *rotation) store(code string) http.HandlerFunc {
	return func(w http.ResponseWriter, q *http.Request) {
		if strings.Contains(q.Header.Get("Authorization"), "Credential="+k.taken.Load().(string)+"/") {
			w.Header().Set("ETag", `"e"`)
			return
		}
		w.WriteHeader(http.StatusForbidden)
		_, _ = w.Write([]byte("<Error><Code>" + code + "</Code><AWSAccessKeyId>old</AWSAccessKeyId></Error>"))
	}
}

func TestRefusedCredentialsAreRenewed(t *testing.T) {
	k := &rotation{}
	k.fetched.Store("old")
	k.taken.Store("old")
	r := entries(t, k.callbacks(), nil, map[string]settings{"photos": {"access_key": nil, "secret_key": nil}})
	r.store.answers(k.store("InvalidAccessKeyId"))
	rotate := func(key string) {
		if a := r.do(r.signed("GET", "/photos/k", "")); a.StatusCode != 200 {
			t.Fatalf("before the rotation: %d %s", a.StatusCode, a.body)
		}
		k.fetched.Store(key)
		k.taken.Store(key)
	}
	for i, c := range []struct {
		method, target, body string
		status               int
	}{
		{"GET", "/photos/k", "", 200},
		{"HEAD", "/photos/k", "", 200},
		{"DELETE", "/photos/k", "", 200},
		{"POST", "/photos?delete", deletions("a"), 200},
		{"PUT", "/photos/k", "", 200},
		{"PUT", "/photos/k", "body", 503},
		{"PUT", "/photos/k", "body", 200}, // the client's next attempt
	} {
		if !strings.Contains(c.body, "body") || c.status != 200 {
			rotate("key" + strconv.Itoa(i))
		}
		if a := r.do(r.signed(c.method, c.target, c.body)); a.StatusCode != c.status || strings.Contains(string(a.body), "old") {
			t.Errorf("%s %s: %d %s", c.method, c.target, a.StatusCode, a.body)
		}
	}
	r.store.answers(k.store("AccessDenied")) // of the store's own: it is the client's to see
	k.taken.Store("nobody's")
	if a := r.do(r.signed("GET", "/photos/k", "")); a.StatusCode != 403 || !strings.Contains(string(a.body), "<AWSAccessKeyId>") {
		t.Errorf("a refusal that is not about credentials: %d %s", a.StatusCode, a.body)
	}
	before := len(r.store.requests())
	if a := r.do(r.signed("HEAD", "/photos/k", "")); a.StatusCode != 403 || len(r.store.requests()) != before+1 {
		t.Errorf("a HEAD that the store refuses: %d after %d requests", a.StatusCode, len(r.store.requests())-before)
	}
}
