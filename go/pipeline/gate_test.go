package pipeline

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"osp/go/callbacks"
	"osp/go/s3op"
)

// selectors are the query parameters that make an S3 operation another one,
// and some that do not.
var selectors = strings.Fields(`accelerate acl analytics attributes cors delete encryption intelligent-tiering inventory
	legal-hold lifecycle list-type=2 location logging metadata metrics notification object-lock ownershipControls
	partNumber=1&uploadId=u policy policyStatus publicAccessBlock replication requestPayment restore retention
	select&select-type=2 session tagging torrent uploadId=u uploads versionId=v versioning versions website
	renameObject x-id=PutObject unheard-of`)

// everyRequest calls f with each method on each kind of target, with and
// without each selector: a superset of the operations that S3 has.
func everyRequest(f func(method, target string)) {
	for _, method := range []string{"GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS", "PATCH"} {
		for _, path := range []string{"/", "/photos", "/photos/", "/photos/a/key", "/nowhere/key"} {
			f(method, path)
			for _, selector := range selectors {
				f(method, path+"?"+selector)
			}
		}
	}
}

func TestEveryOperationIsWalked(t *testing.T) {
	seen := map[s3op.Operation]bool{}
	everyRequest(func(method, target string) {
		for _, header := range []http.Header{{}, {"X-Amz-Copy-Source": {"/photos/a"}}, {"Content-Type": {"multipart/form-data; boundary=b"}}} {
			if r, err := s3op.Parse(method, target, "", header); err == nil {
				seen[r.Operation] = true
			}
		}
	})
	for _, op := range strings.Fields(`ListBuckets ListObjects ListObjectsV2 HeadBucket CreateBucket DeleteBucket GetObject HeadObject
		PutObject DeleteObject CopyObject UploadPart UploadPartCopy CreateMultipartUpload CompleteMultipartUpload AbortMultipartUpload
		ListParts ListMultipartUploads ListObjectVersions DeleteObjects PostObject SelectObjectContent RestoreObject GetObjectAttributes
		GetObjectAcl PutObjectAcl GetBucketPolicy PutBucketPolicy DeleteBucketPolicy PutBucketLifecycleConfiguration PutBucketReplication
		PutObjectTagging PutObjectRetention PutObjectLegalHold PutBucketWebsite PutBucketNotificationConfiguration Preflight Unknown`) {
		if !seen[s3op.Operation(op)] {
			t.Errorf("%s is not walked", op)
		}
	}
}

// ways to come without a valid signature.
var withoutSignature = map[string]func(r *rig, method, target string) *http.Request{
	"unsigned": func(r *rig, method, target string) *http.Request { return r.Request(method, target, "") },
	"with Expect: 100-continue": func(r *rig, method, target string) *http.Request {
		req := r.Request(method, target, "body")
		req.Header.Set("Expect", "100-continue")
		return req
	},
	"with an uploadId": func(r *rig, method, target string) *http.Request {
		return r.Request(method, with(target, "uploadId=u&partNumber=1"), "")
	},
	"with a copy source": func(r *rig, method, target string) *http.Request {
		req := r.Request(method, target, "")
		req.Header.Set("X-Amz-Copy-Source", "/photos/a")
		return req
	},
	"with an unknown key": func(r *rig, method, target string) *http.Request {
		req := r.Signed(method, target, "")
		req.Header.Set("Authorization", strings.Replace(req.Header.Get("Authorization"), clientKey, "nobody", 1))
		return req
	},
	"with a wrong signature": func(r *rig, method, target string) *http.Request {
		req := r.Signed(method, target, "")
		req.Header.Set("Authorization", req.Header.Get("Authorization")[:len(req.Header.Get("Authorization"))-4]+"beef")
		return req
	},
	"with the store's own key": func(r *rig, method, target string) *http.Request {
		req := r.Signed(method, target, "")
		req.Header.Set("Authorization", strings.Replace(req.Header.Get("Authorization"), clientKey, storeKey, 1))
		return req
	},
	"with an empty signature": func(r *rig, method, target string) *http.Request {
		req := r.Signed(method, target, "")
		before, _, _ := strings.Cut(req.Header.Get("Authorization"), "Signature=")
		req.Header.Set("Authorization", before+"Signature=")
		return req
	},
	"with the signature of another path": func(r *rig, method, target string) *http.Request {
		req := r.Signed(method, "/photos/another", "")
		to := r.Request(method, target, "")
		to.Header = req.Header
		return to
	},
	"with a signature version 2 header": func(r *rig, method, target string) *http.Request {
		req := r.Request(method, target, "")
		req.Header.Set("Authorization", "AWS "+clientKey+":c2lnbmF0dXJl")
		return req
	},
	"with a signature version 2 query": func(r *rig, method, target string) *http.Request {
		return r.Request(method, with(target, "AWSAccessKeyId="+clientKey+"&Signature=x&Expires=99999999999"), "")
	},
	"with a bearer token": func(r *rig, method, target string) *http.Request {
		req := r.Request(method, target, "")
		req.Header.Set("Authorization", "Bearer "+clientSecret)
		return req
	},
	"with a wrong presigned signature": func(r *rig, method, target string) *http.Request {
		return r.Request(method, r.Presigned(method, target, 0)+"0", "")
	},
	"with an expired presigned URL": func(r *rig, method, target string) *http.Request {
		return r.Request(method, r.Presigned(method, target, time.Hour), "")
	},
	"with a credential in the query and an unsigned trailer": func(r *rig, method, target string) *http.Request {
		req := r.Request(method, with(target, "X-Amz-Credential="+clientKey+"/20260101/us-east-1/s3/aws4_request"), "0\r\n\r\n")
		req.Header.Set("X-Amz-Content-Sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER")
		req.Header.Set("X-Amz-Decoded-Content-Length", "0")
		return req
	},
	"as an unsigned form": func(r *rig, method, target string) *http.Request {
		req := r.Request(method, target, "--b\r\nContent-Disposition: form-data; name=\"key\"\r\n\r\nk\r\n--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\ndata\r\n--b--\r\n")
		req.Header.Set("Content-Type", "multipart/form-data; boundary=b")
		return req
	},
}

