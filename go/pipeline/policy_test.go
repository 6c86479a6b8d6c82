package pipeline

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"osp/go/callbacks"
	"osp/go/config"
	"osp/go/pipeline/pipelinetest"
)

// rules is a policy about everybody: for each action and resource an Allow, or, with
// a minus before it, a Deny.
func rules(rows ...string) settings {
	statements := []settings{}
	for _, row := range rows {
		effect := "Allow"
		if rest, denies := strings.CutPrefix(row, "-"); denies {
			row, effect = rest, "Deny"
		}
		action, resource, _ := strings.Cut(row, " ")
		statements = append(statements, settings{"Effect": effect, "Principal": "*", "Action": "s3:" + action, "Resource": "arn:aws:s3:::" + resource})
	}
	return settings{"Version": "2012-10-17", "Statement": statements}
}

// What a request touches has to be allowed altogether. Each case has what is enough;
// without any one of its rules the request is refused before the store.
func TestAPolicyIsAskedAboutAllThatARequestTouches(t *testing.T) {
	for _, c := range []struct {
		request string
		header  []string
		rules   []string
	}{
		{"GET /photos/k", nil, []string{"GetObject photos/k"}},
		{"GET /photos/k?versionId=v", nil, []string{"GetObjectVersion photos/k", "GetObject photos/k"}},
		{"GET /photos?list-type=2&prefix=a", nil, []string{"ListBucket photos"}},
		{"GET /photos/k?acl", nil, []string{"GetObjectAcl photos/k", "GetObject photos/k"}},
		{"DELETE /photos/k?tagging", nil, []string{"DeleteObjectTagging photos/k", "DeleteObject photos/k"}},
		{"DELETE /photos/k?uploadId=u", nil, []string{"AbortMultipartUpload photos/k", "DeleteObject photos/k"}},
		{"PUT /photos/k", []string{"X-Amz-Copy-Source", "/other/s"}, []string{"PutObject photos/k", "GetObject other/s"}},
		{"PUT /photos/k?x-amz-acl=public-read", nil, []string{"PutObject photos/k", "PutObjectAcl photos/k"}},
		{"PUT /photos/k", []string{"X-Amz-Tagging", "a=b"}, []string{"PutObject photos/k", "PutObjectTagging photos/k"}},
		{"PUT /photos/k?partNumber=1&uploadId=u", []string{"X-Amz-Acl", "public-read"}, []string{"PutObject photos/k", "PutObjectAcl photos/k"}},
		{"PUT /photos/k?renameObject", []string{"X-Amz-Rename-Source", "old"}, []string{"PutObject photos/k", "GetObject photos/old", "DeleteObject photos/old"}},
		{"DELETE /photos/k", []string{"X-Amz-Bypass-Governance-Retention", "true"}, []string{"DeleteObject photos/k", "BypassGovernanceRetention photos/k"}},
	} {
		method, target, _ := strings.Cut(c.request, " ")
		r := start(t, callbacks.Set{}, settings{"policy": rules(c.rules...)})
		if got := r.Do(r.Signed(method, target, "", c.header...)); got.StatusCode != 200 {
			t.Errorf("%s with %s: %d %s", c.request, c.rules, got.StatusCode, got.Content)
		}
		for i := range c.rules {
			less := append(append([]string{}, c.rules[:i]...), c.rules[i+1:]...)
			denied := append([]string{"-" + c.rules[i]}, c.rules...)
			for _, change := range [][]string{append(less, "GetObject nothing/k"), denied} {
				r := start(t, callbacks.Set{}, settings{"policy": rules(change...)})
				r.Refuses(r.Signed(method, target, "", c.header...), 403, "AccessDenied")
			}
		}
	}
}

