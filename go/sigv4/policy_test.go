package sigv4

import (
	"encoding/base64"
	"encoding/hex"
	"testing"
	"time"

	"osp/go/s3err"
)

const formCredential = "AKID/20260301/eu-west-1/s3/aws4_request"

// formFields makes a signed form out of a policy document.
func formFields(document string, more ...Field) []Field {
	return signedPolicy(base64.StdEncoding.EncodeToString([]byte(document)), more...)
}

func signedPolicy(encoded string, more ...Field) []Field {
	cred, err := parseCredential(formCredential, S3, refuseForm)
	if err != nil {
		panic(err)
	}
	key := deriveKey(owner.Key, cred)
	signature := sign(key[:], []byte(encoded))
	return append([]Field{
		{"key", "up/cat.jpg"}, {"policy", encoded}, {"x-amz-algorithm", algorithm}, {"x-amz-credential", formCredential},
		{"x-amz-date", "20260301T120000Z"}, {"x-amz-signature", hex.EncodeToString(signature[:])},
	}, more...)
}

// policyWith is a policy that covers the fields of every form, and more.
func policyWith(conditions string) string {
	return `{"expiration": "2026-03-01T13:00:00.000Z", "conditions": [{"bucket": "photos"}, ["starts-with", "$key", "up/"],
		{"x-amz-credential": "` + formCredential + `"}, {"x-amz-algorithm": "AWS4-HMAC-SHA256"}, ["eq", "$x-amz-date", "20260301T120000Z"]` + conditions + `]}`
}

func verifyForm(fields []Field, now time.Time) (*VerifiedRequest, error) {
	s, err := ParsePostPolicy("photos", fields)
	if err != nil {
		return nil, err
	}
	return at(now).Verify(s, owner)
}

func TestAFormThatKeepsToItsPolicyVerifies(t *testing.T) {
	fields := formFields(policyWith(`, {"acl": "private"}, ["starts-with", "$Content-Type", "image/"], ["content-length-range", 1, "10"], ["content-length-range", 2, 20]`),
		Field{"acl", "private"}, Field{"content-type", "image/png,image/jpeg"}, Field{"x-ignore-this", "anything"})
	v, err := verifyForm(fields, noon)
	if err != nil {
		t.Fatal(err)
	}
	least, most, limited := v.ContentLengthRange()
	if v.Mechanism() != InForm || v.AccessKey() != "AKID" || !limited || least != 2 || most != 10 || !v.ExpiresAt().Equal(noon.Add(time.Hour)) {
		t.Errorf("got %v, %d to %d, until %v", v, least, most, v.ExpiresAt())
	}
}

