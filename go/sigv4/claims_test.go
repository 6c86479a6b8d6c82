package sigv4

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"osp/go/callbacks"
	"osp/go/s3err"
	"osp/go/secret"
)

func TestTheClockWindowOfAHeaderSignature(t *testing.T) {
	r := signedByHeader(t, "GET", "/photos/k", nil)
	for _, c := range []struct {
		skew time.Duration
		want *s3err.Error
	}{
		{0, nil}, {maxSkew, nil}, {-maxSkew, nil},
		{maxSkew + time.Second, s3err.RequestTimeTooSkewed}, {-maxSkew - time.Second, s3err.RequestTimeTooSkewed},
		{24 * time.Hour, s3err.RequestTimeTooSkewed},
	} {
		err := verify(r.clone(), noon.Add(c.skew), owner)
		if c.want == nil && err != nil || c.want != nil && !isCode(err, c.want) {
			t.Errorf("%v: %v", c.skew, err)
		}
	}
}

func TestTheLifeOfAPresignedURL(t *testing.T) {
	r := presignedBySDK(t, "GET", "/photos/k", nil)
	for _, c := range []struct {
		age time.Duration
		ok  bool
	}{{0, true}, {time.Hour, true}, {time.Hour + time.Second, false}, {-maxSkew, true}, {-maxSkew - time.Second, false}} {
		err := verify(r.clone(), noon.Add(c.age), owner)
		if c.ok != (err == nil) || !c.ok && !isCode(err, s3err.AccessDenied) {
			t.Errorf("at the age of %v: %v", c.age, err)
		}
	}
}

