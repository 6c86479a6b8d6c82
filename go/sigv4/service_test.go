package sigv4

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"osp/go/s3err"
)

const stsBody = "Action=GetCallerIdentity&Version=2011-06-15"

func hashOf(body string) string {
	sum := sha256.Sum256([]byte(body))
	return hex.EncodeToString(sum[:])
}

// forSTS has the SDK sign a request to STS in its header, which says no hash.
func forSTS(t *testing.T) *Request {
	t.Helper()
	r := sdkRequest(t, http.MethodPost, "/", map[string]string{"Content-Type": "application/x-www-form-urlencoded"})
	keys := aws.Credentials{AccessKeyID: "AKID", SecretAccessKey: owner.Key.Reveal()}
	if err := v4.NewSigner().SignHTTP(context.Background(), keys, r, hashOf(stsBody), "sts", "eu-west-1", noon); err != nil {
		t.Fatal(err)
	}
	got := received(r)
	got.Service, got.BodyHash = STS, hashOf(stsBody)
	return got
}

// presignedForSTS has the SDK make a presigned URL of STS that is valid for an hour.
func presignedForSTS(t *testing.T) *Request {
	t.Helper()
	r := sdkRequest(t, http.MethodGet, "/?"+stsBody+"&X-Amz-Expires=3600", nil)
	keys := aws.Credentials{AccessKeyID: "AKID", SecretAccessKey: owner.Key.Reveal()}
	signed, _, err := v4.NewSigner().PresignHTTP(context.Background(), keys, r, hashOf(""), "sts", "eu-west-1", noon)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(signed)
	if err != nil {
		t.Fatal(err)
	}
	return &Request{Service: STS, BodyHash: hashOf(""), Method: r.Method, RawPath: "/", RawQuery: u.RawQuery, Hosts: []string{r.Host}, Header: r.Header}
}

func TestASignatureForSTSCoversTheBodyThatCame(t *testing.T) {
	for _, m := range []mutation{
		{"nothing", func(*Request) {}, nil},
		{"the hash said as well", func(r *Request) { r.Header.Set("X-Amz-Content-Sha256", r.BodyHash) }, nil},
		{"another body", func(r *Request) { r.BodyHash = hashOf("Action=AssumeRole") }, s3err.SignatureDoesNotMatch},
		{"no promise about the body", func(r *Request) { r.Header.Set("X-Amz-Content-Sha256", unsignedPayload) }, s3err.InvalidArgument},
		{"another hash said", func(r *Request) { r.Header.Set("X-Amz-Content-Sha256", hashOf("")) }, s3err.InvalidArgument},
		{"chunks", func(r *Request) { r.Header.Set("X-Amz-Content-Sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER") }, s3err.InvalidArgument},
		{"the service S3", func(r *Request) { r.Service = S3 }, s3err.AuthorizationHeaderMalformed},
	} {
		r := forSTS(t)
		m.make(r)
		if err := verify(r, noon, owner); !isWanted(err, m.want) {
			t.Errorf("%s: got %v, want %v", m.name, err, m.want)
		}
	}
}

func TestAPresignedURLOfSTSIsForAQuarterOfAnHour(t *testing.T) {
	for _, c := range []struct {
		name string
		now  time.Time
		make func(*Request)
		want *s3err.Error
	}{
		{"at once", noon, func(*Request) {}, nil},
		{"in time", noon.Add(15 * time.Minute), func(*Request) {}, nil},
		{"too late", noon.Add(15*time.Minute + time.Second), func(*Request) {}, s3err.AccessDenied},
		{"with a body that came after", noon, func(r *Request) { r.BodyHash = hashOf(stsBody) }, s3err.SignatureDoesNotMatch},
		{"with a body said to be unsigned", noon, func(r *Request) {
			r.Header.Set("X-Amz-Content-Sha256", unsignedPayload)
			r.BodyHash = hashOf(stsBody)
		}, s3err.SignatureDoesNotMatch},
		{"with another hash", noon, func(r *Request) { r.Header.Set("X-Amz-Content-Sha256", hashOf(stsBody)) }, s3err.InvalidArgument},
		{"at S3", noon, func(r *Request) { r.Service = S3 }, s3err.AuthorizationQueryError},
	} {
		r := presignedForSTS(t)
		c.make(r)
		if err := verify(r, c.now, owner); !isWanted(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
	}
}

func TestASignatureForS3IsNoneForSTS(t *testing.T) {
	header := signedByHeader(t, http.MethodPost, "/", map[string]string{"X-Amz-Content-Sha256": hashOf(stsBody)})
	presigned := presignedBySDK(t, http.MethodGet, "/", nil)
	for r, want := range map[*Request]*s3err.Error{header: s3err.AuthorizationHeaderMalformed, presigned: s3err.AuthorizationQueryError} {
		if err := verify(r.clone(), noon, owner); err != nil {
			t.Fatal(err)
		}
		r.Service, r.BodyHash = STS, hashOf(stsBody)
		err := verify(r, noon, owner)
		if !isCode(err, want) || !strings.Contains(err.Error(), `This endpoint belongs to "sts"`) {
			t.Errorf("got %v, want %s", err, want.Code)
		}
	}
}

// isWanted reports whether err has the code of want, or is nil where that is.
func isWanted(err error, want *s3err.Error) bool {
	if want == nil {
		return err == nil
	}
	return isCode(err, want)
}
