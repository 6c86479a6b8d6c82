package pipeline

import (
	"context"
	"strings"
	"testing"

	"osp/go/callbacks"
	"osp/go/secret"
)

func TestASignedRequestGoesToTheStoreSignedAgain(t *testing.T) {
	r := start(t, callbacks.Set{}, nil)
	a := r.Do(r.Signed("PUT", "/photos/a%20b%2Bc/d/", "content", "Content-Type", "text/x", "X-Amz-Meta-Name", "value"))
	if a.StatusCode != 200 || a.Header.Get("ETag") != `"stored"` {
		t.Fatalf("got %d %s", a.StatusCode, a.Content)
	}
	got := r.Store.Only(t)
	if got.Method != "PUT" || got.Target != "/photos/a%20b%2Bc/d/" || string(got.Body) != "content" || got.Length != 7 {
		t.Errorf("the store saw %s %s with %d bytes: %q", got.Method, got.Target, got.Length, got.Body)
	}
	if got.Header.Get("Content-Type") != "text/x" || got.Header.Get("X-Amz-Meta-Name") != "value" {
		t.Errorf("headers: %v", got.Header)
	}
	if auth := got.Header.Get("Authorization"); !strings.Contains(auth, "Credential="+storeKey+"/") || strings.Contains(auth, clientKey) {
		t.Errorf("Authorization: %s", auth)
	}
}

func TestStoreCredentialsComePerToken(t *testing.T) {
	h := callbacks.Set{
		HMACFetcher: func(context.Context, callbacks.HMACQuestion) (callbacks.Secret, error) {
			return callbacks.Secret{Key: secret.NewText(clientSecret)}, nil
		},
		BucketCredsFetcher: func(_ context.Context, q callbacks.BucketCredsQuestion) (secret.Text, error) {
			return secret.NewText(`{"access_key": "for-` + q.Bucket + `", "secret_key": "s", "session_token": "ses"}`), nil
		},
	}
	r := start(t, h, nil)
	r.Config.Stores.Buckets.Find("photos").AccessKey = "" // the entry gives none
	if a := r.Do(r.Signed("GET", "/photos/k", "")); a.StatusCode != 200 {
		t.Fatalf("got %d %s", a.StatusCode, a.Content)
	}
	got := r.Store.Only(t)
	if !strings.Contains(got.Header.Get("Authorization"), "Credential=for-photos/") || got.Header.Get("X-Amz-Security-Token") != "ses" {
		t.Errorf("the store saw %v", got.Header)
	}
}

func TestAStoreThatIsDownIsABadGateway(t *testing.T) {
	r := start(t, callbacks.Set{}, nil)
	r.Store.Close()
	r.Refuses(r.Signed("GET", "/photos/k", ""), 502, "BadGateway")
	r.Refuses(r.Signed("PUT", "/photos/k", "body"), 502, "BadGateway")
}

func TestAPanicIsOneRequestsError(t *testing.T) {
	r := start(t, callbacks.Set{}, nil)
	r.pipeline.access = nil // whatever could be wrong inside
	r.Refuses(r.Signed("GET", "/photos/k", ""), 500, "InternalError")
	if !strings.Contains(r.Log.String(), "panic in a request") {
		t.Error("nothing in the log")
	}
}