func TestAFormThatDoesNotIsRefused(t *testing.T) {
	good := policyWith("")
	for _, c := range []struct {
		name   string
		fields []Field
		want   *s3err.Error
	}{
		{"a field that no condition covers", formFields(good, Field{"acl", "private"}), s3err.AccessDenied},
		{"another value than the condition's", formFields(policyWith(`, {"acl": "private"}`), Field{"acl", "public-read"}), s3err.AccessDenied},
		{"a field that the form lacks", formFields(policyWith(`, ["starts-with", "$acl", ""]`)), s3err.AccessDenied},
		{"another beginning", formFields(policyWith(`, ["starts-with", "$x-amz-meta-a", "b"]`), Field{"x-amz-meta-a", "ab"}), s3err.AccessDenied},
		{"one type of several that does not fit", formFields(policyWith(`, ["starts-with", "$content-type", "image/"]`), Field{"content-type", "image/png, text/html"}), s3err.AccessDenied},
		{"another bucket in the form", formFields(good, Field{"bucket", "other"}), s3err.AccessDenied},
		{"a key twice", formFields(good, Field{"key", "up/2"}), s3err.InvalidArgument},
		{"a policy twice", formFields(good, Field{"x-amz-credential", formCredential}), s3err.InvalidArgument},
		{"version 2", formFields(good, Field{"awsaccesskeyid", "AKID"}), s3err.InvalidRequest},
		{"no form of S3", []Field{{"name", "value"}}, s3err.AccessDenied},
		{"no Base64", signedPolicy("{}"), s3err.InvalidPolicyDocument},
		{"no JSON", formFields(`{`), s3err.InvalidPolicyDocument},
		{"no expiration", formFields(`{"conditions": []}`), s3err.InvalidPolicyDocument},
		{"no conditions", formFields(`{"expiration": "2026-03-01T13:00:00Z"}`), s3err.InvalidPolicyDocument},
		{"null conditions", formFields(`{"expiration": "2026-03-01T13:00:00Z", "conditions": null}`), s3err.InvalidPolicyDocument},
		{"an unknown member", formFields(`{"expiration": "2026-03-01T13:00:00Z", "conditions": [], "x": 1}`), s3err.InvalidPolicyDocument},
		{"an unknown operation", formFields(policyWith(`, ["matches", "$acl", "x"]`)), s3err.InvalidPolicyDocument},
		{"too few arguments", formFields(policyWith(`, ["eq", "$acl"]`)), s3err.InvalidPolicyDocument},
		{"a name without dollar", formFields(policyWith(`, ["eq", "acl", "x"]`)), s3err.InvalidPolicyDocument},
		{"a range upside down", formFields(policyWith(`, ["content-length-range", 2, 1]`)), s3err.InvalidPolicyDocument},
		{"a negative range", formFields(policyWith(`, ["content-length-range", -1, 1]`)), s3err.InvalidPolicyDocument},
		{"two properties in one", formFields(policyWith(`, {"a": "b", "c": "d"}`)), s3err.InvalidPolicyDocument},
		{"a number for a string", formFields(policyWith(`, {"acl": 1}`)), s3err.InvalidPolicyDocument},
		{"a condition that is none", formFields(policyWith(`, "acl"`)), s3err.InvalidPolicyDocument},
	} {
		if _, err := verifyForm(c.fields, noon); !isCode(err, c.want) {
			t.Errorf("%s: got %v, want %s", c.name, err, c.want.Code)
		}
	}
}

func TestOneMutationOfASignedForm(t *testing.T) {
	for name, c := range map[string]struct {
		field, value string
		want         *s3err.Error
	}{
		"another key":                {"key", "elsewhere", s3err.AccessDenied},
		"an empty key":               {"key", "", s3err.InvalidArgument},
		"another policy":             {"policy", base64.StdEncoding.EncodeToString([]byte(policyWith(`, {"acl": "x"}`))), s3err.SignatureDoesNotMatch},
		"no Base64":                  {"policy", "{}", s3err.SignatureDoesNotMatch},
		"a policy that is no JSON":   {"policy", base64.StdEncoding.EncodeToString([]byte("{")), s3err.SignatureDoesNotMatch},
		"another signature":          {"x-amz-signature", "00", s3err.SignatureDoesNotMatch},
		"another day":                {"x-amz-date", "20260302T120000Z", s3err.InvalidArgument},
		"another region":             {"x-amz-credential", "AKID/20260301/eu-west-2/s3/aws4_request", s3err.SignatureDoesNotMatch},
		"another service":            {"x-amz-credential", "AKID/20260301/eu-west-1/ec2/aws4_request", s3err.InvalidArgument},
		"another algorithm":          {"x-amz-algorithm", "AWS4-HMAC-SHA1", s3err.InvalidArgument},
		"the algorithm of SigV4A":    {"x-amz-algorithm", algorithmECDSA, s3err.NotImplemented},
		"a date that is no date":     {"x-amz-date", "today", s3err.InvalidArgument},
		"a credential without scope": {"x-amz-credential", "AKID", s3err.InvalidArgument},
	} {
		fields := formFields(policyWith(""))
		for i := range fields {
			if fields[i].Name == c.field {
				fields[i].Value = c.value
			}
		}
		if _, err := verifyForm(fields, noon); !isCode(err, c.want) {
			t.Errorf("%s: got %v, want %s", name, err, c.want.Code)
		}
	}
	if _, err := verifyForm(formFields(policyWith("")), noon.Add(2*time.Hour)); !isCode(err, s3err.AccessDenied) {
		t.Errorf("expired: %v", err)
	}
}
