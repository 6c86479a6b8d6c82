package pipeline

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"osp/go/callbacks"
	"osp/go/identity/identitytest"
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

func TestIdentityTokensDoNotComeInClear(t *testing.T) {
	issuer := identitytest.New(t)
	r := start(t, callbacks.Set{}, settings{
		"trusted_proxies": []string{"127.0.0.1/32"},
		"issuers":         settings{issuer.URL: settings{"audiences": []string{"proxy"}}},
		"roles":           settings{"reader": settings{"issuers": []string{issuer.URL}, "subjects": []string{"job-*"}}},
	})
	token := issuer.Token(t, claims(issuer, "job-1"))
	for scheme, status := range map[string]int{"http": 403, "https": 200} {
		container := r.Request("GET", "/-/credentials?role=reader", "")
		container.Header.Set("Authorization", token)
		for name, req := range map[string]*http.Request{"container": container, "STS": r.tokenRequest(token)} {
			req.Header.Set("X-Forwarded-For", "192.0.2.1")
			req.Header.Set("X-Forwarded-Proto", scheme)
			a := r.Do(req)
			if a.StatusCode != status || (status == 403) != strings.Contains(string(a.Content), "over https only") {
				t.Errorf("%s by %s: %d %s", name, scheme, a.StatusCode, a.Content)
			}
		}
	}
	if n := issuer.Asked.Load(); n != 1 {
		t.Errorf("the issuer was asked %d times", n)
	}
}

func TestKeysDoNotLeaveInClear(t *testing.T) {
	r, _, token := byToken(t)
	keys := keysOf(t, r.withToken(token))
	for body, status := range map[string]int{
		"Action=GetScopedCredentials&Version=2011-06-15":                                                          403,
		"Action=GetSessionToken&Version=2011-06-15":                                                               403,
		"Action=AssumeRole&Version=2011-06-15&RoleArn=arn:aws:iam::000000000000:role/reader&RoleSessionName=test": 403,
		whoAmI: 200,
	} {
		a := r.toSTSAs(keys, body, "X-Forwarded-For", "192.0.2.1")
		if a.StatusCode != status || (status == 403) != strings.Contains(string(a.Content), "over https only") {
			t.Errorf("%s: %d %s", body, a.StatusCode, a.Content)
		}
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

// byToken is start with an issuer, and a role for some of its subjects who may read. It
// returns a token of one of them.
func byToken(t *testing.T) (*rig, *identitytest.Issuer, string) {
	issuer := identitytest.New(t)
	reads := settings{"Version": "2012-10-17", "Statement": []settings{{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}}}
	r := start(t, callbacks.Set{}, settings{
		"issuers": settings{issuer.URL: settings{"audiences": []string{"proxy"}}},
		"roles": settings{"reader": settings{
			"issuers": []string{issuer.URL}, "subjects": []string{"job-*"}, "policy": reads, "min_duration": 1,
		}},
	})
	return r, issuer, issuer.Token(t, claims(issuer, "job-1"))
}

func claims(issuer *identitytest.Issuer, subject string) map[string]any {
	return map[string]any{"iss": issuer.URL, "sub": subject, "aud": "proxy", "exp": time.Now().Add(time.Hour).Unix()}
}

// keysOf are those that a response hands out.
func keysOf(t *testing.T, a reply) aws.Credentials {
	t.Helper()
	var given struct {
		Keys struct {
			ID     string `xml:"AccessKeyId"`
			Secret string `xml:"SecretAccessKey"`
			Token  string `xml:"SessionToken"`
		} `xml:"AssumeRoleWithWebIdentityResult>Credentials"`
	}
	if a.StatusCode != 200 || xml.Unmarshal(a.Content, &given) != nil {
		t.Fatalf("%d %s", a.StatusCode, a.Content)
	}
	return aws.Credentials{AccessKeyID: given.Keys.ID, SecretAccessKey: given.Keys.Secret, SessionToken: given.Keys.Token}
}

func (r *rig) withToken(token string, more ...string) reply {
	return r.Do(r.tokenRequest(token, more...))
}

func (r *rig) tokenRequest(token string, more ...string) *http.Request {
	v := url.Values{"Action": {"AssumeRoleWithWebIdentity"}, "Version": {"2011-06-15"}, "WebIdentityToken": {token},
		"RoleArn": {"arn:aws:iam::123456789012:role/reader"}, "RoleSessionName": {"test"}}
	for i := 0; i < len(more); i += 2 {
		v.Set(more[i], more[i+1])
	}
	req := r.Request("POST", "/", v.Encode())
	req.Header.Set("Content-Type", formType)
	return req
}

// asHolder sends a request that is signed with temporary keys.
func (r *rig) asHolder(keys aws.Credentials, method, target string) reply {
	req := r.Request(method, target, "")
	sum := sha256.Sum256(nil)
	req.Header.Set("X-Amz-Content-Sha256", hex.EncodeToString(sum[:]))
	if err := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true }).SignHTTP(r.T.Context(), keys, req, hex.EncodeToString(sum[:]), "s3", "us-east-1", time.Now()); err != nil {
		r.T.Fatal(err)
	}
	return r.Do(req)
}

