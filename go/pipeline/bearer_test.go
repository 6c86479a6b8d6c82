package pipeline

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"osp/go/callbacks"
	"osp/go/identity/identitytest"
	"osp/go/shared"
)

// bearers is a rig whose bucket "photos" takes the tokens of an issuer.
type bearers struct {
	*rig
	issuer *identitytest.Issuer
	asked  atomic.Int32
	seen   atomic.Pointer[callbacks.Request]
}

func startBearers(t *testing.T, change settings) *bearers {
	b := &bearers{issuer: identitytest.New(t)}
	all := settings{
		"issuers": settings{b.issuer.URL: settings{"audiences": []string{"s3"}}},
		"roles": settings{"reader": settings{
			"issuers": []string{b.issuer.URL}, "subjects": []string{"alice"}, "token": "people/{subject}",
			"policy": settings{"Version": "2012-10-17", "Statement": settings{
				"Effect": "Allow", "Action": []string{"s3:GetObject", "s3:PutObject"}, "Resource": "arn:aws:s3:::*"}},
		}},
	}
	for name, value := range change {
		all[name] = value
	}
	validator := func(_ context.Context, q *callbacks.Request) (callbacks.Decision, error) {
		b.asked.Add(1)
		b.seen.Store(q)
		return callbacks.Decision{Allow: true}, nil
	}
	b.rig = entries(t, callbacks.Set{Validator: validator, ValidatorSeesRequest: true}, all, map[string]settings{
		"photos": {"bearer": "reader"}, "other": {}, "more": {"bearer": "reader"},
	})
	return b
}

func (b *bearers) token(changes settings) string {
	claims := settings{"iss": b.issuer.URL, "sub": "alice", "aud": "s3", "exp": time.Now().Add(time.Hour).Unix(), "iat": time.Now().Unix()}
	for name, value := range changes {
		if claims[name] = value; value == nil {
			delete(claims, name)
		}
	}
	return b.issuer.Token(b.T, claims)
}

// shown is a request with a bearer token, and more fields.
func (b *bearers) shown(token, method, target, body string, header ...string) *http.Request {
	b.T.Helper()
	req := b.Request(method, target, body)
	req.Header.Set("Authorization", "Bearer "+token)
	for i := 0; i < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	return req
}

func TestABearerOfATokenHasASession(t *testing.T) {
	b := startBearers(t, nil)
	token := b.token(nil)
	for _, req := range []*http.Request{
		b.shown(token, "GET", "/photos/k", ""),
		b.shown(token, "PUT", "/photos/k", "content", "X-Amz-Meta-Color", "red", "Content-Type", "text/plain"),
		b.shown(token, "PUT", "/photos/k", "", "X-Amz-Copy-Source", "/more/k"),
	} {
		if a := b.Do(req); a.StatusCode != http.StatusOK {
			t.Fatalf("%s: %d %s", req.Method, a.StatusCode, a.Content)
		}
		q := b.seen.Load()
		if q.Token != "people/alice" || q.Session == nil || q.Session.Subject != "alice" || q.Session.Role != "reader" || q.Session.AccessKey != "" {
			t.Errorf("the validator saw %+v", q)
		}
	}
	if n := b.issuer.Asked.Load(); n != 1 {
		t.Errorf("the issuer was asked %d times", n)
	}
	if strings.Contains(b.Log.String(), token[:40]) {
		t.Error("the token is in the log")
	}
	sent := b.Store.Requests()
	if got := sent[1]; string(got.Body) != "content" || got.Header.Get("X-Amz-Meta-Color") != "red" {
		t.Errorf("the store got %q with %v", got.Body, got.Header)
	}
	for _, got := range sent {
		if strings.Contains(got.Header.Get("Authorization"), "Bearer") {
			t.Error("the token reached the store")
		}
	}
}

// curl --http2 offers HTTP/2 in clear like this, with fields that end here. Of a bearer's
// request every field counts as signed.
func TestABearerMayNameWhatEndsHereAnyway(t *testing.T) {
	b := startBearers(t, nil)
	upgrade := []string{"Connection", "Upgrade, HTTP2-Settings", "Upgrade", "h2c", "HTTP2-Settings", "AAMAAABkAAQAoAAAAAIAAAAA"}
	if a := b.Do(b.shown(b.token(nil), "GET", "/photos/k", "", upgrade...)); a.StatusCode != http.StatusOK {
		t.Fatalf("%d %s", a.StatusCode, a.Content)
	}
	sent := b.Store.Only(t).Header
	for name := range b.seen.Load().Header() {
		sent[name] = nil
	}
	for _, name := range []string{"Http2-Settings", "Upgrade"} {
		if _, passed := sent[name]; passed {
			t.Errorf("%s passes", name)
		}
	}
	b = startBearers(t, nil)
	for _, name := range []string{"X-Amz-Acl", "If-None-Match", "Content-Type", "X-Custom"} {
		b.Refuses(b.shown(b.token(nil), "PUT", "/photos/k", "x", "Connection", "Upgrade, "+name, name, "private"), 400, "InvalidRequest")
	}
}

