package pipeline

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"osp/go/callbacks"
	"osp/go/pipeline/pipelinetest"
)

// asked notes the questions to a validator that refuses some operations.
type asked struct {
	mu        sync.Mutex
	questions []callbacks.Request
	refused   []string
}

func (a *asked) callbacks() callbacks.Set {
	return callbacks.Set{ValidatorSeesRequest: true, Validator: func(_ context.Context, q *callbacks.Request) (callbacks.Decision, error) {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.questions = append(a.questions, *q)
		return callbacks.Decision{Allow: !slices.Contains(a.refused, q.Operation+" "+q.Key)}, nil
	}}
}

// operations are what was asked since the last call, each with its key.
func (a *asked) operations() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var names []string
	for _, q := range a.questions {
		names = append(names, q.Operation+" "+q.Key)
	}
	a.questions = nil
	return strings.Join(names, ", ")
}

func TestWhatAStoreMightDoInsteadIsAskedToo(t *testing.T) {
	for _, c := range []struct {
		request, asked string
	}{
		{"DELETE /photos/k?tagging", "DeleteObjectTagging k, DeleteObject k"},
		{"DELETE /photos/k?uploadId=u", "AbortMultipartUpload k, DeleteObject k"},
		{"PUT /photos/k?retention", "PutObjectRetention k, PutObject k"},
		{"GET /photos/k?acl", "GetObjectAcl k, GetObject k"},
		{"GET /photos?inventory", "ListBucketInventoryConfigurations , ListObjects "},
		{"PUT /photos?website", "PutBucketWebsite , CreateBucket "},
		{"DELETE /photos?policy", "DeleteBucketPolicy , DeleteBucket "},
		{"PUT /photos/k?uploadId=u&partNumber=1", "UploadPart k"},
		{"GET /photos?list-type=2", "ListObjectsV2 "},
		{"DELETE /photos/k", "DeleteObject k"},
	} {
		method, target, _ := strings.Cut(c.request, " ")
		own, fallback, falls := strings.Cut(c.asked, ", ")
		for _, complete := range []bool{false, true} {
			a := &asked{}
			r := entries(t, a.callbacks(), nil, map[string]settings{"photos": {"complete": complete}})
			if got := r.Do(r.Signed(method, target, "")); got.StatusCode != 200 {
				t.Errorf("%s: %d %s", c.request, got.StatusCode, got.Content)
			}
			want := c.asked
			if complete {
				want = own
			}
			if got := a.operations(); got != want {
				t.Errorf("%s, complete %v: asked %s, want %s", c.request, complete, got, want)
			}
		}
		for _, refused := range []string{own, fallback} {
			a := &asked{refused: []string{refused}}
			r := entries(t, a.callbacks(), nil, map[string]settings{"photos": {}})
			if falls || refused == own {
				r.Refuses(r.Signed(method, target, ""), 403, "AccessDenied")
			}
		}
	}
}

func TestOperationsOutsideOfSThreeNeedAnEntryThatSaysSo(t *testing.T) {
	a := &asked{refused: []string{"Unknown secret"}}
	r := entries(t, a.callbacks(), nil, map[string]settings{"photos": {}, "open": {"unknown_operations": true}, "folder": {"unknown_operations": true, "prefix": "team"}})
	for _, request := range []string{"POST /photos/k?append&position=0", "DELETE /photos/k?retention", "GET /photos?replication-check=x", "HEAD /photos/k?acl"} {
		method, target, _ := strings.Cut(request, " ")
		if got := r.Do(r.Signed(method, target, "")); got.StatusCode != 405 && got.StatusCode != 501 {
			t.Errorf("%s: %d", request, got.StatusCode)
		}
		if got := r.Do(r.Signed(method, strings.Replace(target, "photos", "folder", 1), "")); got.StatusCode != 501 {
			t.Errorf("%s of a folder: %d", request, got.StatusCode)
		}
	}
	if got := a.operations(); strings.Contains(got, "photos") {
		t.Errorf("asked about %s", got)
	}
	r.Store.Untouched(t)
	a.operations()
	if got := r.Do(r.Signed("POST", "/open/k?append&position=0", "tail")); got.StatusCode != 200 || a.operations() != "Unknown k" {
		t.Errorf("got %d", got.StatusCode)
	}
	if seen := r.Store.Only(t); seen.Target != "/open/k?append=&position=0" || string(seen.Body) != "tail" {
		t.Errorf("the store saw %+v", seen)
	}
	r.Store = pipelinetest.NewStore(t) // that nothing goes to
	r.Refuses(r.Signed("POST", "/open/secret?append", "tail"), 403, "AccessDenied")
	r.Refuses(r.Signed("POST", "/open/k?append", "", "X-Amz-Copy-Source", "/photos/k"), 400, "InvalidRequest")
	r.Refuses(r.Signed("PATCH", "/open/k", ""), 405, "MethodNotAllowed")
	r.Refuses(r.Signed("PUT", "/open/k?append", "", "X-Minio-Force-Delete", "true"), 501, "NotImplemented")
	r.Refuses(r.Signed("GET", "/open?session", ""), 501, "NotImplemented")
}

