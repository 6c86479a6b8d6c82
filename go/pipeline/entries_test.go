package pipeline

import (
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"osp/go/callbacks"
	"osp/go/pipeline/pipelinetest"
	"osp/go/s3op"
)

func TestAnEntryMayShowAnotherNameAndAFolder(t *testing.T) {
	r := entries(t, callbacks.Set{}, nil, map[string]settings{"data": {"bucket": "lake", "prefix": "team"}})
	for target, want := range map[string]string{
		"/data/k%20l/m?versionId=1":   "/lake/team/k%20l/m?versionId=1",
		"/data/team/x":                "/lake/team/team/x",
		"/data//k":                    "",
		"/data?list-type=2":           "/lake?list-type=2&prefix=team%2F",
		"/data?prefix=%2E%2E%2Fother": "",
		"/data?prefix=other":          "/lake?prefix=team%2Fother",
		"/data?policy":                "",
		"/data/../other":              "",
		"/data/%2e%2e/other":          "",
	} {
		before := len(r.Store.Requests())
		req := r.Request("GET", "/", "")
		path, query, _ := strings.Cut(target, "?")
		req.URL.Opaque, req.URL.RawQuery = "//"+req.URL.Host+path, query
		r.Do(r.Sign(req, ""))
		got := ""
		if seen := r.Store.Requests(); len(seen) > before {
			got = seen[before].Target
		}
		if got != want {
			t.Errorf("%s reached the store as %q, want %q", target, got, want)
		}
	}
}

func TestCopiesWithinAFolderStayThere(t *testing.T) {
	r := entries(t, callbacks.Set{}, nil, map[string]settings{"data": {"bucket": "lake", "prefix": "team"}, "plain": {}})
	a := r.Do(r.Signed("PUT", "/plain/to", "", "X-Amz-Copy-Source", "/data/from?versionId=7"))
	if got := r.Store.Only(t); a.StatusCode != 200 || got.Header.Get("X-Amz-Copy-Source") != "lake/team/from?versionId=7" || got.Target != "/plain/to" {
		t.Errorf("%d; the store saw %s %v", a.StatusCode, got.Target, got.Header)
	}
}

func TestAnswersOfARenamedBucketHaveTheClientsNames(t *testing.T) {
	r := entries(t, callbacks.Set{}, nil, map[string]settings{"data": {"bucket": "lake", "prefix": "team"}})
	r.Store.Answers(func(w http.ResponseWriter, q *http.Request) {
		w.Header().Set("Location", "/lake")
		w.Header().Set("Content-Type", "application/xml")
		if q.URL.Path == "/lake/team/missing" {
			w.WriteHeader(404)
			_, _ = io.WriteString(w, "<Error><Code>NoSuchKey</Code><Key>team/missing</Key><BucketName>lake</BucketName><Resource>/lake/team/missing</Resource></Error>")
			return
		}
		_, _ = io.WriteString(w, "<ListBucketResult><Name>lake</Name><Prefix>team/</Prefix><Contents><Key>team/k</Key></Contents></ListBucketResult>")
	})
	a := r.Do(r.Signed("GET", "/data?list-type=2", ""))
	if want := "<ListBucketResult><Name>data</Name><Prefix></Prefix><Contents><Key>k</Key></Contents></ListBucketResult>"; string(a.Content) != want || a.Header.Get("Location") != "" {
		t.Errorf("got %v %s", a.Header, a.Content)
	}
	a = r.Do(r.Signed("GET", "/data/missing", ""))
	if want := xml.Header + "<Error><Code>NoSuchKey</Code><Key>missing</Key><BucketName>data</BucketName><Resource>/data/missing</Resource></Error>"; string(a.Content) != want || a.StatusCode != 404 || a.ContentLength != int64(len(want)) {
		t.Errorf("got %d %v %s", a.StatusCode, a.Header, a.Content)
	}
	r.Store.Answers(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Of-The-Store", "1")
		_, _ = io.WriteString(w, "<ListBucketResult><Contents><Key>other/k</Key></Contents></ListBucketResult>")
	})
	if a := r.Do(r.Signed("GET", "/data?list-type=2", "")); a.StatusCode != 502 || a.Header.Get("X-Of-The-Store") != "" {
		t.Errorf("a store that lists too much: %d %v %s", a.StatusCode, a.Header, a.Content)
	}
	r.Store.Answers(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "<ListBucketResult>")
		_ = http.NewResponseController(w).Flush() // so that it has no length
		_, _ = io.WriteString(w, "<Contents><Key>other/k</Key></Contents></ListBucketResult>")
	})
	if resp, err := pipelinetest.Client.Do(r.Signed("GET", "/data?list-type=2", "")); err == nil {
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err == nil || strings.Contains(string(body), "other") {
			t.Errorf("a store that lists too much, bit by bit: %s", body)
		}
	}
	r.Store.Answers(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(500)
		_, _ = io.WriteString(w, "no XML, but lake")
	})
	if a := r.Do(r.Signed("GET", "/data/k", "")); a.StatusCode != 500 || a.Code() != "InternalError" || strings.Contains(string(a.Content), "lake") {
		t.Errorf("an error that can't be rewritten: %d %s", a.StatusCode, a.Content)
	}
	r.Store.Answers(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<Name>lake</Name>") })
	if a := r.Do(r.Signed("GET", "/data/k", "")); string(a.Content) != "<Name>lake</Name>" {
		t.Errorf("an object was rewritten: %s", a.Content)
	}
}