func TestWhatABearerMayNotDoReachesNoStore(t *testing.T) {
	b := startBearers(t, nil)
	good := b.token(nil)
	for name, c := range map[string]struct {
		req    *http.Request
		status int
		code   string
	}{
		"another subject":       {b.shown(b.token(settings{"sub": "bob"}), "GET", "/photos/k", ""), 403, "AccessDenied"},
		"another audience":      {b.shown(b.token(settings{"aud": "s4"}), "GET", "/photos/k", ""), 400, "InvalidToken"},
		"expired":               {b.shown(b.token(settings{"exp": 1}), "GET", "/photos/k", ""), 400, "ExpiredToken"},
		"ends within the grace": {b.shown(b.token(settings{"exp": time.Now().Unix() - 5}), "GET", "/photos/k", ""), 400, "ExpiredToken"},
		"no token":              {b.shown("x", "GET", "/photos/k", ""), 400, "InvalidToken"},
		"another bucket":        {b.shown(good, "GET", "/other/k", ""), 400, "InvalidArgument"},
		"no bucket":             {b.shown(good, "GET", "/", ""), 400, "InvalidArgument"},
		"beyond the role":       {b.shown(good, "DELETE", "/photos/k", ""), 403, "AccessDenied"},
		"from another bucket":   {b.shown(good, "PUT", "/photos/k", "", "X-Amz-Copy-Source", "/other/k"), 403, "AccessDenied"},
		"another body":          {b.shown(good, "PUT", "/photos/k", "content", "Content-Md5", "XrY7u+Ae7tCTyyK7j1rNww=="), 400, "BadDigest"},
		"another hash":          {b.shown(good, "PUT", "/photos/k", "content", "X-Amz-Content-Sha256", strings.Repeat("0", 64)), 400, "XAmzContentSHA256Mismatch"},
		"a presigned query":     {b.shown(good, "GET", "/photos/k?X-Amz-Algorithm=AWS4-HMAC-SHA256", ""), 400, "InvalidArgument"},
		"in clear from afar":    {b.shown(good, "GET", "/photos/k", "", "X-Forwarded-For", "192.0.2.1"), 403, "AccessDenied"},
	} {
		t.Log(name)
		b.Refuses(c.req, c.status, c.code)
	}
	b.issuer.Publish(identitytest.Key(t, "second"))
	forged := b.token(nil)
	b.Refuses(b.shown(forged, "GET", "/photos/k", ""), 400, "InvalidToken")
}

func TestATokenThatDoesNotSayHowOldItIsIsOlderThanWhatWasRevoked(t *testing.T) {
	b := startBearers(t, nil)
	undated := b.token(settings{"iat": nil})
	if a := b.Do(b.shown(undated, "GET", "/photos/k", "")); a.StatusCode != http.StatusOK {
		t.Fatalf("before anything was revoked: %d %s", a.StatusCode, a.Content)
	}
	subject := "alice"
	b.pipeline.Forget(shared.Revocation{Subject: &subject, At: time.Now()})
	for name, a := range map[string]reply{
		"shown itself": b.Do(b.shown(undated, "GET", "/photos/k", "")), "a new one": b.Do(b.shown(b.token(settings{"iat": nil, "jti": "2"}), "GET", "/photos/k", "")),
	} {
		if a.Code() != "ExpiredToken" || !strings.Contains(string(a.Content), "(iat)") {
			t.Errorf("%s: %d %s", name, a.StatusCode, a.Content)
		}
	}
	if a := b.withToken(undated); stsCode(a) != "ExpiredTokenException" || !strings.Contains(string(a.Content), "(iat)") {
		t.Errorf("for keys: %d %s", a.StatusCode, a.Content)
	}
	dated := b.token(settings{"iat": time.Now().Unix() - 60})
	if a := b.Do(b.shown(dated, "GET", "/photos/k", "")); a.Code() != "ExpiredToken" || strings.Contains(string(a.Content), "iat") {
		t.Errorf("one that is older: %d %s", a.StatusCode, a.Content)
	}
}

func TestOnlyWhatComesFromThisMachineIsLocal(t *testing.T) {
	for remote, local := range map[string]bool{
		"unix": true, "127.0.0.1:80": true, "[::1]:80": true, "[::ffff:127.0.0.2]:80": true,
		"announced:127.0.0.1:80": false, "unknown": false, "": false, "192.0.2.1:80": false, "127.0.0.1": false,
	} {
		x := &exchange{r: &http.Request{RemoteAddr: remote, Header: http.Header{}}}
		if x.isLocal() != local {
			t.Errorf("%q: %t", remote, !local)
		}
		for _, name := range []string{"Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Port", "X-Forwarded-Proto", "X-Forwarded-Ssl", "X-Real-Ip"} {
			x.r.Header = http.Header{name: {""}}
			if x.isLocal() {
				t.Errorf("%q with %s is local", remote, name)
			}
		}
	}
}

func TestABearerComesByHTTPSWhereAForwarderSaysSo(t *testing.T) {
	b := startBearers(t, settings{"trusted_proxies": []string{"127.0.0.1/32"}})
	good := b.token(nil)
	b.Refuses(b.shown(good, "GET", "/photos/k", "", "X-Forwarded-For", "192.0.2.1", "X-Forwarded-Proto", "http"), 403, "AccessDenied")
	if a := b.Do(b.shown(good, "GET", "/photos/k", "", "X-Forwarded-For", "192.0.2.1", "X-Forwarded-Proto", "https")); a.StatusCode != http.StatusOK {
		t.Errorf("by https: %d %s", a.StatusCode, a.Content)
	}
}

func TestARoleThatIsTakenAwayEndsItsBearers(t *testing.T) {
	b := startBearers(t, nil)
	good := b.token(nil)
	if a := b.Do(b.shown(good, "GET", "/photos/k", "")); a.StatusCode != http.StatusOK {
		t.Fatalf("%d %s", a.StatusCode, a.Content)
	}
	u, err := b.Config.ParseUpdate([]byte(`{"roles": {}}`), b.pipeline.Running())
	if err != nil {
		t.Fatal(err)
	}
	b.pipeline.Update(u)
	if a := b.Do(b.shown(good, "GET", "/photos/k", "")); a.Code() != "AccessDenied" {
		t.Errorf("%d %s", a.StatusCode, a.Content)
	}
}