func TestATokenBecomesKeysThatOpenWhatTheRoleMay(t *testing.T) {
	r, issuer, token := byToken(t)
	keys := keysOf(t, r.withToken(token+"\n", "DurationSeconds", "60"))
	if a := r.asHolder(keys, "GET", "/photos/k"); a.StatusCode != 200 {
		t.Errorf("GET: %d %s", a.StatusCode, a.Content)
	}
	if a := r.asHolder(keys, "PUT", "/photos/k"); a.StatusCode != 403 {
		t.Errorf("PUT: %d %s", a.StatusCode, a.Content)
	}
	narrow := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::photos/a/*"}}`
	keys = keysOf(t, r.withToken(token, "Policy", narrow))
	for target, status := range map[string]int{"/photos/a/k": 200, "/photos/k": 403} {
		if a := r.asHolder(keys, "GET", target); a.StatusCode != status {
			t.Errorf("narrowed, GET %s: %d %s", target, a.StatusCode, a.Content)
		}
	}
	expired := claims(issuer, "job-1")
	expired["exp"] = time.Now().Add(-time.Hour).Unix()
	for name, c := range map[string]struct {
		a    reply
		code string
	}{
		"another's token":    {r.withToken(identitytest.Sign(t, identitytest.Key(t, "first"), claims(issuer, "job-1"))), "InvalidIdentityToken"},
		"no token":           {r.withToken("a.b.c"), "InvalidIdentityToken"},
		"an expired token":   {r.withToken(issuer.Token(t, expired)), "ExpiredTokenException"},
		"another subject":    {r.withToken(issuer.Token(t, claims(issuer, "cron-1"))), "AccessDenied"},
		"another role":       {r.withToken(token, "RoleArn", "arn:aws:iam::123456789012:role/writer"), "AccessDenied"},
		"too long a session": {r.withToken(token, "DurationSeconds", "3601"), "ValidationError"},
	} {
		if stsCode(c.a) != c.code {
			t.Errorf("%s: %d %s", name, c.a.StatusCode, c.a.Content)
		}
	}
	for _, secret := range []string{token, strings.Split(token, ".")[2], keys.SecretAccessKey, keys.SessionToken} {
		if strings.Contains(r.Log.String(), secret) {
			t.Error("the log has a secret")
		}
	}
}

func TestAContainerGetsKeysByAHeader(t *testing.T) {
	r, _, token := byToken(t)
	req := r.Request("GET", "/-/credentials?role=reader", "")
	req.Header.Set("Authorization", token)
	a := r.Do(req)
	var given struct {
		AccessKeyID     string `json:"AccessKeyId"`
		SecretAccessKey string
		Token           string
		Expiration      time.Time
	}
	if err := json.Unmarshal(a.Content, &given); err != nil || a.Header.Get("Content-Type") != "application/json" || a.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("%d %s", a.StatusCode, a.Content)
	}
	keys := aws.Credentials{AccessKeyID: given.AccessKeyID, SecretAccessKey: given.SecretAccessKey, SessionToken: given.Token}
	if a := r.asHolder(keys, "GET", "/photos/k"); a.StatusCode != 200 || given.Expiration.Before(time.Now()) {
		t.Errorf("%d %s", a.StatusCode, a.Content)
	}
	req = r.Request("GET", "/-/credentials?role=reader", "")
	req.Header.Set("Authorization", "x"+token)
	if a := r.Do(req); a.StatusCode != 400 || !strings.HasPrefix(string(a.Content), `{"code":"InvalidIdentityToken","message":"`) {
		t.Errorf("%d %s", a.StatusCode, a.Content)
	}
}

// toSTSAs signs with temporary keys.
func (r *rig) toSTSAs(keys aws.Credentials, body string, header ...string) reply {
	req := r.Request("POST", "/", body)
	req.Header.Set("Content-Type", formType)
	sum := sha256.Sum256([]byte(body))
	if err := v4.NewSigner().SignHTTP(r.T.Context(), keys, req, hex.EncodeToString(sum[:]), "sts", "us-east-1", time.Now()); err != nil {
		r.T.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 { // as a forwarder adds them
		req.Header.Set(header[i], header[i+1])
	}
	return r.Do(req)
}

func TestAHolderOfTemporaryKeysSignsForSTS(t *testing.T) {
	r, _, token := byToken(t)
	keys := keysOf(t, r.withToken(token))
	if a := r.toSTSAs(keys, whoAmI); !strings.Contains(string(a.Content), "<Arn>arn:aws:sts::000000000000:assumed-role/reader/test</Arn>") {
		t.Errorf("%d %s", a.StatusCode, a.Content)
	}
	if a := r.toSTSAs(keys, "Action=GetScopedCredentials&Version=2011-06-15&DurationSeconds=5"); a.StatusCode != 200 {
		t.Errorf("%d %s", a.StatusCode, a.Content)
	}
	if a := r.toSTSAs(keys, "Action=GetSessionToken&Version=2011-06-15"); a.StatusCode != 403 || stsCode(a) != "AccessDenied" {
		t.Errorf("%d %s", a.StatusCode, a.Content)
	}
	keys.SessionToken = strings.ToUpper(keys.SessionToken[:20]) + keys.SessionToken[20:]
	if a := r.toSTSAs(keys, whoAmI); a.StatusCode != 403 || stsCode(a) != "InvalidClientTokenId" {
		t.Errorf("%d %s", a.StatusCode, a.Content)
	}
}
