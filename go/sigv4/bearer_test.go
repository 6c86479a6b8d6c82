package sigv4

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

func bearing(change func(*Request)) *Request {
	r := &Request{Method: "PUT", RawPath: "/b/k", Hosts: []string{"h"}, Header: http.Header{"Authorization": {"Bearer sesame"}, "X-Amz-Acl": {"private"}}}
	change(r)
	return r
}

func TestABearerTokenIsFoundInItsHeaderAlone(t *testing.T) {
	for value, want := range map[string]string{
		"Bearer sesame": "sesame", "bearer sesame": "sesame", "BEARER  sesame ": "sesame", "Basic sesame": "", "Bearer": "", "Bearersesame": "",
		"AWS4-HMAC-SHA256 Credential=a": "",
	} {
		if got := BearerToken(bearing(func(r *Request) { r.Header.Set("Authorization", value) })); got != want {
			t.Errorf("%q: got %q", value, got)
		}
	}
	inQuery := bearing(func(r *Request) {
		r.Header.Del("Authorization")
		r.RawQuery = "access_token=sesame&Authorization=Bearer%20sesame"
	})
	if got := BearerToken(inQuery); got != "" {
		t.Errorf("got %q out of the query", got)
	}
}

func TestARequestWithABearerTokenIsTakenAsItCame(t *testing.T) {
	v, err := Bearer(bearing(func(*Request) {}))
	if err != nil || !v.Usable() || v.Verified() || v.AccessKey() != "" || v.Presigned() || v.Payload().Kind != Unsigned || v.Chunks() != nil ||
		!slices.Equal(v.SignedHeaders(), []string{"authorization", "x-amz-acl"}) || v.Mechanism().String() != "bearer" {
		t.Errorf("got %+v, %v", v, err)
	}
	hashed := bearing(func(r *Request) { r.Header.Set("X-Amz-Content-Sha256", strings.Repeat("A", 64)) })
	if v, err := Bearer(hashed); err != nil || v.Payload().Kind != Hashed {
		t.Errorf("got %v", err)
	}
	for name, change := range map[string]func(*Request){
		"two tokens":              func(r *Request) { r.Header.Add("Authorization", "Bearer other") },
		"a token in two spelling": func(r *Request) { r.Header["authorization"] = []string{"Bearer other"} },
		"a presigned query":       func(r *Request) { r.RawQuery = "X-Amz-Algorithm=AWS4-HMAC-SHA256" },
		"a query of version 2":    func(r *Request) { r.RawQuery = "Signature=x&AWSAccessKeyId=y&Expires=1" },
		"a session token":         func(r *Request) { r.Header.Set("X-Amz-Security-Token", "x") },
		"chunk signatures":        func(r *Request) { r.Header.Set("X-Amz-Content-Sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD") },
		"two hashes":              func(r *Request) { r.Header["X-Amz-Content-Sha256"] = []string{"UNSIGNED-PAYLOAD", "UNSIGNED-PAYLOAD"} },
		"no hash":                 func(r *Request) { r.Header.Set("X-Amz-Content-Sha256", "x") },
		"a header spelt twice":    func(r *Request) { r.Header["x-amz-acl"] = []string{"public-read"} },
		"half an escape":          func(r *Request) { r.RawQuery = "a=%2" },
	} {
		if v, err := Bearer(bearing(change)); err == nil || v.Usable() {
			t.Errorf("%s is taken", name)
		}
	}
}