func TestEachKeyOfAListToDeleteNeedsAnAllow(t *testing.T) {
	r := start(t, callbacks.Set{}, settings{"policy": rules("DeleteObject photos/a*", "-DeleteObject photos/ab")})
	list := "<Delete><Object><Key>aa</Key></Object><Object><Key>ab</Key></Object><Object><Key>b</Key></Object></Delete>"
	r.Store.Answers(func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, "<DeleteResult></DeleteResult>") })
	got := r.Do(r.Signed("POST", "/photos?delete", list))
	if n := strings.Count(string(got.Content), "AccessDenied"); n != 2 {
		t.Errorf("%d refusals: %s", n, got.Content)
	}
	if seen := string(r.Store.Only(t).Body); !strings.Contains(seen, ">aa<") || strings.Contains(seen, "ab") || strings.Contains(seen, ">b<") {
		t.Errorf("the store was told %s", seen)
	}
}

func TestAListOfBucketsHasThoseThatMayBeListed(t *testing.T) {
	shown := func(policy settings, entries_ map[string]settings) string {
		r := entries(t, callbacks.Set{}, settings{"policy": policy}, entries_)
		got := r.Do(r.Signed("GET", "/", ""))
		var names []string
		for _, name := range []string{"photos", "other"} {
			if strings.Contains(string(got.Content), "<Name>"+name+"</Name>") {
				names = append(names, name)
			}
		}
		return fmt.Sprint(got.StatusCode, names)
	}
	two := pipelinetest.Buckets()
	for want, policy := range map[string]settings{
		"200 [photos]": rules("ListBucket photos"), "200 [photos other]": rules("* *"), "200 []": rules("GetObject *"),
		"200 [other]": rules("* *", "-ListBucket photos"), "403 []": rules("* *", "-ListAllMyBuckets *"),
	} {
		if got := shown(policy, two); got != want {
			t.Errorf("want %s, got %s", want, got)
		}
	}
	two["photos"] = settings{"policy": rules("-ListBucket photos")}
	if got := shown(rules("* *"), two); got != "200 [other]" {
		t.Errorf("with the policy of an entry: %s", got)
	}
}

// The policy of one entry governs what is asked about it, and nothing else.
func TestThePolicyOfAnEntryIsAboutItsBucket(t *testing.T) {
	r := entries(t, callbacks.Set{}, nil, map[string]settings{"photos": {"policy": rules("GetObject photos/k", "PutObject other/k")}, "other": {}})
	for request, status := range map[string]int{
		"GET /photos/k": 200, "GET /photos/l": 403, "PUT /photos/k": 403, "PUT /other/k": 200, "DELETE /other/k": 200,
	} {
		method, target, _ := strings.Cut(request, " ")
		if got := r.Do(r.Signed(method, target, "")); got.StatusCode != status {
			t.Errorf("%s: %d", request, got.StatusCode)
		}
	}
	r.Store = pipelinetest.NewStore(t) // that nothing goes to
	r.Refuses(r.Signed("PUT", "/other/k", "", "X-Amz-Copy-Source", "/photos/l"), 403, "AccessDenied")
}