func TestAnotherSpellingOfAVersionIsAskedAboutToo(t *testing.T) {
	const hex, uuid = "8c0a0d2e6f1b4c2b9f9a0a1b2c3d4e5f", "8c0a0d2e-6f1b-4c2b-9f9a-0a1b2c3d4e5f"
	h := callbacks.Set{ValidatorSeesRequest: true, Validator: func(_ context.Context, q *callbacks.Request) (callbacks.Decision, error) {
		return callbacks.Decision{Allow: q.VersionID != uuid}, nil
	}}
	r := start(t, h, nil)
	r.Refuses(r.Signed("GET", "/photos/k?versionId="+hex, ""), 403, "AccessDenied")
	r.Refuses(r.Signed("PUT", "/photos/k", "", "X-Amz-Copy-Source", "/photos/s?versionId="+hex), 403, "AccessDenied")
	list := "<Delete><Object><Key>k</Key><VersionId>" + hex + "</VersionId></Object></Delete>"
	if got := r.Do(r.Signed("POST", "/photos?delete", list)); !strings.Contains(string(got.Content), "AccessDenied") {
		t.Errorf("a list: %d %s", got.StatusCode, got.Content)
	}
	r.Store.Untouched(t)
}

func TestACopySourceThatHoldsAVersionIsRefused(t *testing.T) {
	r := entries(t, callbacks.Set{}, nil, map[string]settings{"photos": {}, "opaque": {"keys": "opaque"}})
	for _, source := range []string{"/photos/secret%3FversionId%3D", "/photos/doc%3FversionID%3Dv1", "/photos/doc%3fversionId"} {
		r.Refuses(r.Signed("PUT", "/photos/k", "", "X-Amz-Copy-Source", source), 400, "InvalidURI")
		r.Refuses(r.Signed("PUT", "/photos/k?uploadId=u&partNumber=1", "", "X-Amz-Copy-Source", source), 400, "InvalidURI")
	}
	if got := r.Do(r.Signed("PUT", "/opaque/k", "", "X-Amz-Copy-Source", "/opaque/a%3FversionId%3D")); got.StatusCode != 200 {
		t.Errorf("a store that keeps keys: %d", got.StatusCode)
	}
}

func TestAReadOnlyEntryTakesNothingThatSThreeDoesNotHave(t *testing.T) {
	r := entries(t, callbacks.Set{}, nil, map[string]settings{"photos": {"unknown_operations": true, "read_only": true}})
	r.Refuses(r.Signed("GET", "/photos/k?junk", ""), 403, "AccessDenied")
	r.Refuses(r.Signed("GET", "/photos?policyX", ""), 403, "AccessDenied")
}

func TestAKeyThatEncryptsIsNotShownInTheQueryEither(t *testing.T) {
	var seen callbacks.Request
	h := callbacks.Set{ValidatorSeesRequest: true, Validator: func(_ context.Context, q *callbacks.Request) (callbacks.Decision, error) {
		seen = *q
		return callbacks.Decision{Allow: true}, nil
	}}
	r := start(t, h, nil)
	r.Do(r.Signed("PUT", "/photos/k?x-amz-server-side-encryption-customer-key=SECRET", "x"))
	if len(seen.Query) != 1 || seen.Query[0].Value != "(not shown)" || seen.Header().Get("X-Amz-Server-Side-Encryption-Customer-Key") != "(not shown)" {
		t.Errorf("the validator saw %v and %v", seen.Query, seen.Header())
	}
	if target := r.Store.Only(t).Target; !strings.Contains(target, "=SECRET") {
		t.Errorf("the store saw %s", target)
	}
}