func TestKeysThatEndAndTokensThatBelong(t *testing.T) {
	temporary := callbacks.Secret{Key: owner.Key, SessionToken: secret.NewText("the-token")}
	with := signedByHeader(t, "GET", "/photos/k", map[string]string{"X-Amz-Security-Token": "the-token"})
	without := signedByHeader(t, "GET", "/photos/k", nil)
	other := signedByHeader(t, "GET", "/photos/k", map[string]string{"X-Amz-Security-Token": "another"})
	ended := temporary
	ended.Expires = noon
	for _, c := range []struct {
		name string
		r    *Request
		key  callbacks.Secret
		want *s3err.Error
	}{
		{"the right token", with, temporary, nil},
		{"no token", without, temporary, s3err.InvalidAccessKeyID},
		{"another token", other, temporary, s3err.InvalidToken},
		{"a token for a key that has none", with, owner, s3err.InvalidToken},
		{"a key that has ended", with, ended, s3err.ExpiredToken},
		{"an empty secret", without, callbacks.Secret{}, s3err.InvalidAccessKeyID},
		{"another secret", without, callbacks.Secret{Key: secret.NewText("x")}, s3err.SignatureDoesNotMatch},
	} {
		err := verify(c.r.clone(), noon, c.key)
		if c.want == nil && err != nil || c.want != nil && !isCode(err, c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestAVerifiedRequestSaysHowItWasSigned(t *testing.T) {
	temporary := callbacks.Secret{Key: owner.Key, SessionToken: secret.NewText("the-token")}
	token := map[string]string{"X-Amz-Security-Token": "the-token"}
	for _, c := range []struct {
		name      string
		r         *Request
		key       callbacks.Secret
		mechanism Mechanism
		token     string
	}{
		{"a header", signedByHeader(t, "GET", "/photos/k", nil), owner, InHeader, ""},
		{"a header with a session", signedByHeader(t, "GET", "/photos/k", token), temporary, InHeader, "the-token"},
		{"a presigned URL", presignedBySDK(t, "GET", "/photos/k", nil), owner, InQuery, ""},
	} {
		s, err := Parse(c.r)
		if err != nil {
			t.Fatal(err)
		}
		v, err := at(noon).Verify(s, c.key)
		if err != nil || v.Mechanism() != c.mechanism || s.SessionToken().Reveal() != c.token {
			t.Errorf("%s: %v, %s, session token %q", c.name, err, v.Mechanism(), s.SessionToken().Reveal())
		}
	}
	if none := (*VerifiedRequest)(nil); none.Mechanism() != 0 {
		t.Error("what was not verified was signed somehow")
	}
}

func TestAccessKeysAreAnyText(t *testing.T) {
	for _, key := range []string{"a/b/c", "//", "eyJ.x-y_z=", strings.Repeat("token/", 1400), "ü ö", "a+b%2Fc"} {
		r := sdkRequest(t, "GET", "/photos/k", map[string]string{"X-Amz-Content-Sha256": unsignedPayload})
		keys := aws.Credentials{AccessKeyID: key, SecretAccessKey: owner.Key.Reveal()}
		if err := sdkSigner.SignHTTP(context.Background(), keys, r, unsignedPayload, "s3", "eu-west-1", noon); err != nil {
			t.Fatal(err)
		}
		s, err := Parse(received(r))
		if err != nil {
			t.Errorf("%.20q: %v", key, err)
			continue
		}
		if v, err := at(noon).Verify(s, owner); err != nil || v.AccessKey() != key || v.Region() != "eu-west-1" {
			t.Errorf("%.20q: %v", key, err)
		}
	}
}

func TestTheSignedHostMayHaveADefaultPortOrNone(t *testing.T) {
	for _, c := range []struct {
		signed, asked string
		ok            bool
	}{
		{"proxy.example", "proxy.example:443", true},
		{"proxy.example", "proxy.example:80", true},
		{"proxy.example:443", "proxy.example", true},
		{"proxy.example:80", "proxy.example", true},
		{"proxy.example:8080", "proxy.example", false},
		{"proxy.example", "proxy.example:8080", false},
		{"[::1]", "[::1]:443", true},
		{"other.example", "proxy.example", false},
	} {
		r := signedByHeader(t, "GET", "/photos/k", nil)
		signed := sdkRequest(t, "GET", "/photos/k", map[string]string{"X-Amz-Content-Sha256": unsignedPayload})
		signed.Host = c.signed
		keys := aws.Credentials{AccessKeyID: "AKID", SecretAccessKey: owner.Key.Reveal()}
		if err := sdkSigner.SignHTTP(context.Background(), keys, signed, unsignedPayload, "s3", "eu-west-1", noon); err != nil {
			t.Fatal(err)
		}
		r.Header, r.Hosts = signed.Header, []string{c.asked}
		if err := verify(r.clone(), noon, owner); c.ok != (err == nil) {
			t.Errorf("signed %s, asked %s: %v", c.signed, c.asked, err)
		}
		r.Hosts = []string{"balancer.internal", c.asked}
		if err := verify(r, noon, owner); c.ok != (err == nil) {
			t.Errorf("signed %s, forwarded %s: %v", c.signed, c.asked, err)
		}
	}
}

func TestRegionsMayBeRestricted(t *testing.T) {
	s, err := Parse(signedByHeader(t, "GET", "/photos/k", nil))
	if err != nil {
		t.Fatal(err)
	}
	now := func() time.Time { return noon }
	if _, err := New(Options{Now: now, Regions: []string{"eu-west-1"}}).Verify(s, owner); err != nil {
		t.Error(err)
	}
	if _, err := New(Options{Now: now, Regions: []string{"us-east-1"}}).Verify(s, owner); !isCode(err, s3err.AuthorizationHeaderMalformed) {
		t.Errorf("another region: %v", err)
	}
}

func TestAnUnknownKeyTakesTheSameWay(t *testing.T) {
	s, err := Parse(signedByHeader(t, "GET", "/photos/k", nil))
	if err != nil {
		t.Fatal(err)
	}
	v := at(noon)
	if err := v.Reject(s); !isCode(err, s3err.InvalidAccessKeyID) {
		t.Errorf("got %v", err)
	}
	if n := v.keys.known.Len(); n != 1 {
		t.Errorf("%d keys were derived, want 1: an unknown key must cost what a known one does", n)
	}
}

func TestTrustIsNoVerification(t *testing.T) {
	r := signedByHeader(t, "GET", "/photos/k", nil)
	r.Header.Set("Authorization", inSignature(r.Header.Get("Authorization"), "Signature="))
	s, err := Parse(r)
	if err != nil {
		t.Fatal(err)
	}
	v, err := at(noon).Trust(s)
	if err != nil || !v.Usable() || v.Verified() || v.Chunks() != nil || v.AccessKey() != "AKID" {
		t.Errorf("got %v, %v", v, err)
	}
	if _, err := at(noon.Add(time.Hour)).Trust(s); !isCode(err, s3err.RequestTimeTooSkewed) {
		t.Errorf("an hour later: %v", err)
	}
}

func TestTheZeroRequestIsUnusable(t *testing.T) {
	for name, v := range map[string]*VerifiedRequest{"nil": nil, "zero": {}} {
		if v.Usable() || v.Verified() || v.AccessKey() != "" || v.Chunks() != nil {
			t.Errorf("%s is usable", name)
		}
	}
	for _, s := range []*SignedRequest{nil, {}} {
		if _, err := at(noon).Verify(s, owner); err == nil {
			t.Error("an unparsed request verifies")
		}
		if _, err := at(noon).Trust(s); err == nil {
			t.Error("an unparsed request is trusted")
		}
	}
	if _, err := Parse(&Request{Method: "GET", RawPath: "/", Hosts: []string{"a"}, Header: http.Header{}}); !isCode(err, s3err.AccessDenied) {
		t.Errorf("unsigned: %v", err)
	}
}
