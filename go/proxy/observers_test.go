package proxy

import (
	"net/http"
	"strconv"
	"testing"

	"osp/go/callbacks"
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
