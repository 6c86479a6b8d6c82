package pipeline

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"osp/go/callbacks"
)

const (
	formType = "application/x-www-form-urlencoded; charset=utf-8"
	whoAmI   = "Action=GetCallerIdentity&Version=2011-06-15"
)

// toSTS makes a request that is signed as the SDK does it for a service.
func (r *rig) toSTS(body, service string) *http.Request {
	r.T.Helper()
	req := r.Request("POST", "/", body)
	req.Header.Set("Content-Type", formType)
	sum := sha256.Sum256([]byte(body))
	keys := aws.Credentials{AccessKeyID: clientKey, SecretAccessKey: clientSecret}
	if err := v4.NewSigner().SignHTTP(r.T.Context(), keys, req, hex.EncodeToString(sum[:]), service, "us-east-1", time.Now()); err != nil {
		r.T.Fatal(err)
	}
	return req
}

// stsCode is the code of an error of STS's; empty when it is none.
func stsCode(a reply) string {
	var e struct {
		XMLName xml.Name `xml:"https://sts.amazonaws.com/doc/2011-06-15/ ErrorResponse"`
		Error   struct{ Type, Code, Message string }
		ID      string `xml:"RequestId"`
	}
	if xml.Unmarshal(a.Content, &e) != nil || e.ID != a.Header.Get("X-Amzn-Requestid") || e.Error.Message == "" {
		return ""
	}
	return e.Error.Code
}