// What does not belong to an operation takes nothing away of what goes for it.
func TestAJunkParameterLeavesTheOperationWhatItIs(t *testing.T) {
	list := "<Delete><Object><Key>k</Key></Object><Object><Key>secret</Key></Object></Delete>"
	for _, c := range []struct{ request, body, source, asked string }{
		{"DELETE /open/k?foo=1", "", "", "DeleteObject k, Unknown k"},
		{"DELETE /open/k?retention", "", "", "Unknown k, DeleteObject k"},
		{"DELETE /open?versioning", "", "", "Unknown , DeleteBucket "},
		{"DELETE /open/k?tagging&foo=1", "", "", "DeleteObjectTagging k, DeleteObject k, Unknown k"},
		{"PUT /open/k?foo=1", "", "/open/source", "CopyObject k, GetObject source, Unknown k"},
		{"GET /open?list-type=2&foo=1", "", "", "ListObjectsV2 , Unknown "},
	} {
		method, target, _ := strings.Cut(c.request, " ")
		var header []string
		if c.source != "" {
			header = []string{"X-Amz-Copy-Source", c.source}
		}
		a := &asked{}
		r := entries(t, a.callbacks(), nil, map[string]settings{"open": {"unknown_operations": true}})
		if got := r.Do(r.Signed(method, target, c.body, header...)); got.StatusCode != 200 {
			t.Errorf("%s: %d %s", c.request, got.StatusCode, got.Content)
		}
		if got := a.operations(); got != c.asked {
			t.Errorf("%s: asked %s", c.request, got)
		}
		for _, refused := range strings.Split(c.asked, ", ") {
			a := &asked{refused: []string{refused}}
			r := entries(t, a.callbacks(), nil, map[string]settings{"open": {"unknown_operations": true}})
			r.Refuses(r.Signed(method, target, c.body, header...), 403, "AccessDenied")
		}
	}
	a := &asked{refused: []string{"DeleteObjects secret"}}
	r := entries(t, a.callbacks(), nil, map[string]settings{"open": {"unknown_operations": true}})
	if got := r.Do(r.Signed("POST", "/open?delete&foo=1", list)); got.StatusCode != 200 {
		t.Errorf("a list: %d %s", got.StatusCode, got.Content)
	}
	if seen := r.Store.Only(t); strings.Contains(string(seen.Body), "secret") {
		t.Errorf("the store saw %s", seen.Body)
	}
	r.Store = pipelinetest.NewStore(t) // that nothing goes to
	r.Refuses(r.Signed("POST", "/open?delete&foo=1", "<Delete><Object><Key>../other/k</Key></Object></Delete>"), 400, "InvalidURI")
	r.Refuses(r.Signed("GET", "/open?list-type=2&foo=1&prefix=../other", ""), 400, "InvalidURI")
}

func TestOrdersInTheQueryAreShownAsTheFieldsThatTheyAre(t *testing.T) {
	var seen http.Header
	h := callbacks.Set{ValidatorSeesRequest: true, Validator: func(_ context.Context, q *callbacks.Request) (callbacks.Decision, error) {
		seen = q.Header()
		return callbacks.Decision{Allow: true}, nil
	}}
	r := start(t, h, nil)
	for _, req := range []*http.Request{
		r.Signed("PUT", "/photos/k?x-amz-tagging=team%3Dadmin&x-amz-acl=public-read", "x"),
		r.Request("PUT", r.Presigned("PUT", "/photos/k?x-amz-tagging=team%3Dadmin&x-amz-acl=public-read", 0), "x"),
	} {
		if got := r.Do(req); got.StatusCode != 200 || seen.Get("X-Amz-Tagging") != "team=admin" || seen.Get("X-Amz-Acl") != "public-read" || seen.Get("X-Amz-Signature") != "" {
			t.Errorf("%d, the validator saw %v", got.StatusCode, seen)
		}
	}
}

func TestARenamingReadsAndTakesAwayItsSource(t *testing.T) {
	a := &asked{}
	r := entries(t, a.callbacks(), nil, map[string]settings{"photos": {"bucket": "lake", "prefix": "team a", "complete": true}})
	if got := r.Do(r.Signed("PUT", "/photos/new?renameObject", "", "X-Amz-Rename-Source", "old%20one")); got.StatusCode != 200 {
		t.Fatalf("got %d %s", got.StatusCode, got.Content)
	}
	if got := a.operations(); got != "RenameObject new, GetObject old one, DeleteObject old one" {
		t.Errorf("asked %s", got)
	}
	if seen := r.Store.Only(t); seen.Header.Get("X-Amz-Rename-Source") != "team%20a/old%20one" || seen.Target != "/lake/team%20a/new?renameObject=" {
		t.Errorf("the store saw %+v", seen)
	}
	for _, refused := range []string{"RenameObject new", "GetObject old", "DeleteObject old"} {
		a := &asked{refused: []string{refused}}
		r := entries(t, a.callbacks(), nil, map[string]settings{"photos": {"complete": true}})
		r.Refuses(r.Signed("PUT", "/photos/new?renameObject", "", "X-Amz-Rename-Source", "old"), 403, "AccessDenied")
	}
	r = entries(t, callbacks.Set{}, nil, map[string]settings{"photos": {}})
	r.Refuses(r.Signed("PUT", "/photos/new?renameObject", "", "X-Amz-Rename-Source", "a//b"), 400, "InvalidURI")
}

