package pipeline

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"osp/go/callbacks"
)

// zipped compresses a text as a store would that answers in gzip.
func zipped(t *testing.T, text string) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func says(status int, coding string, body []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/xml")
		w.Header().Set("X-Amz-Request-Id", "STORE1")
		if coding != "" {
			w.Header().Set("Content-Encoding", coding)
		}
		w.WriteHeader(status)
		_, _ = w.Write(body)
	}
}

func TestOnlyContentComesInTheEncodingThatTheClientTakes(t *testing.T) {
	r := start(t, callbacks.Set{}, nil)
	for _, c := range []struct{ method, target, want string }{
		{"GET", "/photos/k", "gzip"}, {"HEAD", "/photos/k", "gzip"}, {"GET", "/photos/k?versionId=1", "gzip"},
		{"GET", "/photos", "identity"}, {"GET", "/photos/k?tagging", "identity"}, {"PUT", "/photos/k", "identity"},
		{"DELETE", "/photos/k", "identity"}, {"POST", "/photos/k?uploads", "identity"}, {"GET", "/photos/k?uploadId=u", "identity"},
	} {
		before := len(r.Store.Requests())
		r.Do(r.Signed(c.method, c.target, "", "Accept-Encoding", "gzip"))
		if got := r.Store.Requests()[before].Header["Accept-Encoding"]; len(got) != 1 || got[0] != c.want {
			t.Errorf("%s %s: the store was asked for %q, want %s", c.method, c.target, got, c.want)
		}
	}
}

func TestACompressedRefusalIsJudgedLikeAnyOther(t *testing.T) {
	r := start(t, callbacks.Set{}, nil)
	refusal := "<Error><Code>InvalidAccessKeyId</Code><AWSAccessKeyId>" + storeKey + "</AWSAccessKeyId></Error>"
	for coding, body := range map[string][]byte{"gzip": zipped(t, refusal), "x-gzip": zipped(t, refusal), "br": []byte(refusal)} {
		r.Store.Answers(says(403, coding, body))
		a := r.Do(r.Signed("GET", "/photos/k", "", "Accept-Encoding", "gzip"))
		if a.Code() != "AccessDenied" || strings.Contains(string(a.Content), storeKey) || a.Header.Get("Content-Encoding") != "" {
			t.Errorf("%s: %d %v %s", coding, a.StatusCode, a.Header, a.Content)
		}
	}
}

func TestARefusalThatCantBeReadMayBeAboutCredentials(t *testing.T) {
	k := &rotation{}
	k.fetched.Store("old")
	k.taken.Store("old")
	r := entries(t, k.callbacks(), nil, map[string]settings{"photos": {"access_key": nil, "secret_key": nil}})
	r.Store.Answers(func(w http.ResponseWriter, q *http.Request) {
		if strings.Contains(q.Header.Get("Authorization"), "Credential="+k.taken.Load().(string)+"/") {
			return
		}
		says(403, "zstd", []byte("\x28\xb5\x2f\xfd"))(w, q)
	})
	for range 2 {
		if a := r.Do(r.Signed("GET", "/photos/k", "")); a.StatusCode != 200 {
			t.Fatalf("with %s: %d %s", k.taken.Load(), a.StatusCode, a.Content)
		}
		k.fetched.Store("new")
		k.taken.Store("new")
	}
	k.taken.Store("nobody's")
	if a := r.Do(r.Signed("GET", "/photos/k", "")); a.StatusCode != 403 || a.Code() != "AccessDenied" {
		t.Errorf("to the end: %d %s", a.StatusCode, a.Content)
	}
}

func TestACompressedRefusalIsToldInPlain(t *testing.T) {
	r := entries(t, callbacks.Set{}, nil, map[string]settings{"photos": {}, "data": {"bucket": "lake", "prefix": "team"}})
	refusal := "<Error><Code>NoSuchKey</Code><Message>lake</Message></Error>"
	for _, c := range []struct {
		name, coding string
		body         []byte
		code         string
	}{
		{"gzip", "gzip", zipped(t, refusal), "NoSuchKey"},
		{"announced and not done", "gzip", []byte(refusal), "NoSuchKey"},
		{"an encoding that is not known here", "zstd", []byte("\x28\xb5\x2f\xfd lake"), "NotFound"},
		{"broken off", "gzip", zipped(t, refusal)[:20], "NotFound"},
		{"a bomb", "gzip", zipped(t, "<Error><Code>NoSuchKey</Code>"+strings.Repeat(" ", 1<<20)+"</Error>"), "NotFound"},
	} {
		for _, bucket := range []string{"photos", "data"} {
			r.Store.Answers(says(404, c.coding, c.body))
			a := r.Do(r.Signed("GET", "/"+bucket+"/k", "", "Accept-Encoding", "gzip"))
			if a.StatusCode != 404 || a.Code() != c.code || a.Header.Get("Content-Encoding") != "" || a.Header.Get("Content-Length") != strconv.Itoa(len(a.Content)) {
				t.Errorf("%s of %s: %d %v %s", c.name, bucket, a.StatusCode, a.Header, a.Content)
			}
			if bucket == "data" && strings.Contains(string(a.Content), "lake") {
				t.Errorf("%s: %s", c.name, a.Content)
			}
		}
	}
	r.Store.Answers(says(404, "gzip", nil))
	if a := r.Do(r.Signed("GET", "/photos/k", "")); a.StatusCode != 404 || len(a.Content) > 0 {
		t.Errorf("an empty one: %d %s", a.StatusCode, a.Content)
	}
}

func TestObjectsStayCompressed(t *testing.T) {
	r := entries(t, callbacks.Set{}, nil, map[string]settings{"data": {"bucket": "lake", "prefix": "team"}})
	body := zipped(t, "content")
	r.Store.Answers(says(200, "gzip", body))
	a := r.Do(r.Signed("GET", "/data/k", "", "Accept-Encoding", "gzip"))
	if !bytes.Equal(a.Content, body) || a.Header.Get("Content-Encoding") != "gzip" {
		t.Errorf("%v %q", a.Header, a.Content)
	}
	if a := r.Do(r.Signed("GET", "/data?list-type=2", "")); a.StatusCode != 502 {
		t.Errorf("a listing that can't be read: %d %s", a.StatusCode, a.Content)
	}
	r.Store.Answers(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		w.WriteHeader(304)
	})
	if a := r.Do(r.Signed("GET", "/data/k", "")); a.StatusCode != 304 || a.Header.Get("Content-Encoding") != "gzip" {
		t.Errorf("not modified: %d %v", a.StatusCode, a.Header)
	}
}
