package pipeline

import (
	"errors"
	"net/http"
	"strings"
	"testing"
)

func TestFramingThatHTTP2LetsPassIsRefused(t *testing.T) {
	sound := func() *http.Request {
		return &http.Request{Method: "GET", Host: "a", ContentLength: 4, Header: http.Header{"Content-Length": {"4"}, "X": {"a b", ""}}}
	}
	if err := checkFraming(sound()); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*http.Request){
		"a leading space":       func(r *http.Request) { r.Header.Set("X", " a") },
		"a trailing tab":        func(r *http.Request) { r.Header["X"] = []string{"b", "a\t"} },
		"a wrong length":        func(r *http.Request) { r.Header.Set("Content-Length", "5") },
		"a length without body": func(r *http.Request) { r.ContentLength = 0 },
		"two lengths":           func(r *http.Request) { r.Header["Content-Length"] = []string{"4", "4"} },
		"a padded length":       func(r *http.Request) { r.Header.Set("Content-Length", "04") },
		"another host":          func(r *http.Request) { r.Header.Set("Host", "b") },
		"a method that is two":  func(r *http.Request) { r.Method = "DELETE /b/k?" },
		"a path with a host":    func(r *http.Request) { r.ProtoMajor, r.RequestURI = 2, "https://b/k" },
	} {
		r := sound()
		spoil(r)
		if err := checkFraming(r); !errors.Is(err, errFraming) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for c := range 256 {
		r := sound()
		r.Host = "a" + string([]byte{byte(c)}) + "b"
		odd := c <= ' ' || c >= 0x7f || strings.ContainsRune("/?#@\\<>\"{}|^`", rune(c))
		if err := checkFraming(r); odd != errors.Is(err, errFraming) {
			t.Errorf("the host %q: %v", r.Host, err)
		}
	}
}

func BenchmarkFraming(b *testing.B) {
	r := &http.Request{Method: "GET", Host: "proxy.example", Header: http.Header{
		"Authorization": {"AWS4-HMAC-SHA256 ..."}, "X-Amz-Date": {"20260301T120000Z"}, "X-Amz-Content-Sha256": {"UNSIGNED-PAYLOAD"},
		"User-Agent": {"Boto3/1.40"}, "Accept-Encoding": {"identity"},
	}}
	b.ReportAllocs()
	for b.Loop() {
		if err := checkFraming(r); err != nil {
			b.Fatal(err)
		}
	}
}
