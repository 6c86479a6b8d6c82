package proxy

import (
	"encoding/json"
	"maps"
	"sync"
	"testing"

	"osp/go/callbacks"
	"osp/go/pipeline/pipelinetest"
	"osp/go/shared"
)

func TestStoresAreSwappedUnderLoad(t *testing.T) {
	r := start(t, callbacks.Set{}, nil)
	entry := pipelinetest.Entry(r.Port)
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
				if a := r.Do(r.Signed("GET", "/photos/k", "")); a.StatusCode != 200 {
					t.Errorf("got %d %s", a.StatusCode, a.Content)
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
			"hmac_keystore": []settings{{"access_key": pipelinetest.ClientKey, "secret_key": pipelinetest.ClientSecret}},
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := r.server.Update(raw); err != nil {
			t.Fatal(err)
		}
		if err := r.server.Forget(t.Context(), shared.Revocation{}); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	wg.Wait()
	if a := r.Do(r.Signed("GET", "/other/k", "")); a.Code() != "NoSuchBucket" {
		t.Errorf("a bucket that went: %d %s", a.StatusCode, a.Content)
	}
}
