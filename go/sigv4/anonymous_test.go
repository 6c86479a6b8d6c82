package sigv4

import (
	"errors"
	"net/http"
	"testing"

	"osp/go/s3err"
)

func TestOnlyReadsWithoutAnySignatureAreAnonymous(t *testing.T) {
	for _, c := range []struct {
		name, method, query string
		header              http.Header
		want                bool
	}{
		{"a plain GET", "GET", "", nil, true},
		{"a HEAD", "HEAD", "versionId=1", nil, true},
		{"what SDKs add", "GET", "x-id=GetObject", http.Header{"X-Amz-Checksum-Mode": {"ENABLED"}, "X-Amz-Content-Sha256": {"UNSIGNED-PAYLOAD"}}, true},
		{"a PUT", "PUT", "", nil, false},
		{"a POST", "POST", "select&select-type=2", nil, false},
		{"an authorization", "GET", "", http.Header{"Authorization": {"AWS4-HMAC-SHA256 x"}}, false},
		{"an empty authorization", "GET", "", http.Header{"Authorization": {""}}, false},
		{"version 2", "GET", "AWSAccessKeyId=a&Signature=b&Expires=1", nil, false},
		{"half a presigned URL", "GET", "X-Amz-Signature=0", nil, false},
		{"a broken query", "GET", "a=%", nil, false},
		{"a session token", "GET", "", http.Header{"X-Amz-Security-Token": {"t"}}, false},
		{"an order to the store", "GET", "", http.Header{"X-Amz-Copy-Source": {"/b/k"}}, false},
		{"the same in another spelling", "GET", "", http.Header{"x-amz-copy-source": {"/b/k"}}, false},
	} {
		r, err := Anonymous(&Request{Method: c.method, RawPath: "/b/k", RawQuery: c.query, Hosts: []string{"h"}, Header: c.header})
		if (err == nil) != c.want || err != nil && !errors.Is(err, s3err.AccessDenied) || r.Usable() != c.want {
			t.Errorf("%s: %v", c.name, err)
		}
		if r.Verified() || r.AccessKey() != "" || r.Chunks() != nil || r.Presigned() || c.want && r.Mechanism() != Nowhere {
			t.Errorf("%s: passes for signed", c.name)
		}
	}
}