func with(target, query string) string {
	if strings.Contains(target, "?") {
		return target + "&" + query
	}
	return target + "?" + query
}

func TestNothingUnverifiedReachesAStore(t *testing.T) {
	for name, make := range withoutSignature {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t, callbacks.Set{}, nil)
			everyRequest(func(method, target string) {
				if a := r.Do(make(r, method, target)); a.StatusCode < 400 || a.StatusCode >= 500 && a.StatusCode != http.StatusNotImplemented {
					t.Errorf("%s %s: got %d %s", method, target, a.StatusCode, a.Content)
				}
			})
			if seen := r.Store.Requests(); len(seen) > 0 {
				t.Errorf("%d requests reached the store, such as %s %s", len(seen), seen[0].Method, seen[0].Target)
			}
		})
	}
}

// The same walk with a signature shows that the one above could fail.
func TestWhatIsSignedReachesTheStore(t *testing.T) {
	r := start(t, callbacks.Set{}, nil)
	for _, target := range []string{"/photos", "/photos/a/key?acl", "/photos?list-type=2"} {
		if a := r.Do(r.Signed("GET", target, "")); a.StatusCode != 200 {
			t.Errorf("%s: got %d %s", target, a.StatusCode, a.Content)
		}
	}
	if n := len(r.Store.Requests()); n != 3 {
		t.Errorf("%d requests reached the store, want 3", n)
	}
}

func TestUnsignedHeadersAreNotLaundered(t *testing.T) {
	r := start(t, callbacks.Set{}, nil)
	for _, name := range strings.Fields(`X-Amz-Copy-Source X-Amz-Acl X-Amz-Grant-Full-Control X-Amz-Server-Side-Encryption
		X-Amz-Server-Side-Encryption-Customer-Key X-Amz-Tagging X-Amz-Website-Redirect-Location X-Amz-Object-Lock-Mode
		X-Amz-Bypass-Governance-Retention X-Amz-Meta-Owner X-Amz-Storage-Class X-Amz-Mfa`) {
		req := r.Signed("PUT", "/photos/k", "")
		req.Header.Set(name, "/other/secret")
		r.Refuses(req, 403, "AccessDenied")

		url := r.Request("PUT", r.Presigned("PUT", "/photos/k", 0), "")
		url.Header.Set(name, "/other/secret")
		r.Refuses(url, 403, "AccessDenied")
	}
	for _, name := range []string{"Retention-Period", "X-Vendor-Something", "Ibm-Service-Instance-Id", "X-Forwarded-For", "Forwarded", "Cookie"} {
		req := r.Signed("PUT", "/photos/k", "")
		req.Header.Set(name, "evil")
		if a := r.Do(req); a.StatusCode != 200 {
			t.Errorf("%s: got %d %s", name, a.StatusCode, a.Content)
		}
	}
	for _, got := range r.Store.Requests() {
		for name, values := range got.Header {
			if values[0] == "evil" {
				t.Errorf("%s reached the store", name)
			}
		}
	}
}

func TestWithoutKeysNobodyCanSign(t *testing.T) {
	r := start(t, callbacks.Set{}, settings{"hmac_keystore": nil})
	r.Refuses(r.Signed("GET", "/photos/k", ""), 403, "InvalidAccessKeyId")
}

func TestAnUnknownBucketShowsOnlyToWhoCanSign(t *testing.T) {
	r := start(t, callbacks.Set{}, nil)
	r.Refuses(r.Signed("GET", "/nowhere/k", ""), 404, "NoSuchBucket")
	r.Refuses(r.Request("GET", "/nowhere/k", ""), 403, "AccessDenied")
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
