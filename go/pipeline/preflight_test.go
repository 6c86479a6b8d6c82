package pipeline

import (
	"net/http"
	"strings"
	"testing"

	"osp/go/callbacks"
)

func TestPreflightsAreTheBucketsToAnswer(t *testing.T) {
	r := entries(t, callbacks.Set{}, nil, map[string]settings{"photos": {"bucket": "lake", "prefix": "team"}})
	r.Store.Answers(func(w http.ResponseWriter, q *http.Request) {
		if q.Header.Get("Origin") != "https://app.example" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		w.Header().Set("Access-Control-Allow-Origin", "https://app.example")
		w.Header().Set("X-Amz-Id-2", "store")
		w.Header().Set("Vary", "Origin")
	})
	ask := func(target, origin string, more ...string) reply {
		req := r.Request("OPTIONS", target, "")
		req.Header.Set("Origin", origin)
		req.Header.Set("Access-Control-Request-Method", "PUT")
		req.Header.Set("X-Amz-Copy-Source", "/lake/secret")
		for i := 0; i < len(more); i += 2 {
			req.Header.Set(more[i], more[i+1])
		}
		return r.Do(req)
	}
	a := ask("/photos/k?versionId=1", "https://app.example", "Access-Control-Request-Headers", "authorization")
	if a.StatusCode != 200 || a.Header.Get("Access-Control-Allow-Origin") != "https://app.example" || a.Header.Get("Vary") != "Origin" || a.Header.Get("X-Amz-Id-2") != "" {
		t.Errorf("got %d %v", a.StatusCode, a.Header)
	}
	got := r.Store.Only(t)
	if got.Target != "/lake/team/k" || got.Method != "OPTIONS" || got.Header.Get("Authorization") != "" || got.Header.Get("X-Amz-Copy-Source") != "" || got.Header.Get("Access-Control-Request-Headers") != "authorization" {
		t.Errorf("the store saw %+v", got)
	}
	for _, refused := range []reply{ask("/photos/k", "https://evil.example"), ask("/nowhere/k", "https://app.example"), ask("/", "https://app.example"),
		ask("/photos/k", "https://app.example", "Authorization", "AWS4-HMAC-SHA256 x"), ask("/photos/k", "https://app.example", "Access-Control-Request-Method", "")} {
		if refused.StatusCode/100 != 4 || refused.Header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("got %d %v", refused.StatusCode, refused.Header)
		}
	}
	for _, target := range []string{"/photos/a//b", "/none/a//b", "/photos/" + strings.Repeat("a", 1020), "/none/" + strings.Repeat("a", 1020)} {
		if refused := ask(target, "https://app.example"); refused.StatusCode != 403 || refused.Code() != "AccessDenied" {
			t.Errorf("%.20s: a stranger learns %d %s", target, refused.StatusCode, refused.Code())
		}
	}
	if n := len(r.Store.Requests()); n != 2 {
		t.Errorf("%d requests reached the store, want 2", n)
	}
}