func TestTheSourceOfARenamingHasNoBucketBeforeIt(t *testing.T) {
	r := entries(t, callbacks.Set{}, nil, map[string]settings{
		"photos": {}, "opaque": {"keys": "opaque"}, "other": {"bucket": "lake"}, "folder": {"bucket": "lake", "prefix": "lake"},
	})
	for bucket, source := range map[string]string{
		"photos": "photos/old", "opaque": "opaque%2Fold", "other": "lake/old", "folder": "old",
	} {
		r.Refuses(r.Signed("PUT", "/"+bucket+"/new?renameObject", "", "X-Amz-Rename-Source", source), 400, "InvalidArgument")
	}
	for _, source := range []string{"other/old", "lake", "lakes/old", "old/lake/old"} {
		if got := r.Do(r.Signed("PUT", "/other/new?renameObject", "", "X-Amz-Rename-Source", source)); got.StatusCode != 200 {
			t.Errorf("%s: got %d %s", source, got.StatusCode, got.Content)
		}
	}
}

func TestEveryKeyOfARequestHasOneMeaning(t *testing.T) {
	r := entries(t, callbacks.Set{}, nil, map[string]settings{"photos": {}, "opaque": {"keys": "opaque"}})
	for _, key := range []string{"/secret/x", "public//x", "a/../b", "./a"} {
		r.Refuses(r.Signed("GET", "/photos/"+key, ""), 400, "InvalidURI")
		r.Refuses(r.Signed("PUT", "/photos/k", "", "X-Amz-Copy-Source", "/photos/"+key), 400, "InvalidURI")
		r.Refuses(r.Signed("GET", "/photos?prefix="+key, ""), 400, "InvalidURI")
		list := "<Delete><Object><Key>ok</Key></Object><Object><Key>" + key + "</Key></Object></Delete>"
		r.Refuses(r.Signed("POST", "/photos?delete", list), 400, "InvalidURI")
		form := formOf{fields: [][2]string{{"key", key}}}
		if got := r.Do(form.request(r)); got.StatusCode != 400 && got.StatusCode != 403 {
			t.Errorf("a form with the key %s: %d", key, got.StatusCode)
		}
	}
	r.Store.Untouched(t)
	req := r.Request("GET", "/", "")
	req.URL.Opaque = "//" + req.URL.Host + "/opaque//a/../b//"
	if got := r.Do(r.Sign(req, "")); got.StatusCode != 200 || r.Store.Only(t).Target != "/opaque//a/../b//" {
		t.Errorf("a store that keeps keys: %d", got.StatusCode)
	}
}

func TestTheValidatorSeesWhatAFormOrders(t *testing.T) {
	var seen http.Header
	h := callbacks.Set{ValidatorSeesRequest: true, Validator: func(_ context.Context, q *callbacks.Request) (callbacks.Decision, error) {
		seen = q.Header()
		return callbacks.Decision{Allow: q.Path == "/photos/up/cat.jpg"}, nil
	}}
	r := start(t, h, nil)
	fields := [][2]string{{"x-amz-website-redirect-location", "/there"}, {"acl", "public-read"}, {"x-amz-object-lock-mode", "GOVERNANCE"}}
	var conditions []any
	for _, f := range fields {
		conditions = append(conditions, map[string]string{f[0]: f[1]})
	}
	if got := r.Do(formOf{conditions: conditions, fields: fields, file: "x"}.request(r)); got.StatusCode != 204 {
		t.Fatalf("got %d %s", got.StatusCode, got.Content)
	}
	if seen.Get("X-Amz-Website-Redirect-Location") != "/there" || seen.Get("X-Amz-Acl") != "public-read" || seen.Get("X-Amz-Object-Lock-Mode") != "GOVERNANCE" {
		t.Errorf("the validator saw %v", seen)
	}
	for _, field := range []string{"x-amz-meta-ä", "x-amz-meta-a: b"} {
		r := start(t, callbacks.Set{}, nil)
		form := formOf{conditions: []any{map[string]string{field: "true"}}, fields: [][2]string{{field, "true"}}, file: "x"}
		r.Refuses(form.request(r), 400, "InvalidArgument")
	}
	for _, field := range []string{"x-amz-meta-snowball-auto-extract", "x-amz-meta-minio-snowball-prefix"} {
		r := start(t, callbacks.Set{}, nil)
		form := formOf{conditions: []any{map[string]string{field: "true"}}, fields: [][2]string{{field, "true"}}, file: "x"}
		r.Refuses(form.request(r), 501, "NotImplemented")
	}
}

