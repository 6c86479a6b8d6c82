package sigv4

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"osp/go/callbacks"
	"osp/go/s3err"
	"osp/go/secret"
)

var (
	noon  = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	owner = callbacks.Secret{Key: secret.NewText("the-secret")}
)

func at(t time.Time) *Verifier { return New(Options{Now: func() time.Time { return t }}) }

// sdkSigner signs as the SDK's S3 client does.
var sdkSigner = v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })

func sdkRequest(t testing.TB, method, target string, header map[string]string) *http.Request {
	t.Helper()
	r, err := http.NewRequest(method, "http://proxy.example:8080"+target, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range header {
		r.Header.Set(name, value)
	}
	return r
}

// received is the request as the front would pass it on.
func received(r *http.Request) *Request {
	return &Request{Method: r.Method, RawPath: r.URL.EscapedPath(), RawQuery: r.URL.RawQuery, Hosts: []string{r.Host}, Header: r.Header, ContentLength: -1}
}

// signedByHeader has the SDK sign a request in its header.
func signedByHeader(t testing.TB, method, target string, header map[string]string) *Request {
	t.Helper()
	r := sdkRequest(t, method, target, header)
	if r.Header.Get("X-Amz-Content-Sha256") == "" {
		r.Header.Set("X-Amz-Content-Sha256", unsignedPayload)
	}
	keys := aws.Credentials{AccessKeyID: "AKID", SecretAccessKey: owner.Key.Reveal()}
	if err := sdkSigner.SignHTTP(context.Background(), keys, r, r.Header.Get("X-Amz-Content-Sha256"), "s3", "eu-west-1", noon); err != nil {
		t.Fatal(err)
	}
	return received(r)
}

// presignedBySDK has the SDK make a presigned URL that is valid for an hour.
func presignedBySDK(t testing.TB, method, target string, header map[string]string) *Request {
	t.Helper()
	r := sdkRequest(t, method, target, header)
	q := r.URL.Query()
	q.Set("X-Amz-Expires", "3600")
	r.URL.RawQuery = q.Encode()
	keys := aws.Credentials{AccessKeyID: "AKID", SecretAccessKey: owner.Key.Reveal()}
	signed, _, err := sdkSigner.PresignHTTP(context.Background(), keys, r, unsignedPayload, "s3", "eu-west-1", noon)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(signed)
	if err != nil {
		t.Fatal(err)
	}
	return &Request{Method: method, RawPath: u.EscapedPath(), RawQuery: u.RawQuery, Hosts: []string{r.Host}, Header: r.Header, ContentLength: -1}
}

func verify(r *Request, now time.Time, key callbacks.Secret) error {
	s, err := Parse(r)
	if err != nil {
		return err
	}
	v, err := at(now).Verify(s, key)
	if err == nil && !v.Verified() {
		panic("verified without an error, and not usable")
	}
	return err
}

func (r *Request) clone() *Request {
	c := *r
	c.Header = r.Header.Clone()
	c.Hosts = slices.Clone(r.Hosts)
	return &c
}

type mutation struct {
	name string
	make func(r *Request)
	want *s3err.Error
}

// inAuthorization replaces a text in the Authorization header.
func inAuthorization(old, with string) func(*Request) {
	return func(r *Request) {
		before := r.Header.Get("Authorization")
		r.Header.Set("Authorization", strings.Replace(before, old, with, 1))
		if r.Header.Get("Authorization") == before {
			panic("nothing was replaced: " + old)
		}
	}
}

func inQueryText(old, with string) func(*Request) {
	return func(r *Request) {
		before := r.RawQuery
		if r.RawQuery = strings.Replace(before, old, with, 1); r.RawQuery == before {
			panic("nothing was replaced: " + old)
		}
	}
}

// inSignature changes one digit of a signature.
func inSignature(text, name string) string {
	i := strings.Index(text, name) + len(name)
	digit := "0"
	if text[i] == '0' {
		digit = "1"
	}
	return text[:i] + digit + text[i+1:]
}

var headerMutations = []mutation{
	{"another method", func(r *Request) { r.Method = "DELETE" }, s3err.SignatureDoesNotMatch},
	{"another path", func(r *Request) { r.RawPath += "x" }, s3err.SignatureDoesNotMatch},
	{"a path in another case", func(r *Request) { r.RawPath = strings.Replace(r.RawPath, "a%20", "A%20", 1) }, s3err.SignatureDoesNotMatch},
	{"a doubled slash", func(r *Request) { r.RawPath = "/" + r.RawPath }, s3err.SignatureDoesNotMatch},
	{"a plus for a space", func(r *Request) { r.RawPath = strings.Replace(r.RawPath, "%20", "+", 1) }, s3err.SignatureDoesNotMatch},
	{"a broken escape", func(r *Request) { r.RawPath += "%2" }, s3err.InvalidURI},
	{"another parameter", func(r *Request) { r.RawQuery += "&acl" }, s3err.SignatureDoesNotMatch},
	{"no parameters", func(r *Request) { r.RawQuery = "" }, s3err.SignatureDoesNotMatch},
	{"another value of a parameter", inQueryText("partNumber=1", "partNumber=2"), s3err.SignatureDoesNotMatch},
	{"a parameter in another case", inQueryText("partNumber", "partnumber"), s3err.SignatureDoesNotMatch},
	{"another host", func(r *Request) { r.Hosts[0] = "other.example" }, s3err.SignatureDoesNotMatch},
	{"another port", func(r *Request) { r.Hosts[0] = "proxy.example:80" }, s3err.SignatureDoesNotMatch},
	{"another value of a signed header", func(r *Request) { r.Header.Set("X-Amz-Meta-A", "2") }, s3err.SignatureDoesNotMatch},
	{"one more value of a signed header", func(r *Request) { r.Header.Add("X-Amz-Meta-A", "2") }, s3err.SignatureDoesNotMatch},
	{"a signed header left out", func(r *Request) { r.Header.Del("X-Amz-Meta-A") }, s3err.SignatureDoesNotMatch},
	{"an unsigned x-amz header", func(r *Request) { r.Header.Set("X-Amz-Acl", "public-read") }, s3err.AccessDenied},
	{"an unsigned x-amz header in lower case", func(r *Request) { r.Header["x-amz-acl"] = []string{"public-read"} }, s3err.AccessDenied},
	{"a signed header in a second spelling", func(r *Request) { r.Header["x-amz-meta-a"] = []string{"1"} }, s3err.InvalidRequest},
	{"another payload hash", func(r *Request) { r.Header.Set("X-Amz-Content-Sha256", strings.Repeat("0", 64)) }, s3err.SignatureDoesNotMatch},
	{"another kind of payload", func(r *Request) { r.Header.Set("X-Amz-Content-Sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER") }, s3err.SignatureDoesNotMatch},
	{"no payload hash", func(r *Request) { r.Header.Del("X-Amz-Content-Sha256") }, s3err.InvalidRequest},
	{"a nonsense payload hash", func(r *Request) { r.Header.Set("X-Amz-Content-Sha256", "none") }, s3err.InvalidArgument},
	{"two payload hashes", func(r *Request) { r.Header.Add("X-Amz-Content-Sha256", unsignedPayload) }, s3err.InvalidArgument},
	{"the hash of SigV4A", func(r *Request) { r.Header.Set("X-Amz-Content-Sha256", "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD") }, s3err.NotImplemented},
	{"another second", func(r *Request) { r.Header.Set("X-Amz-Date", "20260301T120001Z") }, s3err.SignatureDoesNotMatch},
	{"another day", func(r *Request) { r.Header.Set("X-Amz-Date", "20260302T120000Z") }, s3err.AuthorizationHeaderMalformed},
	{"a fraction of a second", func(r *Request) { r.Header.Set("X-Amz-Date", "20260301T1200.0Z") }, s3err.AccessDenied},
	{"no date", func(r *Request) { r.Header.Del("X-Amz-Date") }, s3err.AccessDenied},
	{"two dates", func(r *Request) { r.Header.Add("X-Amz-Date", "20260301T120000Z") }, s3err.AccessDenied},
	{"another day in the scope", inAuthorization("/20260301/", "/20260302/"), s3err.AuthorizationHeaderMalformed},
	{"another region", inAuthorization("/eu-west-1/", "/eu-west-2/"), s3err.SignatureDoesNotMatch},
	{"no region", inAuthorization("/eu-west-1/", "//"), s3err.AuthorizationHeaderMalformed},
	{"another service", inAuthorization("/s3/", "/iam/"), s3err.AuthorizationHeaderMalformed},
	{"another terminator", inAuthorization("/aws4_request", "/aws5_request"), s3err.AuthorizationHeaderMalformed},
	{"another algorithm", inAuthorization("AWS4-HMAC-SHA256 ", "AWS4-HMAC-SHA512 "), s3err.InvalidArgument},
	{"the algorithm of SigV4A", inAuthorization("AWS4-HMAC-SHA256 ", "AWS4-ECDSA-P256-SHA256 "), s3err.NotImplemented},
	{"signature version 2", func(r *Request) { r.Header.Set("Authorization", "AWS AKID:c2ln") }, s3err.InvalidRequest},
	{"only the algorithm", func(r *Request) { r.Header.Set("Authorization", "AWS4-HMAC-SHA256") }, s3err.InvalidArgument},
	{"an empty header", func(r *Request) { r.Header.Set("Authorization", "") }, s3err.InvalidArgument},
	{"two headers", func(r *Request) { r.Header.Add("Authorization", r.Header.Get("Authorization")) }, s3err.InvalidArgument},
	{"no header", func(r *Request) { r.Header.Del("Authorization") }, s3err.AccessDenied},
	{"no Credential", inAuthorization("Credential=", "Cred="), s3err.AuthorizationHeaderMalformed},
	{"a second Credential", inAuthorization("Credential=", "Credential=other/20260301/eu-west-1/s3/aws4_request, Credential="), s3err.AuthorizationHeaderMalformed},
	{"no Signature", inAuthorization("Signature=", "Sig="), s3err.AuthorizationHeaderMalformed},
	{"a second Signature", inAuthorization("Signature=", "Signature="+strings.Repeat("0", 64)+", Signature="), s3err.AuthorizationHeaderMalformed},
	{"no scope", inAuthorization("/20260301/eu-west-1/s3/aws4_request", ""), s3err.AuthorizationHeaderMalformed},
	{"no access key", inAuthorization("Credential=AKID/", "Credential=/"), s3err.AuthorizationHeaderMalformed},
	{"no host among the signed headers", inAuthorization("host;", ""), s3err.AccessDenied},
	{"a doubled signed header", inAuthorization("SignedHeaders=", "SignedHeaders=host;"), s3err.AuthorizationHeaderMalformed},
	{"a signed header in upper case", inAuthorization("host;", "Host;"), s3err.AuthorizationHeaderMalformed},
	{"one more signed header", inAuthorization("host;", "host;range;"), s3err.SignatureDoesNotMatch},
	{"one signed header less", inAuthorization(";x-amz-meta-a", ""), s3err.AccessDenied},
	{"an altered signature", func(r *Request) {
		r.Header.Set("Authorization", inSignature(r.Header.Get("Authorization"), "Signature="))
	}, s3err.SignatureDoesNotMatch},
	{"a short signature", func(r *Request) {
		r.Header.Set("Authorization", r.Header.Get("Authorization")[:len(r.Header.Get("Authorization"))-1])
	}, s3err.SignatureDoesNotMatch},
	{"a presigned query beside it", func(r *Request) { r.RawQuery += "&X-Amz-Signature=" + strings.Repeat("0", 64) }, s3err.InvalidArgument},
}

func TestOneMutationOfASignedHeader(t *testing.T) {
	good := signedByHeader(t, "PUT", "/photos/a%20b/%C3%BC?partNumber=1&uploadId=x%2Fy", map[string]string{"X-Amz-Meta-A": "1", "Content-Type": "text/plain"})
	if err := verify(good.clone(), noon, owner); err != nil {
		t.Fatal(err)
	}
	for _, m := range headerMutations {
		r := good.clone()
		m.make(r)
		if err := verify(r, noon, owner); !isCode(err, m.want) {
			t.Errorf("%s: got %v, want %s", m.name, err, m.want.Code)
		}
	}
}

var queryMutations = []mutation{
	{"another method", func(r *Request) { r.Method = "PUT" }, s3err.SignatureDoesNotMatch},
	{"another path", func(r *Request) { r.RawPath += "x" }, s3err.SignatureDoesNotMatch},
	{"another host", func(r *Request) { r.Hosts[0] = "other.example" }, s3err.SignatureDoesNotMatch},
	{"another parameter", func(r *Request) { r.RawQuery += "&acl=" }, s3err.SignatureDoesNotMatch},
	{"a parameter twice", func(r *Request) { r.RawQuery += "&versionId=v" }, s3err.SignatureDoesNotMatch},
	{"another value of a parameter", inQueryText("versionId=v", "versionId=w"), s3err.SignatureDoesNotMatch},
	{"a parameter left out", inQueryText("&versionId=v", ""), s3err.SignatureDoesNotMatch},
	{"an unsigned x-amz header", func(r *Request) { r.Header.Set("X-Amz-Copy-Source", "other/secret") }, s3err.AccessDenied},
	{"an Authorization header beside it", func(r *Request) { r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=x") }, s3err.InvalidArgument},
	{"a longer life", inQueryText("X-Amz-Expires=3600", "X-Amz-Expires=7200"), s3err.SignatureDoesNotMatch},
	{"no life", inQueryText("X-Amz-Expires=3600&", ""), s3err.AuthorizationQueryError},
	{"a life of zero", inQueryText("X-Amz-Expires=3600", "X-Amz-Expires=0"), s3err.AuthorizationQueryError},
	{"a negative life", inQueryText("X-Amz-Expires=3600", "X-Amz-Expires=-1"), s3err.AuthorizationQueryError},
	{"a life of more than a week", inQueryText("X-Amz-Expires=3600", "X-Amz-Expires=604801"), s3err.AuthorizationQueryError},
	{"a life of a week, not signed", inQueryText("X-Amz-Expires=3600", "X-Amz-Expires=604800"), s3err.SignatureDoesNotMatch},
	{"a life that is no number", inQueryText("X-Amz-Expires=3600", "X-Amz-Expires=1h"), s3err.AuthorizationQueryError},
	{"two lives", func(r *Request) { r.RawQuery += "&X-Amz-Expires=3600" }, s3err.AuthorizationQueryError},
	{"another date", inQueryText("X-Amz-Date=20260301T120000Z", "X-Amz-Date=20260301T120001Z"), s3err.SignatureDoesNotMatch},
	{"another day", inQueryText("X-Amz-Date=20260301", "X-Amz-Date=20260228"), s3err.AuthorizationQueryError},
	{"another region", inQueryText("eu-west-1", "eu-west-2"), s3err.SignatureDoesNotMatch},
	{"another service", inQueryText("%2Fs3%2F", "%2Fsts%2F"), s3err.AuthorizationQueryError},
	{"another terminator", inQueryText("aws4_request", "aws5_request"), s3err.AuthorizationQueryError},
	{"another algorithm", inQueryText("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA512"), s3err.AuthorizationQueryError},
	{"the algorithm of SigV4A", inQueryText("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"), s3err.NotImplemented},
	{"no algorithm", inQueryText("X-Amz-Algorithm=AWS4-HMAC-SHA256&", ""), s3err.AuthorizationQueryError},
	{"no credential", inQueryText("X-Amz-Credential=", "X-Credential="), s3err.AuthorizationQueryError},
	{"no signed headers", inQueryText("X-Amz-SignedHeaders=host&", ""), s3err.AuthorizationQueryError},
	{"signed headers without host", inQueryText("X-Amz-SignedHeaders=host", "X-Amz-SignedHeaders=range"), s3err.AccessDenied},
	{"an altered signature", func(r *Request) { r.RawQuery = inSignature(r.RawQuery, "X-Amz-Signature=") }, s3err.SignatureDoesNotMatch},
	{"two signatures", func(r *Request) { r.RawQuery += "&X-Amz-Signature=" + strings.Repeat("0", 64) }, s3err.AuthorizationQueryError},
	{"a session token", func(r *Request) { r.RawQuery += "&X-Amz-Security-Token=t" }, s3err.SignatureDoesNotMatch},
	{"a payload hash in the header", func(r *Request) { r.Header.Set("X-Amz-Content-Sha256", strings.Repeat("0", 64)) }, s3err.SignatureDoesNotMatch},
	{"version 2 parameters alone", func(r *Request) { r.RawQuery = "AWSAccessKeyId=AKID&Signature=x&Expires=1" }, s3err.InvalidRequest},
}

func TestOneMutationOfAPresignedURL(t *testing.T) {
	good := presignedBySDK(t, "GET", "/photos/a%20b?versionId=v&x-id=GetObject", nil)
	if err := verify(good.clone(), noon, owner); err != nil {
		t.Fatal(err)
	}
	for _, m := range queryMutations {
		r := good.clone()
		m.make(r)
		if err := verify(r, noon, owner); !isCode(err, m.want) {
			t.Errorf("%s: got %v, want %s", m.name, err, m.want.Code)
		}
	}
}

func TestEquivalentSpellingsVerify(t *testing.T) {
	header := signedByHeader(t, "GET", "/photos/a%20b%2Bc?prefix=x%20y&acl", map[string]string{"X-Amz-Meta-A": "1 2"})
	for name, change := range map[string]func(*Request){
		"lower-case escapes":            func(r *Request) { r.RawPath = strings.Replace(r.RawPath, "%2B", "%2b", 1) },
		"an escape too many":            func(r *Request) { r.RawPath = strings.Replace(r.RawPath, "photos", "%70hotos", 1) },
		"a plus for a space in a query": func(r *Request) { r.RawQuery = strings.Replace(r.RawQuery, "x%20y", "x+y", 1) },
		"another order":                 func(r *Request) { r.RawQuery = "acl=&prefix=x%20y" },
		"space around a value":          func(r *Request) { r.Header.Set("X-Amz-Meta-A", "  1   2 ") },
	} {
		r := header.clone()
		change(r)
		if err := verify(r, noon, owner); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	presigned := presignedBySDK(t, "GET", "/photos/k", nil)
	parts := strings.Split(presigned.RawQuery, "&")
	slices.Reverse(parts)
	presigned.RawQuery = strings.Join(parts, "&")
	if err := verify(presigned, noon, owner); err != nil {
		t.Errorf("a query in reverse: %v", err)
	}
}
