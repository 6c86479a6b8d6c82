package pipeline

import (
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
