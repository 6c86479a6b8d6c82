package pipeline

import (
	"net/http"
	"strings"
	"testing"

	"osp/go/callbacks"
	"osp/go/upstream"
)

func TestStoreHeaderKeepsAttackersOut(t *testing.T) {
	cases := []struct {
		name, field  string
		signed, kept bool
	}{
		{"metadata that was signed", "X-Amz-Meta-A", true, true},
		{"a copy source nobody signed", "X-Amz-Copy-Source", false, false},
		{"encryption nobody signed", "X-Amz-Server-Side-Encryption", false, false},
		{"a field of IBM's, unsigned", "Retention-Period", false, false},
		{"a field of IBM's, signed", "Retention-Period", true, true},
		{"what a gateway might obey, signed", "X-Http-Method-Override", true, false},
		{"another object, signed", "X-Copy-From", true, false},
		{"a field that nobody knows, signed", "X-Original-Url", true, false},
		{"a harmless field, unsigned", "If-None-Match", false, true},
		{"the client's authorization", "Authorization", true, false},
		{"the client's session token", "X-Amz-Security-Token", true, false},
		{"a forwarded address", "X-Forwarded-For", true, false},
		{"a hop-by-hop field", "Te", true, false},
		{"a cookie", "Cookie", true, false},
		{"what Connection names, unsigned", "If-Match", false, false},
		{"the continue expectation", "Expect", true, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			h := http.Header{c.field: {"v"}, "Connection": {"close, if-match"}}
			var signed []string
			if c.signed {
				signed = []string{strings.ToLower(c.field)}
			}
			got := storeHeader(h, signed, true)
			if _, kept := got[c.field]; kept != c.kept {
				t.Errorf("kept: %v", kept)
			}
		})
	}
}

func TestFieldsOfIBMGoToIBMOnly(t *testing.T) {
	h := http.Header{"Ibm-Sse-Kp-Encryption-Algorithm": {"AES256"}, "Retention-Period": {"1"}}
	if got := storeHeader(h, []string{"ibm-sse-kp-encryption-algorithm", "retention-period"}, false); len(got) > 0 {
		t.Errorf("another store gets %v", got)
	}
}

func TestConnectionTakesNothingAwayThatWasSigned(t *testing.T) {
	r := start(t, callbacks.Set{}, nil)
	req := r.Signed("PUT", "/photos/k", "x", "X-Amz-Storage-Class", "GLACIER")
	req.Header.Set("Connection", "X-AMZ-storage-class")
	r.Refuses(req, http.StatusBadRequest, "InvalidRequest")
	req = r.Signed("PUT", "/photos/k", "x", "X-Amz-Storage-Class", "GLACIER")
	req.Header.Set("Connection", "keep-alive, x-amz-date, te") // these end here anyway
	if a := r.Do(req); a.StatusCode != http.StatusOK || r.Store.Only(t).Header.Get("X-Amz-Storage-Class") != "GLACIER" {
		t.Errorf("got %d %s", a.StatusCode, a.Content)
	}
}

func TestClientHeaderPassesWhatIsEndToEnd(t *testing.T) {
	store := http.Header{
		"Etag": {`"x"`}, "X-Amz-Version-Id": {"1"}, "X-Custom": {"a", "b"},
		"Connection": {"keep-alive, X-Hop"}, "X-Hop": {"1"}, "Server": {"MinIO"}, "Keep-Alive": {"1"},
	}
	got := http.Header{"Server": {"osp"}}
	clientHeader(got, store)
	for _, name := range []string{"Connection", "X-Hop", "Keep-Alive"} {
		if got[name] != nil {
			t.Errorf("%s passes", name)
		}
	}
	if got.Get("Server") != "osp" || len(got["X-Custom"]) != 2 || got[upstream.Spell("Etag")] == nil || got[upstream.Spell("X-Amz-Version-Id")] == nil {
		t.Errorf("got %v", got)
	}
	if v, ok := got["Content-Type"]; !ok || v != nil {
		t.Error("net/http would guess a content type")
	}
}
