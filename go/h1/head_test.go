package h1

import (
	"bufio"
	"errors"
	"maps"
	"net/http"
	"net/textproto"
	"net/url"
	"reflect"
	"strings"
	"testing"
)

func TestAHeadIsReadAsNetHTTPReadsIt(t *testing.T) {
	texts := maps.Clone(sound)
	maps.Copy(texts, map[string]string{
		"names in many spellings": "GET /a?b=c HTTP/1.1\r\nhost: a:80\r\nX-AMZ-date: 1\r\netag: 2\r\nx-amz-meta-MiXed: 3\r\n\r\n",
		"fields that repeat":      "GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\nx: 2\r\nY: z\r\nX: 3\r\n\r\n",
		"an empty value":          "GET / HTTP/1.1\r\nHost: a\r\nX:\r\nY: \t \r\n\r\n",
		"space around a value":    "GET / HTTP/1.1\r\nHost: a\r\nX: \t a b \t\r\n\r\n",
		"a target with a host":    "GET http://b:81/k?q HTTP/1.1\r\nHost: a\r\n\r\n",
		"a whole server":          "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
		"an authority":            "CONNECT b:443 HTTP/1.1\r\nHost: b\r\n\r\n",
		"an old version":          "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n",
		"a last request":          "GET / HTTP/1.1\r\nHost: a\r\nConnection: x, Close\r\n\r\n",
		"escapes":                 "GET /%41/%2F%20?%zz HTTP/1.1\r\nHost: a\r\n\r\n",
	})
	for name, text := range texts {
		if !agree(t, name, text) {
			t.Errorf("%s is refused", name)
		}
	}
}

// agree compares a head with what net/http makes of it, and reports whether
// both took it.
func agree(t *testing.T, name, text string) bool {
	t.Helper()
	end := strings.Index(text, "\r\n\r\n")
	if end < 0 {
		return false
	}
	ours, err := parse(text[:end+4])
	theirs, theirErr := http.ReadRequest(bufio.NewReader(strings.NewReader(text)))
	if err != nil {
		return false
	}
	if theirErr != nil {
		t.Errorf("%s: net/http refuses what passes here: %v", name, theirErr)
		return false
	}
	// net/http answers for a field that the client didn't send, and takes the
	// names of trailers out.
	delete(ours.header, "Trailer")
	delete(theirs.Header, "Trailer")
	if theirs.Header.Get("Pragma") == "no-cache" {
		delete(ours.header, "Cache-Control")
		delete(theirs.Header, "Cache-Control")
	}
	if !maps.EqualFunc(ours.header, theirs.Header, func(a, b []string) bool { return reflect.DeepEqual(a, b) }) {
		t.Errorf("%s: fields %v, net/http has %v", name, ours.header, theirs.Header)
	}
	if !reflect.DeepEqual(ours.url, theirs.URL) {
		t.Errorf("%s: URL %#v, net/http has %#v", name, ours.url, theirs.URL)
	}
	got := []any{ours.method, ours.target, ours.host, ours.length, ours.minor, ours.close}
	want := []any{theirs.Method, theirs.RequestURI, theirs.Host, theirs.ContentLength, theirs.ProtoMinor, theirs.Close}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s: %v, net/http has %v", name, got, want)
	}
	return true
}

// What passes here, net/http takes for the same request.
func FuzzHead(f *testing.F) {
	for _, text := range sound {
		f.Add(text)
	}
	for _, text := range ambiguous {
		f.Add(text)
	}
	f.Add("GET http://u:p@b/?q#f HTTP/1.1\r\nHost: a\r\nConnection: close, keep-alive\r\nExpect: 100-continue\r\n\r\n")
	f.Fuzz(func(t *testing.T, text string) { agree(t, "it", text) })
}

func TestNamesAreSpelledAsTextprotoDoes(t *testing.T) {
	for _, name := range []string{
		"host", "Host", "HOST", "x-amz-date", "X-Amz-Content-SHA256", "x-amz-content-sha256", "ETag", "www-authenticate",
		"content-md5", "a", "A", "-a", "a-", "a--b", "x_y", "X.y", "123-abc", "x-amz-meta-MixedCase",
	} {
		got, ok := CanonicalName(name)
		if want := textproto.CanonicalMIMEHeaderKey(name); !ok || got != want {
			t.Errorf("%s became %s, textproto makes it %s", name, got, want)
		}
	}
	for name, spelled := range commonNames {
		if want := textproto.CanonicalMIMEHeaderKey(name); spelled != want {
			t.Errorf("%s is known as %s, textproto makes it %s", name, spelled, want)
		}
	}
	for _, name := range []string{"", " ", "a ", "a b", "a:b", "a\x00", "é"} {
		if got, ok := CanonicalName(name); ok {
			t.Errorf("%q became %q", name, got)
		}
	}
}

func TestPlainTargetsAreThoseThatPackageURLLeavesAlone(t *testing.T) {
	for c := range 256 {
		target := "/a" + string([]byte{byte(c)}) + "b?c=" + string([]byte{byte(c)})
		if c <= ' ' || c == 0x7f {
			continue // such a target is refused before
		}
		ours, err := ParseTarget("GET", target)
		theirs, theirErr := url.ParseRequestURI(target)
		if (err == nil) != (theirErr == nil) || !reflect.DeepEqual(ours, theirs) {
			t.Errorf("%q became %#v, package url makes it %#v", target, ours, theirs)
		}
	}
}

func TestOtherVersionsAreNotSpoken(t *testing.T) {
	for _, version := range []string{"HTTP/2.0", "HTTP/0.9", "HTTP/1.2", "HTTP/3.0"} {
		if _, err := parse("GET / " + version + "\r\nHost: a\r\n\r\n"); !errors.Is(err, errVersion) {
			t.Errorf("%s: %v", version, err)
		}
	}
}

func BenchmarkHead(b *testing.B) {
	text := "GET /data/k1 HTTP/1.1\r\nHost: 127.0.0.1:9107\r\nx-amz-content-sha256: UNSIGNED-PAYLOAD\r\nx-amz-date: 20260101T000000Z\r\n" +
		"Authorization: AWS4-HMAC-SHA256 Credential=ck/20260101/us-east-1/s3/aws4_request, SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature=" +
		strings.Repeat("0", 64) + "\r\n\r\n"
	b.ReportAllocs()
	for b.Loop() {
		if _, err := parse(text); err != nil {
			b.Fatal(err)
		}
	}
}

func TestWordsAreComparedAsASCII(t *testing.T) {
	for value, want := range map[string]bool{"x, Close ,y": true, "clo\u017fe": false, "closed": false, "": false} {
		if got := hasElement(value, "close"); got != want {
			t.Errorf("%q lists close: %v", value, got)
		}
	}
}
