package pipeline

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"osp/go/callbacks"
	"osp/go/pipeline/pipelinetest"
	"osp/go/secret"
	"osp/go/shared"
)

// otherKey replaces the client's key in a signed request.
func otherKey(req *http.Request, key string) *http.Request {
	req.Header.Set("Authorization", strings.Replace(req.Header.Get("Authorization"), clientKey, key, 1))
	return req
}

func TestAScanWithRandomKeysCostsAKnownClientNothing(t *testing.T) {
	const concurrency, queue, scan = 8, 16, 100
	const stay = 1 + queue/8 // of the scan: one is asked about, two wait
	asked, end := make(chan struct{}, scan), make(chan struct{})
	h := callbacks.Set{
		HMACFetcher: func(_ context.Context, q callbacks.HMACQuestion) (callbacks.Secret, error) {
			if q.AccessKey != clientKey {
				asked <- struct{}{}
				<-end
				return callbacks.Secret{}, callbacks.ErrUnknownKey
			}
			return callbacks.Secret{Key: secret.NewText(clientSecret)}, nil
		},
		Validator: func(context.Context, *callbacks.Request) (callbacks.Decision, error) {
			return callbacks.Decision{Allow: true}, nil
		},
		BucketCredsFetcher: func(context.Context, callbacks.BucketCredsQuestion) (secret.Text, error) {
			return secret.NewText(`{"access_key": "` + storeKey + `", "secret_key": "` + storeSecret + `"}`), nil
		},
	}
	r := entries(t, h, settings{
		"hmac_keystore": nil, "callback_concurrency": concurrency, "callback_queue": queue, "callback_timeout": 20,
		"callbacks": callbacks.Names(),
	}, map[string]settings{"photos": {"access_key": nil, "secret_key": nil}})
	if a := r.Do(r.Signed("GET", "/photos/k", "")); a.StatusCode != 200 {
		t.Fatalf("got %d %s", a.StatusCode, a.Content)
	}

	statuses := make(chan int, scan)
	for i := range scan {
		req := otherKey(r.Signed("GET", "/photos/k", ""), fmt.Sprint("random", i))
		go func() {
			resp, err := pipelinetest.Client.Do(req)
			if err != nil {
				t.Error(err)
				statuses <- 0
				return
			}
			_ = resp.Body.Close()
			statuses <- resp.StatusCode
		}()
	}
	<-asked
	for range scan - stay {
		if status := <-statuses; status != http.StatusServiceUnavailable {
			t.Errorf("the scan got %d", status)
		}
	}
	for range 3 { // everything is asked again, the secret first
		r.pipeline.Forget(shared.Revocation{})
		if a := r.Do(r.Signed("GET", "/photos/k", "")); a.StatusCode != 200 {
			t.Errorf("the client got %d %s", a.StatusCode, a.Content)
		}
	}
	close(end)
	for range stay {
		if status := <-statuses; status != http.StatusForbidden {
			t.Errorf("an unknown key got %d", status)
		}
	}
}
