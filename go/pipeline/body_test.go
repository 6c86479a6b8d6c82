package pipeline

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"osp/go/callbacks"
	"osp/go/pipeline/pipelinetest"
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
	a := r.Do(r.Signed("PUT", "/photos/k", unsignedTrailer(body, crc32.ChecksumIEEE([]byte(body))), trailerHeaders(body)...))
	if a.StatusCode != 200 {
		t.Fatalf("got %d %s", a.StatusCode, a.Content)
	}
	got := r.Store.Only(t)
	if got.Header.Get("X-Amz-Trailer") != "x-amz-checksum-crc32" || got.Header.Get("X-Amz-Decoded-Content-Length") != strconv.Itoa(len(body)) {
		t.Errorf("the store saw %v", got.Header)
	}
	if got.Length != int64(len(got.Body)) || !bytes.Contains(got.Body, []byte("x-amz-checksum-crc32:")) {
		t.Errorf("the store saw %d bytes, told %d", len(got.Body), got.Length)
	}
}

func TestATrailerIsVerifiedAndDroppedWhereTheStoreDoesNotTakeIt(t *testing.T) {
	r := start(t, callbacks.Set{}, nil)
	r.Config.Stores.Buckets.Find("photos").VerifyChecksums = true
	header := append(trailerHeaders("data"), "Content-Encoding", "gzip")
	a := r.Do(r.Signed("PUT", "/photos/k", unsignedTrailer("data", crc32.ChecksumIEEE([]byte("data"))), header...))
	if a.StatusCode != 200 {
		t.Fatalf("got %d %s", a.StatusCode, a.Content)
	}
	got := r.Store.Only(t)
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
	r.T.Helper()
	req := r.Signed("PUT", "/photos/k", "", "X-Amz-Content-Sha256", streamingSigned, "X-Amz-Decoded-Content-Length", strconv.Itoa(len(body)))
	framed := r.Request("PUT", "/photos/k", change(signedChunks(body, req)))
	framed.Header = req.Header
	return framed
}

func TestSignedChunksAreVerified(t *testing.T) {
	r := start(t, callbacks.Set{}, nil)
	body := strings.Repeat("chunk", 100_000)
	if a := r.Do(r.chunked(body, func(s string) string { return s })); a.StatusCode != 200 {
		t.Fatalf("got %d %s", a.StatusCode, a.Content)
	}
	if got := r.Store.Only(t); string(got.Body) != body || got.Header.Get("X-Amz-Decoded-Content-Length") != "" {
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
			req := r.Signed("PUT", "/photos/k", long)
			altered := r.Request("PUT", "/photos/k", long[1:]+"y")
			altered.Header = req.Header
			return altered
		}, 400, "XAmzContentSHA256Mismatch"},
		{"a wrong trailing checksum", func(r *rig) *http.Request {
			return r.Signed("PUT", "/photos/k", unsignedTrailer(long, crc+1), trailerHeaders(long)...)
		}, 400, "BadDigest"},
		{"a wrong Content-MD5", func(r *rig) *http.Request {
			return r.Signed("PUT", "/photos/k", long, "Content-Md5", "AAAAAAAAAAAAAAAAAAAAAA==")
		}, 400, "BadDigest"},
		{"a wrong checksum header", func(r *rig) *http.Request {
			return r.Signed("PUT", "/photos/k", long, "X-Amz-Checksum-Crc32", "AAAAAA==")
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
			return r.Signed("PUT", "/photos/k", long, "X-Amz-Content-Sha256", "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD", "X-Amz-Decoded-Content-Length", "300000")
		}, 501, "NotImplemented"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := start(t, callbacks.Set{}, nil)
			r.Refuses(c.make(r), c.status, c.code)
		})
	}
}

func TestWithoutSignaturesLengthsAndChecksumsStillCount(t *testing.T) {
	r := start(t, callbacks.Set{}, settings{"skip_signature_validation": true})
	good := r.Signed("PUT", "/photos/k", unsignedTrailer("data", crc32.ChecksumIEEE([]byte("data"))), trailerHeaders("data")...)
	good.Header.Set("Authorization", strings.Replace(good.Header.Get("Authorization"), "Signature=", "Signature=0000", 1)[:len(good.Header.Get("Authorization"))])
	if a := r.Do(good); a.StatusCode != 200 {
		t.Errorf("got %d %s", a.StatusCode, a.Content)
	}
	bad := r.Do(r.Signed("PUT", "/photos/bad", unsignedTrailer("data", 1), trailerHeaders("data")...))
	if bad.StatusCode != 400 || bad.Code() != "BadDigest" {
		t.Errorf("got %d %s", bad.StatusCode, bad.Content)
	}
	for _, got := range r.Store.Requests() {
		if got.Complete && got.Target != "/photos/k" {
			t.Errorf("%s was stored", got.Target)
		}
	}
}

func TestABodyWithAHashOfItsOwnIsAnOrdinaryOne(t *testing.T) {
	r := start(t, callbacks.Set{}, nil)
	if a := r.Do(r.Signed("PUT", "/photos/k", "content", "Content-Encoding", "aws-chunked,gzip")); a.StatusCode != 200 {
		t.Fatalf("got %d %s", a.StatusCode, a.Content)
	}
	if seen := r.Store.Only(t); string(seen.Body) != "content" || seen.Header.Get("Content-Encoding") != "gzip" {
		t.Errorf("the store saw %q, %s", seen.Body, seen.Header)
	}
	r.Store = pipelinetest.NewStore(t) // that nothing goes to
	r.Refuses(r.Signed("PUT", "/photos/k", "content", "Content-Encoding", "aws-chunked", "X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD"), 400, "InvalidRequest")
}

// inChunks makes a request with the signature of one body, and another or the
// same one that comes without a length.
func (r *rig) inChunks(method, target, signed, sent string) *http.Request {
	req := r.Request(method, target, "")
	req.ContentLength, req.Body = -1, io.NopCloser(strings.NewReader(sent))
	return r.Sign(req, signed)
}

func TestADocumentMayComeWithoutALength(t *testing.T) {
	r := start(t, callbacks.Set{}, nil)
	const document, list = "<Tagging/>", "<Delete><Object><Key>k</Key></Object></Delete>"
	for target, body := range map[string]string{"PUT /photos/k?tagging": document, "POST /photos/k?uploadId=u": document, "POST /photos?delete": list} {
		method, path, _ := strings.Cut(target, " ")
		before := len(r.Store.Requests())
		if a := r.Do(r.inChunks(method, path, body, body)); a.StatusCode != 200 {
			t.Errorf("%s: %d %s", target, a.StatusCode, a.Content)
			continue
		}
		seen := r.Store.Requests()[before]
		if body == document && string(seen.Body) != body || seen.Length != int64(len(seen.Body)) {
			t.Errorf("%s: the store saw %d bytes, %q", target, seen.Length, seen.Body)
		}
	}
	r.Store = pipelinetest.NewStore(t) // that nothing goes to
	r.Refuses(r.inChunks("PUT", "/photos/k?tagging", document, "<Other/>"), 400, "XAmzContentSHA256Mismatch")
	r.Refuses(r.inChunks("PUT", "/photos/k", document, document), 411, "MissingContentLength")
	r.Refuses(r.inChunks("PUT", "/photos/k?acl", document, strings.Repeat("x", maxDocument+1)), 400, "MaxMessageLengthExceeded")
}
