package monitor

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"osp/go/cache"
	"osp/go/metrics"
	"osp/go/observe"
	"osp/go/stores"
)

// started is a server for two stores, "up" and one that down turns off.
func started(t *testing.T) (s *Server, url string, down *atomic.Bool) {
	t.Helper()
	down = new(atomic.Bool)
	s = New(Options{
		About: metrics.Source{
			Version: "1.2.3", InFlight: func() int64 { return 0 }, Connections: func() int64 { return 0 },
			Caches: map[string]func() cache.Stats{},
		},
		Entries: func() []*stores.Bucket { return []*stores.Bucket{entry("a", "up"), entry("b", "shaky")} },
		Reach: func(_ context.Context, b *stores.Bucket) (time.Time, error) {
			if b.Host == "shaky" && down.Load() {
				return time.Time{}, errors.New("no route")
			}
			return time.Unix(2e9, 0), nil
		},
		Hosts: []string{"told.example"},
		Log:   slog.New(slog.DiscardHandler),
	})
	if err := s.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	s.Serve()
	t.Cleanup(s.Close)
	return s, "http://127.0.0.1:" + strconv.Itoa(s.Port()), down
}

func ask(t *testing.T, method, url string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

func TestPathsAndMethods(t *testing.T) {
	_, url, _ := started(t)
	for _, c := range []struct {
		method, path string
		want         int
	}{
		{"GET", "/healthz", 200}, {"HEAD", "/healthz", 200}, {"POST", "/healthz", 405}, {"DELETE", "/", 405}, {"PUT", "/metrics", 405},
		{"GET", "/metrics", 200}, {"GET", "/readyz", 200}, {"GET", "/", 200}, {"GET", "/status.json", 200},
		{"GET", "/metrics/", 404}, {"GET", "/debug/pprof/", 404}, {"POST", "/other", 404}, {"GET", "//", 404}, {"GET", "/..", 404},
	} {
		resp, _ := ask(t, c.method, url+c.path)
		if resp.StatusCode != c.want {
			t.Errorf("%s %s: %d, want %d", c.method, c.path, resp.StatusCode, c.want)
		}
		if resp.StatusCode == 405 && resp.Header.Get("Allow") != "GET, HEAD" {
			t.Errorf("%s %s allows %q", c.method, c.path, resp.Header.Get("Allow"))
		}
		if resp.Header.Get("X-Content-Type-Options") != "nosniff" || resp.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s %s: %v", c.method, c.path, resp.Header)
		}
	}
}

func TestReadinessFollowsTheStoresAndTheDrain(t *testing.T) {
	s, url, down := started(t)
	expect := func(path string, status int, text string) {
		t.Helper()
		if resp, body := ask(t, "GET", url+path); resp.StatusCode != status || !strings.Contains(body, text) {
			t.Errorf("%s: %d %s, want %d %s", path, resp.StatusCode, body, status, text)
		}
	}
	expect("/readyz", 200, `{"ready":true}`)
	down.Store(true)
	expect("/readyz", 200, `{"ready":true}`) // cached
	s.prober.forget()
	expect("/readyz", 503, `{"ready":false,"stores":{"shaky:443":"no route"}}`)
	expect("/readyz?stores=any", 200, `"ready":true`)
	expect("/healthz", 200, "ok")
	expect("/metrics", 200, "osp_store_up{store=\"shaky:443\"} 0\n")
	s.Drain()
	expect("/readyz", 503, `{"ready":false,"draining":true}`)
	expect("/readyz?stores=any", 503, `"draining":true`)
	expect("/status.json", 200, `"draining":true,"ready":false`)
	expect("/healthz", 200, "ok")
}

func TestThePageRunsNothingButItsOwn(t *testing.T) {
	_, url, _ := started(t)
	resp, page := ask(t, "GET", url+"/")
	policy := resp.Header.Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'", "connect-src 'self'"} {
		if !strings.Contains(policy, want) {
			t.Errorf("the policy lacks %s: %s", want, policy)
		}
	}
	if strings.Contains(policy, "unsafe") || strings.Contains(policy, "*") {
		t.Errorf("the policy allows too much: %s", policy)
	}
	for tag, directive := range map[string]string{"script": "script-src", "style": "style-src"} {
		found := regexp.MustCompile(`(?s)<`+tag+`>(.*?)</`+tag+`>`).FindAllStringSubmatch(page, -1)
		if len(found) != 1 || !strings.Contains(policy, directive+" "+sourceHash([]byte(found[0][1]))) {
			t.Errorf("%d of %s, or its hash is not in %s", len(found), tag, policy)
		}
	}
	if out := regexp.MustCompile(`(?i)https?://[^"' ]*`).FindAllString(page, -1); len(out) != 1 || out[0] != "http://www.w3.org/2000/svg" {
		t.Errorf("the page names other places: %v", out) // the one is a namespace
	}
	if strings.Contains(page, " style=") || strings.Contains(page, "innerHTML") || regexp.MustCompile(` on[a-z]+=`).MatchString(page) {
		t.Error("the page has what its policy forbids")
	}
}

func TestTheStatusTellsWhatWasSeenAndNoKeys(t *testing.T) {
	s, url, _ := started(t)
	s.Ended(&observe.Exchange{
		Method: "GET", Status: 403, Code: "AccessDenied", Total: time.Millisecond, BytesOut: 7, Entry: "a",
		AccessKey: "AKIA-in-full", Key: "object-name", Client: "192.0.2.1", Bucket: "bucket-of-client",
	})
	s.CallbackEnded(observe.Callback{Name: "validator", Outcome: observe.Answered, Took: time.Millisecond})
	_ = s.prober.latest()
	if _, err := s.prober.fresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, text := ask(t, "GET", url+"/status.json")
	var got Status
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		t.Fatal(err)
	}
	if got.Version != "1.2.3" || got.Totals.Requests != 1 || got.Totals.Refusals["AccessDenied"] != 1 || got.Totals.BytesOut != 7 || got.Totals.Callbacks != 1 {
		t.Errorf("%s", text)
	}
	if len(got.Stores) != 2 || !got.Stores[0].Up || *got.Stores[0].CertificateExpires != 2e9 || got.Stores[1].Store != "shaky:443" {
		t.Errorf("%s", text)
	}
	for _, secret := range []string{"AKIA-in-full", "object-name", "192.0.2.1", "bucket-of-client"} {
		if strings.Contains(text, secret) {
			t.Errorf("%s is in %s", secret, text)
		}
	}
}

func TestAPortInUseIsAnErrorOfTheSystem(t *testing.T) {
	s, _, _ := started(t)
	other := New(Options{About: s.about, Entries: s.entries, Log: s.log})
	defer other.Close()
	if err := other.Listen("127.0.0.1:" + strconv.Itoa(s.Port())); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("got %v", err)
	}
}