func TestPatternsStandForManyBuckets(t *testing.T) {
	r := entries(t, callbacks.Set{}, nil, map[string]settings{"team-*": {}, "team-a-*": {"read_only": true}, "team-special": {"bucket": "other"}})
	for target, want := range map[string]string{
		"/team-x/k": "/team-x/k", "/team-/k": "/team-/k", "/team-special/k": "/other/k", "/tea/k": "", "/team-../k": "", "/team-b%3Ac/k": "",
		"/team-x%40evil/k": "", "/team-x%00/k": "", "/team-" + strings.Repeat("x", 60) + "/k": "",
	} {
		before := len(r.Store.Requests())
		req := r.Request("GET", "/", "")
		req.URL.Opaque = "//" + req.URL.Host + target
		a := r.Do(r.Sign(req, ""))
		got := ""
		if seen := r.Store.Requests(); len(seen) > before {
			got = seen[before].Target
		}
		if got != want || got == "" && a.Code() != "NoSuchBucket" {
			t.Errorf("%s: %d, the store saw %q, want %q", target, a.StatusCode, got, want)
		}
	}
	r.Store = pipelinetest.NewStore(t) // that nothing goes to
	r.Refuses(r.Signed("PUT", "/team-a-x/k", "body"), 403, "AccessDenied")
}

func TestReadOnlyEntriesTakeNoWrites(t *testing.T) {
	r := entries(t, callbacks.Set{}, nil, map[string]settings{"photos": {"read_only": true}, "other": {}})
	everyRequest(func(method, target string) {
		parsed, err := s3op.Parse(method, target, "", nil)
		if err != nil || parsed.Unlisted != nil || parsed.Bucket != "photos" || !parsed.Operation.Writes() || parsed.Operation == s3op.PostObject {
			return
		}
		if a := r.Do(r.Signed(method, target, "")); a.StatusCode != 403 {
			t.Errorf("%s %s: %d %s", method, target, a.StatusCode, a.Content)
		}
	})
	r.Store.Untouched(t)
	if a := r.Do(r.Signed("GET", "/photos/k", "")); a.StatusCode != 200 {
		t.Errorf("a read: %d", a.StatusCode)
	}
	if a := r.Do(r.Signed("PUT", "/other/k", "", "X-Amz-Copy-Source", "/photos/k")); a.StatusCode != 200 {
		t.Errorf("a copy from it: %d %s", a.StatusCode, a.Content)
	}
}

