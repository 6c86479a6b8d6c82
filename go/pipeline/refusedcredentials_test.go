package pipeline

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"osp/go/callbacks"
	"osp/go/secret"
)

// rotation is a fetcher's and a store's idea of the current key.
type rotation struct{ fetched, taken atomic.Value }

func (k *rotation) callbacks() callbacks.Set {
	return callbacks.Set{BucketCredsFetcher: func(context.Context, callbacks.BucketCredsQuestion) (secret.Text, error) {
		return secret.NewText(`{"access_key": "` + k.fetched.Load().(string) + `", "secret_key": "s"}`), nil
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
	r.Store.Answers(k.store("InvalidAccessKeyId"))
	rotate := func(key string) {
		if a := r.Do(r.Signed("GET", "/photos/k", "")); a.StatusCode != 200 {
			t.Fatalf("before the rotation: %d %s", a.StatusCode, a.Content)
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
		if a := r.Do(r.Signed(c.method, c.target, c.body)); a.StatusCode != c.status || strings.Contains(string(a.Content), "old") {
			t.Errorf("%s %s: %d %s", c.method, c.target, a.StatusCode, a.Content)
		}
	}
	r.Store.Answers(k.store("AccessDenied")) // of the store's own: it is the client's to see
	k.taken.Store("nobody's")
	if a := r.Do(r.Signed("GET", "/photos/k", "")); a.StatusCode != 403 || !strings.Contains(string(a.Content), "<AWSAccessKeyId>") {
		t.Errorf("a refusal that is not about credentials: %d %s", a.StatusCode, a.Content)
	}
	before := len(r.Store.Requests())
	if a := r.Do(r.Signed("HEAD", "/photos/k", "")); a.StatusCode != 403 || len(r.Store.Requests()) != before+1 {
		t.Errorf("a HEAD that the store refuses: %d after %d requests", a.StatusCode, len(r.Store.Requests())-before)
	}
}

// A store's refusal without a body may be the client's mistake. Then it has the store's
// response, also when nobody can be asked for other credentials.
func TestARefusalThatMayBeTheClientsMistakeIsTheClients(t *testing.T) {
	var fails atomic.Bool
	fetch := func(context.Context, callbacks.BucketCredsQuestion) (secret.Text, error) {
		if fails.Load() {
			return secret.Text{}, errors.New("raised")
		}
		return secret.NewText(`{"access_key": "key", "secret_key": "s"}`), nil
	}
	r := entries(t, callbacks.Set{BucketCredsFetcher: fetch}, nil, map[string]settings{"photos": {"access_key": nil, "secret_key": nil}})
	r.Store.Answers(func(w http.ResponseWriter, _ *http.Request) {
		fails.Store(true)
		w.WriteHeader(http.StatusBadRequest)
	})
	if a := r.Do(r.Signed("HEAD", "/photos/k", "")); a.StatusCode != http.StatusBadRequest {
		t.Errorf("got %d", a.StatusCode)
	}
}

func TestAStoreErrorPassesUnlessItIsAboutTheProxysKeys(t *testing.T) {
	for _, c := range []struct {
		status     int
		code, want string
	}{
		{404, "NoSuchKey", "NoSuchKey"},
		{403, "AccessDenied", "AccessDenied"},
		{400, "EntityTooSmall", "EntityTooSmall"},
		{403, "SignatureDoesNotMatch", "AccessDenied"},
		{403, "InvalidAccessKeyId", "AccessDenied"},
		{400, "ExpiredToken", "AccessDenied"},
		{403, "InvalidTokenId", "AccessDenied"}, // of MinIO, about a session
	} {
		r := start(t, callbacks.Set{}, nil)
		r.Store.Answers(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(c.status)
			_, _ = w.Write([]byte("<Error><Code>" + c.code + "</Code><AWSAccessKeyId>" + storeKey + "</AWSAccessKeyId></Error>"))
		})
		a := r.Do(r.Signed("GET", "/photos/k", ""))
		if a.Code() != c.want {
			t.Errorf("%s became %s", c.code, a.Code())
		}
		if c.code != c.want && strings.Contains(string(a.Content), storeKey) {
			t.Errorf("%s: the answer names the store's key", c.code)
		}
	}
}