func TestTheValidatorDecides(t *testing.T) {
	h := callbacks.Set{Validator: func(_ context.Context, r *callbacks.Request) (callbacks.Decision, error) {
		switch {
		case r.Bucket == "photos":
			return callbacks.Decision{Allow: true}, nil
		case r.Bucket == "other":
			return callbacks.Decision{}, nil
		}
		return callbacks.Decision{}, errors.New("raised")
	}}
	r := start(t, h, nil)
	r.Refuses(r.Signed("GET", "/other/k", ""), 403, "AccessDenied")
	r.Refuses(r.Signed("PUT", "/photos/k", "", "X-Amz-Copy-Source", "/other/secret"), 403, "AccessDenied")
	r.Refuses(r.Signed("PUT", "/photos/k?partNumber=1&uploadId=u", "", "X-Amz-Copy-Source", "other/secret"), 403, "AccessDenied")
	if a := r.Do(r.Signed("GET", "/photos/k", "")); a.StatusCode != 200 {
		t.Errorf("got %d %s", a.StatusCode, a.Content)
	}
}

func TestACopyGoesOnWhenBothObjectsAreAllowed(t *testing.T) {
	var mu sync.Mutex
	var asked []string
	h := callbacks.Set{ValidatorSeesRequest: true, Validator: func(_ context.Context, r *callbacks.Request) (callbacks.Decision, error) {
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, r.Operation+" "+r.Bucket+"/"+r.Key+" "+r.VersionID)
		return callbacks.Decision{Allow: true}, nil
	}}
	r := start(t, h, nil)
	if a := r.Do(r.Signed("PUT", "/photos/to", "", "X-Amz-Copy-Source", "/other/a%20b?versionId=v9")); a.StatusCode != 200 {
		t.Fatalf("got %d %s", a.StatusCode, a.Content)
	}
	if want := []string{"CopyObject photos/to ", "GetObject other/a b v9", "GetObject other/a b "}; !slices.Equal(asked, want) {
		t.Errorf("asked %q, want %q", asked, want)
	}
	if got := r.Store.Only(t).Header.Get("X-Amz-Copy-Source"); got != "other/a%20b?versionId=v9" {
		t.Errorf("the store saw the source %q", got)
	}
}

func TestAStoreWithoutVersionsDoesToTheObjectWhatItIsAskedForOne(t *testing.T) {
	list := "<Delete><Object><Key>k</Key><VersionId>v1</VersionId></Object></Delete>"
	for _, c := range []struct{ method, target, source, body string }{
		{"GET", "/open/k?versionId=v1", "", ""},
		{"DELETE", "/open/k?versionId=v1", "", ""},
		{"PUT", "/open/new", "/open/k?versionId=v1", ""},
		{"POST", "/open?delete", "", list},
	} {
		for _, complete := range []bool{false, true} {
			var current bool // the object as it is now was asked about
			h := callbacks.Set{ValidatorSeesRequest: true, Validator: func(_ context.Context, q *callbacks.Request) (callbacks.Decision, error) {
				if q.Key != "k" {
					return callbacks.Decision{Allow: true}, nil
				}
				if slices.ContainsFunc(q.Query, func(p callbacks.Param) bool { return p.Name == "versionId" }) && q.VersionID == "" {
					t.Errorf("%s %s: the question has a version in its query alone", c.method, c.target)
				}
				current = current || q.VersionID == ""
				return callbacks.Decision{Allow: q.VersionID != ""}, nil
			}}
			r := entries(t, h, nil, map[string]settings{"open": {"complete": complete}})
			req := r.Signed(c.method, c.target, c.body)
			if c.source != "" {
				req = r.Signed(c.method, c.target, c.body, "X-Amz-Copy-Source", c.source)
			}
			a := r.Do(req)
			refused := a.Code() == "AccessDenied" || strings.Contains(string(a.Content), "AccessDenied")
			if current == complete || refused == complete {
				t.Errorf("%s %s, complete %v: asked about the object %v, %d %s", c.method, c.target, complete, current, a.StatusCode, a.Content)
			}
		}
	}
}
