package pipeline

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
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

// A rule about a header means nothing if the store reads another value than was decided about.
func TestWhoDecidesSeesTheValuesThatTheStoreGets(t *testing.T) {
	var shown atomic.Pointer[http.Header]
	owner := callbacks.Set{ValidatorSeesRequest: true, Validator: func(_ context.Context, q *callbacks.Request) (callbacks.Decision, error) {
		header := q.Header()
		shown.Store(&header)
		return callbacks.Decision{Allow: true}, nil
	}}
	// Signed as it stands, which the SDK's signer does not do for it.
	r := start(t, owner, settings{"skip_signature_validation": true})
	ends := []string{"", "\u00a0", "\u0085", "\u2003", "\u3000", "\u00a0 \u00a0"}
	for _, before := range ends {
		for _, after := range append(ends, "\ta", " \t b") {
			for _, name := range []string{"X-Amz-Acl", "X-Amz-Meta-Owner", "X-Amz-Tagging", "X-Amz-Storage-Class", "Content-Type"} {
				value := before + "public-read" + after
				if a := r.Do(r.Signed("PUT", "/photos/"+url.PathEscape(name+value), "x", name, value)); a.StatusCode != http.StatusOK {
					t.Fatalf("%s %q: %d %s", name, value, a.StatusCode, a.Content)
				}
				sent := r.Store.Requests()
				got := sent[len(sent)-1].Header.Get(name)
				if decided := shown.Load().Get(name); decided != got || got == "" {
					t.Errorf("%s %q: decided about %q, the store got %q", name, value, decided, got)
				}
			}
		}
	}
}

func TestAURLOrdersNothingThatIsReadInTwoWays(t *testing.T) {
	r := start(t, callbacks.Set{}, nil)
	for value, fine := range map[string]bool{
		"public-read": true, "a%20b": true, "%20public-read": false, "public-read%20": false, "%09public-read": false, "public%09read": false,
		"%C2%A0public-read": false, "public-read%E3%80%80": false, "public-read%0A": false, "%0D%0AX-Evil:1": false, "%00": false,
	} {
		for _, name := range []string{"x-amz-acl", "X-Amz-Meta-A"} {
			req := r.Request("PUT", r.Presigned("PUT", "/photos/k?"+name+"="+value, 0), "x")
			if a := r.Do(req); (a.StatusCode == http.StatusOK) != fine {
				t.Errorf("%s=%s: %d %s", name, value, a.StatusCode, a.Content)
			}
		}
	}
}

func TestAnotherObjectIsNamedWithoutBlanksAroundIt(t *testing.T) {
	r := start(t, callbacks.Set{}, settings{"skip_signature_validation": true})
	for _, source := range []string{"/photos/k\u3000", "\u00a0/photos/k", "/photos/a\tb"} {
		r.Refuses(r.Signed("PUT", "/photos/n", "", "X-Amz-Copy-Source", source), http.StatusBadRequest, "InvalidArgument")
		r.Refuses(r.Signed("PUT", "/photos/n?renameObject", "", "X-Amz-Rename-Source", source), http.StatusBadRequest, "InvalidArgument")
	}
	if a := r.Do(r.Signed("PUT", "/photos/n", "", "X-Amz-Copy-Source", "/photos/k%E3%80%80")); a.StatusCode != http.StatusOK {
		t.Errorf("it is encoded: %d %s", a.StatusCode, a.Content)
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
