package sigv4

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"osp/go/callbacks"
	"osp/go/s3err"
	"osp/go/secret"
	"osp/go/wire"
)

var stranger = callbacks.Secret{Key: secret.NewText("not the secret")}

// judge fails the test if a request that nobody signed verifies, or if an error
// is not one that a client may see.
func judge(t *testing.T, s *SignedRequest, err error) {
	t.Helper()
	if err == nil {
		v, verr := at(noon).Verify(s, stranger)
		if verr == nil || v.Usable() {
			t.Fatalf("verified: %v", v)
		}
		err = verr
	}
	var answer *s3err.Error
	if !errors.As(err, &answer) || answer.Status < 400 {
		t.Fatalf("no answer for a client: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	good := signedByHeader(f, "GET", "/photos/a%20b?acl", map[string]string{"X-Amz-Meta-A": "1"})
	f.Add("GET", good.RawPath, good.RawQuery, good.Header.Get("Authorization"), "x-amz-meta-a", "1", good.Header.Get("X-Amz-Date"))
	f.Add("PUT", "/", "", "AWS4-HMAC-SHA256 Credential=/////,SignedHeaders=host,Signature=", "host", "", "20260301T120000Z")
	f.Add("POST", "/%", "%=&&=%zz", "AWS4-HMAC-SHA256 Credential=a/20260301/r/s3/aws4_request, SignedHeaders=;;, Signature=0", "x-amz-date", "\x00", "")
	f.Fuzz(func(t *testing.T, method, path, query, authorization, name, value, date string) {
		r := &Request{Method: method, RawPath: path, RawQuery: query, Hosts: []string{"proxy.example"}, ContentLength: -1, Header: http.Header{
			"Authorization": {authorization}, "X-Amz-Date": {date}, "X-Amz-Content-Sha256": {unsignedPayload}, name: {value},
		}}
		s, err := Parse(r)
		judge(t, s, err)
	})
}

func FuzzPresigned(f *testing.F) {
	f.Add(presignedBySDK(f, "GET", "/photos/k?versionId=v", nil).RawQuery)
	f.Add("X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=%2F&X-Amz-Signature")
	f.Add("X-Amz-Signature=0&X-Amz-Signature=1&X-Amz-Expires=99999999999999999999")
	f.Fuzz(func(t *testing.T, query string) {
		s, err := Parse(&Request{Method: "GET", RawPath: "/photos/k", RawQuery: query, Hosts: []string{"proxy.example"}, Header: http.Header{}, ContentLength: -1})
		judge(t, s, err)
	})
}

func FuzzPostPolicy(f *testing.F) {
	f.Add(policyWith(`, {"acl": "private"}, ["content-length-range", 1, 2]`), "acl", "private")
	f.Add(`{"expiration": "2026-03-01T13:00:00Z", "conditions": [[]]}`, "key", "")
	f.Add(`{"expiration": 1, "conditions": [{}, [1, 2, 3], ["eq", "$", null]]}`, "policy", "x")
	f.Fuzz(func(t *testing.T, document, name, value string) {
		fields := formFields(document, Field{strings.ToLower(name), value})
		s, err := ParsePostPolicy("photos", fields)
		judge(t, s, err)
		if s, err = ParsePostPolicy("photos", fields); err != nil {
			return
		}
		var answer *s3err.Error
		if _, err = at(noon).Verify(s, owner); err != nil && !errors.As(err, &answer) { // whoever signed wrote the policy
			t.Fatalf("no answer for a client: %v", err)
		}
	})
}

// What the SDK signs verifies, whatever bytes it consists of; and one byte
// changed in any place that is covered does not.
func TestRandomRequestsVerifyAndTheirMutationsDoNot(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	text := func(most int) string {
		b := make([]byte, 1+random.IntN(most))
		for i := range b {
			b[i] = byte(1 + random.IntN(255))
		}
		return string(b)
	}
	for i := range 1500 {
		target := "/photos/" + wire.Encode(text(20), wire.InPath)
		for range random.IntN(4) {
			target += fmt.Sprintf("%c%s=%s", "&?"[min(1, strings.Count(target, "?")^1)], url.QueryEscape(text(6)), url.QueryEscape(text(6)))
		}
		header := map[string]string{"X-Amz-Meta-A": strings.Trim(strings.Map(printable, text(12)), " ")}
		for name, r := range map[string]*Request{"header": signedByHeader(t, "PUT", target, header), "presigned": presignedBySDK(t, "GET", target, nil)} {
			if err := verify(r.clone(), noon, owner); err != nil {
				t.Fatalf("case %d, %s %s: %v", i, name, target, err)
			}
			r.RawPath = mutate(random, r.RawPath, 1)
			if err := verify(r, noon, owner); err == nil {
				t.Fatalf("case %d, %s: %s verifies as %s", i, name, target, r.RawPath)
			}
		}
	}
}

func printable(c rune) rune {
	if c < ' ' || c > '~' {
		return 'x'
	}
	return c
}

// mutate changes one letter or digit after a position to another one that means
// something else.
func mutate(random *rand.Rand, s string, from int) string {
	for {
		i := from + random.IntN(len(s)-from)
		if isAlnum(s[i]) && s[i] != 'z' && !strings.Contains(s[max(0, i-2):i], "%") {
			return s[:i] + "z" + s[i+1:]
		}
	}
}
