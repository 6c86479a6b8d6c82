package payload

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"osp/go/s3err"
)

// chain is the client's side and the oracle of the chunk signatures, straight
// from AWS's description: sigv4-streaming.html, sigv4-streaming-trailers.html.
type chain struct {
	key      []byte
	previous string
}

// newChain derives the signing key of AWS's examples.
func newChain(seed string) *chain {
	key := []byte("AWS4" + "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
	for _, part := range []string{"20130524", "us-east-1", "s3", "aws4_request"} {
		key = mac(key, part)
	}
	return &chain{key, seed}
}

func mac(key []byte, text string) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(text))
	return m.Sum(nil)
}

func (c *chain) sign(lines ...string) string {
	head := []string{lines[0], "20130524T000000Z", "20130524/us-east-1/s3/aws4_request", c.previous}
	c.previous = hex.EncodeToString(mac(c.key, strings.Join(append(head, lines[1:]...), "\n")))
	return c.previous
}

func (c *chain) signChunk(sum [32]byte) string {
	empty := sha256.Sum256(nil)
	return c.sign("AWS4-HMAC-SHA256-PAYLOAD", hex.EncodeToString(empty[:]), hex.EncodeToString(sum[:]))
}

func (c *chain) signTrailer(sum [32]byte) string {
	return c.sign("AWS4-HMAC-SHA256-TRAILER", hex.EncodeToString(sum[:]))
}

// Chunk implements ChunkSignatures.
func (c *chain) Chunk(sum [32]byte, signature string) error {
	return compare(c.signChunk(sum), signature)
}

// Trailer implements ChunkSignatures.
func (c *chain) Trailer(sum [32]byte, signature string) error {
	return compare(c.signTrailer(sum), signature)
}

func compare(want, got string) error {
	if want != got {
		return s3err.SignatureDoesNotMatch
	}
	return nil
}

// Signatures that AWS publishes for 65 KiB of the letter a in chunks of 64 KiB.
const (
	plainSeed   = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"
	trailerSeed = "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e"
)

func TestAWSExampleOfAChunkedUploadVerifies(t *testing.T) {
	body := "10000;chunk-signature=ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648\r\n" +
		strings.Repeat("a", 65536) + "\r\n" +
		"400;chunk-signature=0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497\r\n" +
		strings.Repeat("a", 1024) + "\r\n" +
		"0;chunk-signature=b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9\r\n\r\n"
	if len(body) != 66824 { // the Content-Length that AWS gives
		t.Fatalf("the example has %d bytes", len(body))
	}
	r := openStream(t, StreamingSigned, body, 66560, "", newChain(plainSeed))
	if got, err := io.ReadAll(r); err != nil || string(got) != strings.Repeat("a", 66560) {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
	if r.Trailer() != nil {
		t.Errorf("a trailer out of nowhere: %v", r.Trailer())
	}
}

func TestAWSExampleWithATrailerVerifies(t *testing.T) {
	body := awsTrailerExample("\r\n")
	r := openStream(t, StreamingSignedTrailer, body, 66560, "x-amz-checksum-crc32c", newChain(trailerSeed))
	if got, err := io.ReadAll(r); err != nil || string(got) != strings.Repeat("a", 66560) {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
	if got := r.Trailer().Get("x-amz-checksum-crc32c"); got != "sOO8/Q==" {
		t.Errorf("trailer %q", got)
	}
}

func awsTrailerExample(trailerEnd string) string {
	return "10000;chunk-signature=b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2\r\n" +
		strings.Repeat("a", 65536) + "\r\n" +
		"400;chunk-signature=1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7\r\n" +
		strings.Repeat("a", 1024) + "\r\n" +
		"0;chunk-signature=2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992\r\n" +
		"x-amz-checksum-crc32c:sOO8/Q==" + trailerEnd +
		"x-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n"
}

// openStream declares a streaming body as an SDK does and opens it.
func openStream(t testing.TB, kind Kind, body string, decoded int, trailer string, sigs ChunkSignatures) *Reader {
	t.Helper()
	return NewReader(strings.NewReader(body), streamSpec(t, kind, len(body), decoded, trailer), sigs)
}

func streamSpec(t testing.TB, kind Kind, encoded, decoded int, trailer string) *Spec {
	t.Helper()
	h := http.Header{}
	h.Set("Content-Encoding", "aws-chunked")
	h.Set("X-Amz-Decoded-Content-Length", strconv.Itoa(decoded))
	if trailer != "" {
		h.Set("X-Amz-Trailer", trailer)
	}
	spec, err := Parse(Declaration{Header: h, ContentLength: int64(encoded), Kind: kind})
	if err != nil {
		t.Fatalf("Parse: %v", err)
	}
	return spec
}