func TestAnonymousReadsNeedAStatementAboutEverybody(t *testing.T) {
	policy := settings{"Version": "2012-10-17", "Statement": []settings{
		{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::photos/public/*"},
		{"Effect": "Allow", "Principal": settings{"Token": "*"}, "Action": "s3:GetObject", "Resource": "arn:aws:s3:::photos/*"},
	}}
	r := entries(t, callbacks.Set{}, settings{"policy": policy}, map[string]settings{"photos": {"anonymous": true}})
	for target, status := range map[string]int{"/photos/public/k": 200, "/photos/k": 403} {
		if got := r.Do(r.Request("GET", target, "")); got.StatusCode != status {
			t.Errorf("%s: %d", target, got.StatusCode)
		}
	}
	if got := r.Do(r.Signed("GET", "/photos/k", "")); got.StatusCode != 200 {
		t.Errorf("who has signed: %d", got.StatusCode)
	}
}

// A header counts wherever it is ordered.
func TestConditionsSeeTheHeadersThatTheStoreGets(t *testing.T) {
	policy := rules("PutObject photos/*", "PutObjectAcl photos/*")
	policy["Statement"] = append(policy["Statement"].([]settings), settings{
		"Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": "*", "Condition": settings{
			"StringNotEquals": settings{"s3:x-amz-acl": "private"}, "Null": settings{"s3:x-amz-acl": false},
		},
	})
	r := start(t, callbacks.Set{}, settings{"policy": policy})
	for _, c := range []struct {
		target string
		header []string
		status int
	}{
		{"/photos/k", nil, 200},
		{"/photos/k", []string{"X-Amz-Acl", "private"}, 200},
		{"/photos/k", []string{"X-Amz-Acl", "public-read"}, 403},
		{"/photos/k?x-amz-acl=private", nil, 200},
		{"/photos/k?X-Amz-Acl=public-read", nil, 403},
	} {
		if got := r.Do(r.Signed("PUT", c.target, "", c.header...)); got.StatusCode != c.status {
			t.Errorf("%s %v: %d", c.target, c.header, got.StatusCode)
		}
	}
	target := r.Presigned("PUT", "/photos/k?x-amz-acl=public-read", 0)
	if got := r.Do(r.Request("PUT", target, "")); got.StatusCode != 403 {
		t.Errorf("a presigned URL: %d", got.StatusCode)
	}
}

func TestRequestsEndWithThePolicyThatTheyBeganWith(t *testing.T) {
	r := start(t, callbacks.Set{}, settings{"policy": rules("GetObject photos/k")})
	update := func(policy settings) {
		t.Helper()
		document, err := json.Marshal(settings{"policy": policy})
		if err != nil {
			t.Fatal(err)
		}
		u, err := r.Config.ParseUpdate(document, config.Running{Governed: true})
		if err != nil {
			t.Fatal(err)
		}
		r.pipeline.Update(u)
	}
	r.Store.Answers(func(w http.ResponseWriter, q *http.Request) {
		if q.URL.Path == "/photos/k" {
			update(rules("GetObject photos/l"))
		}
	})
	if got := r.Do(r.Signed("GET", "/photos/k", "")); got.StatusCode != 200 {
		t.Errorf("the request under way: %d", got.StatusCode)
	}
	if got := r.Do(r.Signed("GET", "/photos/l", "")); got.StatusCode != 200 {
		t.Errorf("what is allowed now: %d", got.StatusCode)
	}
	if got := r.Do(r.Signed("GET", "/photos/k", "")); got.StatusCode != 403 {
		t.Errorf("what was allowed before: %d", got.StatusCode)
	}
}

// A client whom nobody knows does not pass for the forwarder that brought it.
func TestWhatAForwarderMayIsNotForWhomItCanNotName(t *testing.T) {
	policy := rules("* *")
	policy["Statement"].([]settings)[0]["Condition"] = settings{"IpAddress": settings{"aws:SourceIp": []string{"127.0.0.0/8", "203.0.113.0/24"}}}
	r := start(t, callbacks.Set{}, settings{"policy": policy, "trusted_proxies": []string{"127.0.0.0/8"}})
	for said, allowed := range map[string]bool{
		"203.0.113.9": true, "203.0.113.9:4711": true, "198.51.100.1:4711": false, "[2001:db8::1]:99": false,
		"unknown": false, "": false, "203.0.113.9, unknown": false, "203.0.113.9,": false,
	} {
		req := r.Signed("GET", "/photos/k", "")
		req.Header.Set("X-Forwarded-For", said)
		if got := r.Do(req); (got.StatusCode == 200) != allowed {
			t.Errorf("%q: %d", said, got.StatusCode)
		}
	}
	if got := r.Do(r.Signed("GET", "/photos/k", "")); got.StatusCode != 403 {
		t.Errorf("it says nothing: %d", got.StatusCode)
	}
}
