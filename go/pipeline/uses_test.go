package pipeline

import (
	"slices"
	"strings"
	"testing"

	"osp/go/callbacks"
	"osp/go/s3op"
)

func TestAPresignedURLIsUsedUpAfterItsLimit(t *testing.T) {
	r := start(t, callbacks.Set{}, settings{"max_presign_url_usage_attempts": 2})
	target := r.Presigned("GET", "/photos/k", 0)
	for range 2 {
		if a := r.Do(r.Request("GET", target, "")); a.StatusCode != 200 {
			t.Fatalf("got %d %s", a.StatusCode, a.Content)
		}
	}
	path, query, _ := strings.Cut(target, "?")
	parameters := strings.Split(query, "&")
	slices.Reverse(parameters)
	for _, again := range []string{target, path + "?" + strings.Join(parameters, "&")} {
		if a := r.Do(r.Request("GET", again, "")); a.StatusCode != 403 || a.Code() != "AccessDenied" {
			t.Errorf("used too often: got %d %s", a.StatusCode, a.Content)
		}
	}
	if n := len(r.Store.Requests()); n != 2 {
		t.Errorf("%d requests reached the store", n)
	}
	if got := r.Store.Requests()[0].Target; got != "/photos/k" {
		t.Errorf("the store saw %s", got)
	}
}

func TestEveryOperationUsesAPresignedURLUp(t *testing.T) {
	r := start(t, callbacks.Set{}, settings{"max_presign_url_usage_attempts": 1})
	used := map[s3op.Operation]bool{}
	everyRequest(func(method, target string) {
		parsed, err := s3op.Parse(method, target, "", nil)
		if err != nil || parsed.Operation == s3op.Preflight { // which nobody signs
			return
		}
		url := r.Presigned(method, target, 0)
		if first := r.Do(r.Request(method, url, "")); first.StatusCode != 200 {
			return // it came to nothing
		}
		used[parsed.Operation] = true
		if again := r.Do(r.Request(method, url, "")); again.StatusCode != 403 || method != "HEAD" && !strings.Contains(string(again.Content), "as often as") {
			t.Errorf("%s %s, again: got %d %s", method, target, again.StatusCode, again.Content)
		}
	})
	for _, op := range []s3op.Operation{s3op.ListBuckets, "HeadBucket", "GetObject", "DeleteObject", "CompleteMultipartUpload", "PutBucketPolicy"} {
		if !used[op] {
			t.Errorf("%s was never used", op)
		}
	}
}

func TestARefusalUsesNothingUp(t *testing.T) {
	for _, c := range []struct {
		policy               settings
		method, target, body string
	}{
		{rules("* *", "-ListAllMyBuckets *"), "GET", "/", ""},
		{rules("GetObject photos/x"), "GET", "/photos/k", ""},
		{rules("DeleteObject photos/x"), "POST", "/photos?delete", "<Delete><Object><Key>k</Key></Object></Delete>"},
	} {
		r := start(t, callbacks.Set{}, settings{"policy": c.policy, "max_presign_url_usage_attempts": 1})
		url := r.Presigned(c.method, c.target, 0)
		for range 3 {
			a := r.Do(r.Request(c.method, url, c.body))
			if said := string(a.Content); !strings.Contains(said, "AccessDenied") || strings.Contains(said, "as often as") {
				t.Errorf("%s %s: %d %s", c.method, c.target, a.StatusCode, said)
			}
		}
	}
}
