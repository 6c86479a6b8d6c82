package proxy

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"osp/go/callbacks"
)

const (
	streamingSigned   = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
	streamingUnsigned = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
)

// unsignedTrailer frames a body as SDKs do over TLS: one chunk and a CRC32.
func unsignedTrailer(body string, sum uint32) string {
	crc := []byte{byte(sum >> 24), byte(sum >> 16), byte(sum >> 8), byte(sum)}
	return fmt.Sprintf("%x\r\n%s\r\n0\r\nx-amz-checksum-crc32:%s\r\n\r\n", len(body), body, base64.StdEncoding.EncodeToString(crc))
}

func trailerHeaders(body string) []string {
	return []string{
		"X-Amz-Content-Sha256", streamingUnsigned, "X-Amz-Trailer", "x-amz-checksum-crc32",
		"X-Amz-Decoded-Content-Length", strconv.Itoa(len(body)), "Content-Encoding", "aws-chunked",
	}
}

func TestATrailerIsVerifiedAndReachesTheStoreInANewFrame(t *testing.T) {
	r := start(t, callbacks.Set{}, nil)
	body := strings.Repeat("trailing ", 20_000)
	a := r.do(r.signed("PUT", "/photos/k", unsignedTrailer(body, crc32.ChecksumIEEE([]byte(body))), trailerHeaders(body)...))
	if a.StatusCode != 200 {
		t.Fatalf("got %d %s", a.StatusCode, a.body)
	}
	got := r.store.only(t)
	if got.Header.Get("X-Amz-Trailer") != "x-amz-checksum-crc32" || got.Header.Get("X-Amz-Decoded-Content-Length") != strconv.Itoa(len(body)) {
		t.Errorf("the store saw %v", got.Header)
	}
	if got.Length != int64(len(got.Body)) || !bytes.Contains(got.Body, []byte("x-amz-checksum-crc32:")) {
		t.Errorf("the store saw %d bytes, told %d", len(got.Body), got.Length)
	}
}

func TestATrailerIsVerifiedAndDroppedWhereTheStoreDoesNotTakeIt(t *testing.T) {
	r := start(t, callbacks.Set{}, nil)
	r.server.cfg.Stores.Buckets.Find("photos").VerifyChecksums = true
	header := append(trailerHeaders("data"), "Content-Encoding", "gzip")
	a := r.do(r.signed("PUT", "/photos/k", unsignedTrailer("data", crc32.ChecksumIEEE([]byte("data"))), header...))
	if a.StatusCode != 200 {
		t.Fatalf("got %d %s", a.StatusCode, a.body)
	}
	got := r.store.only(t)
	if string(got.Body) != "data" || got.Header.Get("Content-Encoding") != "gzip" || got.Header.Get("X-Amz-Trailer") != "" ||
		got.Header.Get("X-Amz-Sdk-Checksum-Algorithm") != "" {
		t.Errorf("the store saw %q with %v", got.Body, got.Header)
	}
}

// signedChunks frames a body in two chunks and signs them in a chain from the
// seed signature (sigv4-streaming.html of the S3 API reference).
func signedChunks(body string, req *http.Request) string {
	mac := func(key []byte, s string) []byte {
		h := hmac.New(sha256.New, key)
		h.Write([]byte(s))
		return h.Sum(nil)
	}
	stamp := req.Header.Get("X-Amz-Date")
	scope := stamp[:8] + "/us-east-1/s3/aws4_request"
	key := mac(mac(mac(mac([]byte("AWS4"+clientSecret), stamp[:8]), "us-east-1"), "s3"), "aws4_request")
	_, last, _ := strings.Cut(req.Header.Get("Authorization"), "Signature=")
	empty := sha256.Sum256(nil)
	var out strings.Builder
	for _, part := range []string{body[:len(body)/2], body[len(body)/2:], ""} {
		sum := sha256.Sum256([]byte(part))
		last = hex.EncodeToString(mac(key, "AWS4-HMAC-SHA256-PAYLOAD\n"+stamp+"\n"+scope+"\n"+last+"\n"+hex.EncodeToString(empty[:])+"\n"+hex.EncodeToString(sum[:])))
		fmt.Fprintf(&out, "%x;chunk-signature=%s\r\n%s\r\n", len(part), last, part)
	}
	return out.String()
}

// chunked makes a signed request whose body change may alter.
func (r *rig) chunked(body string, change func(string) string) *http.Request {
	r.t.Helper()
	req := r.signed("PUT", "/photos/k", "", "X-Amz-Content-Sha256", streamingSigned, "X-Amz-Decoded-Content-Length", strconv.Itoa(len(body)))
	framed := r.request("PUT", "/photos/k", change(signedChunks(body, req)))
	framed.Header = req.Header
	return framed
}

