package proxy

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"osp/go/callbacks"
	"osp/go/pipeline/pipelinetest"
)

func TestTheMetricsPortIsOneOfItsOwn(t *testing.T) {
	r := start(t, callbacks.Set{}, settings{"metrics_port": 0})
	port := r.server.MetricsPort()
	if port == 0 || port == r.server.HTTPPort() {
		t.Fatalf("metrics on port %d", port)
	}
	get := func(url string) int {
		t.Helper()
		return r.Do(must(http.NewRequestWithContext(t.Context(), "GET", url, nil))).StatusCode
	}
	for _, path := range []string{"/metrics", "/healthz", "/readyz", "/status.json", "/"} {
		if got := get("http://127.0.0.1:" + strconv.Itoa(port) + path); got != 200 {
			t.Errorf("%s: %d", path, got)
		}
		if got := get(r.URL + path); got != 403 {
			t.Errorf("%s on the port of clients: %d", path, got)
		}
	}
	if off := start(t, callbacks.Set{}, nil).server; off.MetricsPort() != 0 || off.observers.options().Observer != nil {
		t.Error("somebody observes, though nobody was asked to")
	}
}

func must(req *http.Request, err error) *http.Request {
	if err != nil {
		panic(err) // a URL of the test's own
	}
	return req
}

func TestTheMetricsPortShowsWhatThePipelineDoes(t *testing.T) {
	allow := func(context.Context, *callbacks.Request) (callbacks.Decision, error) {
		return callbacks.Decision{Allow: true}, nil
	}
	r := start(t, callbacks.Set{Validator: allow}, settings{"metrics_port": 0})
	raw, err := json.Marshal(settings{"cos_map": settings{"new": pipelinetest.Entry(r.Port)}})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.server.Update(raw); err != nil {
		t.Fatal(err)
	}
	for range 2 { // on one connection: when the second is answered, the first has ended
		if a := r.Do(r.Signed("GET", "/new/k", "")); a.StatusCode != 200 {
			t.Fatalf("got %d %s", a.StatusCode, a.Content)
		}
	}
	url := "http://127.0.0.1:" + strconv.Itoa(r.server.MetricsPort()) + "/metrics"
	shown := string(r.Do(must(http.NewRequestWithContext(t.Context(), "GET", url, nil))).Content)
	for _, want := range []string{
		`requests_total{bucket="new",method="GET",status="200"} `,
		`callbacks_total{callback="validator",outcome="answered"} 1`,
		`cache_requests_total{cache="decisions",result="hit"} 1`,
	} {
		if !strings.Contains(shown, want) {
			t.Errorf("no %s in %s", want, shown)
		}
	}
}