func TestAnonymousReadsAreTheValidatorsToDecide(t *testing.T) {
	h := callbacks.Set{ValidatorSeesRequest: true, Validator: func(_ context.Context, q *callbacks.Request) (callbacks.Decision, error) {
		return callbacks.Decision{Allow: q.Token == "" && strings.HasPrefix(q.Key, "public/")}, nil
	}}
	r := entries(t, h, settings{"callbacks": []string{"validator"}}, map[string]settings{"open": {"anonymous": true}, "closed": {}})
	for _, c := range []struct {
		method, target string
		header         string
		status         int
	}{
		{"GET", "/open/public/k", "", 200},
		{"HEAD", "/open/public/k", "", 200},
		{"GET", "/open/public/k", "X-Amz-Checksum-Mode", 200},
		{"GET", "/open/private/k", "", 403},
		{"GET", "/open/public/k", "X-Amz-Copy-Source", 400},
		{"GET", "/closed/public/k", "", 403},
		{"GET", "/nowhere/public/k", "", 403},
		{"GET", "/", "", 403},
		{"PUT", "/open/public/k", "", 403},
		{"DELETE", "/open/public/k", "", 403},
		{"POST", "/open/public/k?select&select-type=2", "", 403},
		{"POST", "/open?delete", "", 403},
		{"OPTIONS", "/open/public/k", "", 403},
		{"GET", "/open/public/k?unheard", "", 403},
		{"GET", "/open/public/k?X-Amz-Signature=0", "", 400},
	} {
		req := r.Request(c.method, c.target, "")
		if c.header != "" {
			req.Header.Set(c.header, "/closed/k")
		}
		before := len(r.Store.Requests())
		a := r.Do(req)
		if reached := len(r.Store.Requests()) > before; a.StatusCode != c.status || reached != (c.status == 200) {
			t.Errorf("%s %s %s: %d %s, reached the store: %v", c.method, c.target, c.header, a.StatusCode, a.Content, reached)
		}
	}
	body := r.Request("GET", "/open/public/k", "body")
	if a := r.Do(body); a.StatusCode != 200 {
		t.Errorf("a GET with a body: %d", a.StatusCode)
	}
	if seen := r.Store.Requests(); len(seen[len(seen)-1].Body) > 0 {
		t.Error("the body of a GET reached the store")
	}
}

func TestTheHostMayNameTheBucket(t *testing.T) {
	var asked []string
	h := callbacks.Set{ValidatorSeesRequest: true, Validator: func(_ context.Context, q *callbacks.Request) (callbacks.Decision, error) {
		asked = append(asked, q.Bucket+" "+q.Key+" "+q.Path)
		return callbacks.Decision{Allow: true}, nil
	}}
	change := settings{"domains": []string{"proxy.example", "s3.proxy.example"}, "trusted_proxies": []string{"127.0.0.1"}}
	r := entries(t, h, change, map[string]settings{"photos": {"ttl": 0}, "my.photos": {"ttl": 0}})
	for _, c := range []struct{ host, forwarded, path, want, target string }{
		{"photos.proxy.example", "", "/a/k", "photos a/k /photos/a/k", "/photos/a/k"},
		{"Photos.S3.Proxy.Example:80", "", "/k", "photos k /photos/k", "/photos/k"},
		{"my.photos.s3.proxy.example", "", "/k", "my.photos k /my.photos/k", "/my.photos/k"},
		{"proxy.example", "", "/photos/k", "photos k /photos/k", "/photos/k"},
		{"photos.elsewhere.example", "", "/photos/k", "photos k /photos/k", "/photos/k"},
		{"internal", "photos.proxy.example", "/k", "photos k /photos/k", "/photos/k"},
		{"photos.proxy.example", "my.photos.proxy.example", "/k", "", ""}, // signed for the one, sent to the other
	} {
		asked = nil
		before := len(r.Store.Requests())
		req := r.Request("GET", c.path, "")
		req.Host = c.host
		if c.forwarded != "" && c.want != "" {
			req.Host = c.forwarded
		}
		req = r.Sign(req, "")
		if c.forwarded != "" {
			req.Host = c.host
			req.Header.Set("X-Forwarded-Host", c.forwarded)
		}
		a := r.Do(req)
		got, target := strings.Join(asked, ","), ""
		if seen := r.Store.Requests(); len(seen) > before {
			target = seen[before].Target
		}
		if got != c.want || target != c.target || (c.want == "") != (a.Code() == "SignatureDoesNotMatch") {
			t.Errorf("%s: asked %q, sent %q, %d %s", c.host, got, target, a.StatusCode, a.Code())
		}
	}
}

func TestLocationsAreInTheClientsStyle(t *testing.T) {
	r := entries(t, callbacks.Set{}, settings{"domains": []string{"proxy.example"}}, map[string]settings{"data": {"bucket": "lake"}})
	r.Store.Answers(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "<CompleteMultipartUploadResult><Location>http://store/lake/a</Location></CompleteMultipartUploadResult>")
	})
	for host, path := range map[string]string{"data.proxy.example": "/a%20b", "proxy.example": "/data/a%20b"} {
		const parts = "<CompleteMultipartUpload/>"
		req := r.Request("POST", path+"?uploadId=u", parts)
		req.Host = host
		a := r.Do(r.Sign(req, parts))
		if want := fmt.Sprintf("<Location>http://%s%s</Location>", host, path); !strings.Contains(string(a.Content), want) {
			t.Errorf("got %s, want %s", a.Content, want)
		}
		var parsed struct{ Location string }
		if err := xml.Unmarshal(a.Content, &parsed); err != nil {
			t.Error(err)
		}
	}
}
