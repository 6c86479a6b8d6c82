package sigv4

import (
	"bytes"
	"encoding/hex"
	"encoding/xml"
	"errors"

	"slices"
	"strings"
	"testing"
	"time"

	"osp/go/callbacks"
	"osp/go/s3err"
	"osp/go/secret"
)

// explained are the elements of an error's answer.
func explained(t *testing.T, err error) map[string]string {
	t.Helper()
	var root struct {
		Elements []struct {
			XMLName xml.Name
			Text    string `xml:",chardata"`
		} `xml:",any"`
	}
	if err := xml.Unmarshal(s3err.From(err).XML("/b/k", "ID"), &root); err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, e := range root.Elements {
		all[e.XMLName.Local] = e.Text
	}
	return all
}

func TestAWrongSignatureIsExplainedByWhatTheClientSent(t *testing.T) {
	r := signedByHeader(t, "GET", "/b/k?x=1", map[string]string{"X-Amz-Meta-A": "b"})
	err := verify(r, noon, callbacks.Secret{Key: secret.NewText("another")})
	got := explained(t, err)
	if got["Code"] != "SignatureDoesNotMatch" || got["AWSAccessKeyId"] != "AKID" {
		t.Errorf("got %v", got)
	}
	_, provided, _ := strings.Cut(r.Header.Get("Authorization"), "Signature=")
	if got["SignatureProvided"] != provided || !strings.HasPrefix(got["StringToSign"], "AWS4-HMAC-SHA256\n20260301T120000Z\n20260301/eu-west-1/s3/aws4_request\n") {
		t.Errorf("got %v", got)
	}
	if !strings.HasPrefix(got["CanonicalRequest"], "GET\n/b/k\nx=1\n") || !strings.Contains(got["CanonicalRequest"], "\nx-amz-meta-a:b\n") {
		t.Errorf("got %v", got)
	}
	if strings.Contains(err.Error(), provided) || strings.Contains(err.Error(), "x-amz-meta-a") {
		t.Errorf("the log would say %v", err)
	}
}

func TestAnExplanationHasNoSessionToken(t *testing.T) {
	const token = "session+token/of=="
	stranger := callbacks.Secret{Key: secret.NewText("another"), SessionToken: secret.NewText(token)}
	for name, r := range map[string]*Request{
		"header": signedByHeader(t, "GET", "/b/k", map[string]string{"X-Amz-Security-Token": token}),
		"query":  presignedBySDK(t, "GET", "/b/k?X-Amz-Security-Token=session%2Btoken%2Fof%3D%3D", nil),
	} {
		got := explained(t, verify(r, noon, stranger))
		if got["Code"] != "SignatureDoesNotMatch" || !strings.Contains(got["CanonicalRequest"], "SESSION-TOKEN") {
			t.Errorf("%s: %v", name, got)
		}
		for element, text := range got {
			if strings.Contains(text, token) || strings.Contains(text, "session%2Btoken") {
				t.Errorf("%s: %s is %q", name, element, text)
			}
		}
	}
}

func TestAClockThatIsOffIsExplained(t *testing.T) {
	got := explained(t, verify(signedByHeader(t, "GET", "/b/k", nil), noon.Add(time.Hour), owner))
	if got["Code"] != "RequestTimeTooSkewed" || got["RequestTime"] != "20260301T120000Z" || got["ServerTime"] != "2026-03-01T13:00:00Z" || got["MaxAllowedSkewMilliseconds"] != "900000" {
		t.Errorf("got %v", got)
	}
}

func TestHeadersThatNobodySignedAreNamed(t *testing.T) {
	r := signedByHeader(t, "PUT", "/b/k", nil)
	r.Header.Set("X-Amz-Tagging", "a=b")
	r.Header.Set("X-Amz-Acl", "private")
	if got := explained(t, verify(r, noon, owner)); got["Code"] != "AccessDenied" || got["HeadersNotSigned"] != "x-amz-acl, x-amz-tagging" {
		t.Errorf("got %v", got)
	}
}

// aws-sdk-cpp signed it until 1.11.489.
func TestASignedTransferEncodingIsVerifiedAsItCame(t *testing.T) {
	r := signedByHeader(t, "PUT", "/b/k", map[string]string{"Transfer-Coding": "chunked"})
	s, err := Parse(r)
	if err != nil {
		t.Fatal(err)
	}
	// The SDK's signer leaves the field out, so it is signed by hand.
	names := append(slices.Clone(s.signed), "transfer-encoding")
	slices.Sort(names)
	names = slices.DeleteFunc(names, func(name string) bool { return name == "transfer-coding" })
	r.Header.Del("Transfer-Coding")
	before, _, _ := strings.Cut(r.Header.Get("Authorization"), "SignedHeaders=")
	sign := func(encoding []string) *Request {
		signed := *r
		signed.Header, signed.TransferEncoding = r.Header.Clone(), encoding
		draft := before + "SignedHeaders=" + strings.Join(names, ";") + ", Signature=" + strings.Repeat("0", 64)
		signed.Header.Set("Authorization", draft)
		s, err := Parse(&signed)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(s.canonical, []byte("\ntransfer-encoding:"+strings.Join(encoding, ",")+"\n")) {
			t.Errorf("canonical request: %s", s.canonical)
		}
		sum := s.signature4(at(noon).keys.get(owner.Key, s.cred), s.canonical)
		signed.Header.Set("Authorization", strings.Replace(draft, strings.Repeat("0", 64), hex.EncodeToString(sum[:]), 1))
		return &signed
	}
	for _, encoding := range [][]string{{"chunked"}, {"Chunked"}} {
		if err := verify(sign(encoding), noon, owner); err != nil {
			t.Errorf("%v: %v", encoding, err)
		}
	}
	stripped := sign([]string{"chunked"})
	stripped.TransferEncoding = nil
	if err := verify(stripped, noon, owner); !errors.Is(err, s3err.SignatureDoesNotMatch) {
		t.Errorf("one that does not come is taken for signed: %v", err)
	}
}