func TestSignedChunksAreVerified(t *testing.T) {
	r := start(t, callbacks.Set{}, nil)
	body := strings.Repeat("chunk", 100_000)
	if a := r.do(r.chunked(body, func(s string) string { return s })); a.StatusCode != 200 {
		t.Fatalf("got %d %s", a.StatusCode, a.body)
	}
	if got := r.store.only(t); string(got.Body) != body || got.Header.Get("X-Amz-Decoded-Content-Length") != "" {
		t.Errorf("the store saw %d bytes with %v", len(got.Body), got.Header)
	}
}

func TestABodyThatIsNotWhatWasSignedIsNeverStored(t *testing.T) {
	long := strings.Repeat("x", 300_000)
	crc := crc32.ChecksumIEEE([]byte(long))
	for _, c := range []struct {
		name   string
		make   func(r *rig) *http.Request
		status int
		code   string
	}{
		{"another body under the same hash", func(r *rig) *http.Request {
			req := r.signed("PUT", "/photos/k", long)
			altered := r.request("PUT", "/photos/k", long[1:]+"y")
			altered.Header = req.Header
			return altered
		}, 400, "XAmzContentSHA256Mismatch"},
		{"a wrong trailing checksum", func(r *rig) *http.Request {
			return r.signed("PUT", "/photos/k", unsignedTrailer(long, crc+1), trailerHeaders(long)...)
		}, 400, "BadDigest"},
		{"a wrong Content-MD5", func(r *rig) *http.Request {
			return r.signed("PUT", "/photos/k", long, "Content-Md5", "AAAAAAAAAAAAAAAAAAAAAA==")
		}, 400, "BadDigest"},
		{"a wrong checksum header", func(r *rig) *http.Request {
			return r.signed("PUT", "/photos/k", long, "X-Amz-Checksum-Crc32", "AAAAAA==")
		}, 400, "BadDigest"},
		{"an altered first chunk", func(r *rig) *http.Request {
			return r.chunked(long, func(s string) string { return strings.Replace(s, "xxx", "xyx", 1) })
		}, 403, "SignatureDoesNotMatch"},
		{"an altered last chunk", func(r *rig) *http.Request {
			return r.chunked(long, func(s string) string {
				i := strings.LastIndex(s, "xxx")
				return s[:i] + "y" + s[i+1:]
			})
		}, 403, "SignatureDoesNotMatch"},
		{"swapped chunk signatures", func(r *rig) *http.Request {
			return r.chunked(long, func(s string) string {
				i, j := strings.Index(s, "signature=")+10, strings.LastIndex(s, "signature=")+10
				return s[:i] + s[j:j+64] + s[i+64:j] + s[i:i+64] + s[j+64:]
			})
		}, 403, "SignatureDoesNotMatch"},
		{"no final chunk", func(r *rig) *http.Request {
			return r.chunked(long, func(s string) string { return s[:strings.LastIndex(s, "0;chunk")] })
		}, 400, "IncompleteBody"},
		{"ECDSA", func(r *rig) *http.Request {
			return r.signed("PUT", "/photos/k", long, "X-Amz-Content-Sha256", "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD", "X-Amz-Decoded-Content-Length", "300000")
		}, 501, "NotImplemented"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := start(t, callbacks.Set{}, nil)
			r.refuses(c.make(r), c.status, c.code)
		})
	}
}

func TestWithoutSignaturesLengthsAndChecksumsStillCount(t *testing.T) {
	r := start(t, callbacks.Set{}, settings{"skip_signature_validation": true})
	good := r.signed("PUT", "/photos/k", unsignedTrailer("data", crc32.ChecksumIEEE([]byte("data"))), trailerHeaders("data")...)
	good.Header.Set("Authorization", strings.Replace(good.Header.Get("Authorization"), "Signature=", "Signature=0000", 1)[:len(good.Header.Get("Authorization"))])
	if a := r.do(good); a.StatusCode != 200 {
		t.Errorf("got %d %s", a.StatusCode, a.body)
	}
	bad := r.do(r.signed("PUT", "/photos/bad", unsignedTrailer("data", 1), trailerHeaders("data")...))
	if bad.StatusCode != 400 || bad.code() != "BadDigest" {
		t.Errorf("got %d %s", bad.StatusCode, bad.body)
	}
	for _, got := range r.store.requests() {
		if got.Complete && got.Target != "/photos/k" {
			t.Errorf("%s was stored", got.Target)
		}
	}
	if !strings.Contains(r.log.String(), "NOT checked") {
		t.Error("no warning at start")
	}
}