func TestACallerLearnsWhoItIs(t *testing.T) {
	r := start(t, callbacks.Set{}, nil)
	presigned := r.Request("GET", "/?"+whoAmI+"&X-Amz-Expires=60", "")
	sum := sha256.Sum256(nil)
	keys := aws.Credentials{AccessKeyID: clientKey, SecretAccessKey: clientSecret}
	link, _, err := v4.NewSigner().PresignHTTP(t.Context(), keys, presigned, hex.EncodeToString(sum[:]), "sts", "us-east-1", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for name, req := range map[string]*http.Request{
		"by a header": r.toSTS(whoAmI, "sts"), "by a link": r.Request("GET", strings.TrimPrefix(link, r.URL), ""),
	} {
		a := r.Do(req)
		if a.StatusCode != 200 || !strings.Contains(string(a.Content), "<Arn>arn:aws:iam::000000000000:user/client/key</Arn>") {
			t.Errorf("%s: %d %s", name, a.StatusCode, a.Content)
		}
		if a.Header.Get("Content-Type") != "text/xml" || a.Header.Get("Cache-Control") != "no-store" || a.Header.Get("X-Amzn-Requestid") == "" || a.Header.Get("X-Amz-Request-Id") != "" {
			t.Errorf("%s: %v", name, a.Header)
		}
	}
	r.Store.Untouched(t)
}

func TestSTSRefusesInItsOwnWords(t *testing.T) {
	r := start(t, callbacks.Set{}, nil)
	altered := func(change func(*http.Request)) *http.Request {
		req := r.toSTS(whoAmI, "sts")
		change(req)
		return req
	}
	for name, c := range map[string]struct {
		req    *http.Request
		status int
		code   string
	}{
		"no signature":               {altered(func(q *http.Request) { q.Header.Del("Authorization") }), 403, "MissingAuthenticationToken"},
		"a signature for S3":         {r.toSTS(whoAmI, "s3"), 400, "IncompleteSignature"},
		"another date":               {altered(func(q *http.Request) { q.Header.Set("X-Amz-Date", "20200101T000000Z") }), 400, "IncompleteSignature"},
		"another type":               {altered(func(q *http.Request) { q.Header.Set("Content-Type", "application/x-www-form-urlencoded") }), 403, "SignatureDoesNotMatch"},
		"an unknown key":             {altered(func(q *http.Request) { swap(q, "client/key", "client/other") }), 403, "InvalidClientTokenId"},
		"a token of nobody's":        {altered(func(q *http.Request) { q.Header.Set("X-Amz-Security-Token", "osp-session.1.x") }), 403, "AccessDenied"},
		"two mechanisms":             {altered(func(q *http.Request) { q.URL.RawQuery = "X-Amz-Algorithm=x" }), 400, "IncompleteSignature"},
		"no such action":             {r.toSTS("Action=AssumeRoot&Version=2011-06-15", "sts"), 400, "InvalidAction"},
		"a body that is too long":    {r.toSTS(whoAmI+strings.Repeat("&", 64<<10), "sts"), 400, "ValidationError"},
		"a body without parameters":  {r.toSTS("", "sts"), 400, "MissingAction"},
		"a GET that is not a link's": {r.Request("GET", "/?Action=GetSessionToken&Version=2011-06-15", ""), 400, "InvalidAction"},
	} {
		if a := r.Do(c.req); a.StatusCode != c.status || stsCode(a) != c.code {
			t.Errorf("%s: %d %s", name, a.StatusCode, a.Content)
		}
	}
	// What is not STS's is S3's, as it was.
	r.Refuses(r.Request("POST", "/", ""), 403, "AccessDenied")
	r.Refuses(r.Signed("POST", "/", "x"), 405, "MethodNotAllowed")
	r.Refuses(r.Signed("POST", "/", "x", "Content-Type", "multipart/form-data; boundary=x"), 405, "MethodNotAllowed")
	r.Refuses(r.Signed("PUT", "/-/credentials", "x"), 404, "NoSuchBucket")
}

func swap(q *http.Request, from, to string) {
	q.Header.Set("Authorization", strings.Replace(q.Header.Get("Authorization"), from, to, 1))
}

func TestASignatureForSTSIsNoneForS3(t *testing.T) {
	r := start(t, callbacks.Set{}, nil)
	req := r.Request("GET", "/photos/k", "")
	sum := sha256.Sum256(nil)
	req.Header.Set("X-Amz-Content-Sha256", hex.EncodeToString(sum[:]))
	keys := aws.Credentials{AccessKeyID: clientKey, SecretAccessKey: clientSecret}
	if err := v4.NewSigner().SignHTTP(t.Context(), keys, req, hex.EncodeToString(sum[:]), "sts", "us-east-1", time.Now()); err != nil {
		t.Fatal(err)
	}
	r.Refuses(req, 400, "AuthorizationHeaderMalformed")
}

func TestAHostThatNamesABucketHasNoSTS(t *testing.T) {
	r := start(t, callbacks.Set{}, settings{"domain": "s3.example"})
	for _, target := range []string{"/?" + whoAmI, "/-/credentials?role=a"} {
		req := r.Request("GET", target, "")
		req.Host = "photos.s3.example"
		if a := r.Do(req); a.Code() != "AccessDenied" {
			t.Errorf("%s: %d %s", target, a.StatusCode, a.Content)
		}
	}
}

func TestBodiesOfStrangersAreReadFewAtATime(t *testing.T) {
	r := start(t, callbacks.Set{}, nil)
	for range maxKeyRequests {
		if _, err := r.pipeline.keyRequests.acquire(); err != nil {
			t.Fatal(err)
		}
	}
	if a := r.Do(r.toSTS(whoAmI, "sts")); a.StatusCode != 400 || stsCode(a) != "Throttling" {
		t.Errorf("%d %s", a.StatusCode, a.Content)
	}
	if a := r.Do(r.Request("GET", "/-/credentials?role=a", "")); a.StatusCode != 400 || !strings.Contains(string(a.Content), `"code":"Throttling"`) {
		t.Errorf("%d %s", a.StatusCode, a.Content)
	}
	if a := r.Do(r.Signed("GET", "/photos/k", "")); a.StatusCode != 200 {
		t.Errorf("S3: %d %s", a.StatusCode, a.Content)
	}
}

func TestARequestForKeysIsSeenWithoutItsQuery(t *testing.T) {
	r, o := recorded(t, callbacks.Set{}, nil)
	r.Do(r.toSTS(whoAmI, "sts"))
	x := o.next(t)
	if x.Action != "GetCallerIdentity" || x.Operation != "GetCallerIdentity" || x.Path != "/" || x.Status != 200 || x.AccessKey != clientKey || x.BytesIn != int64(len(whoAmI)) {
		t.Errorf("%+v", x)
	}
	r.Do(r.Request("POST", "/?Action=made-up-secret&Version=2011-06-15", ""))
	if x = o.next(t); x.Action != "Unknown" || x.Path != "/" || x.Code != "InvalidAction" || x.BadSignature {
		t.Errorf("%+v", x)
	}
	r.Do(r.Request("GET", "/-/credentials?role=made-up-secret", ""))
	if x = o.next(t); x.Action != "ContainerCredentials" || x.Path != "/-/credentials" || x.Code != "MissingAuthenticationToken" {
		t.Errorf("%+v", x)
	}
	r.Do(r.toSTS(whoAmI, "s3"))
	if x = o.next(t); x.Action != "GetCallerIdentity" || !x.BadSignature || x.Code != "IncompleteSignature" {
		t.Errorf("%+v", x)
	}
	if strings.Contains(r.Log.String(), "made-up-secret") {
		t.Error(r.Log.String())
	}
}

func TestAMereClaimGetsNoKeys(t *testing.T) {
	r := start(t, callbacks.Set{}, settings{"skip_signature_validation": true})
	if a := r.Do(r.toSTS(whoAmI, "sts")); a.StatusCode != 403 || stsCode(a) != "AccessDenied" {
		t.Errorf("%d %s", a.StatusCode, a.Content)
	}
}
