package payload

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"strings"
	"testing"
)

const (
	benchChunk  = 64 << 10
	emptySHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
)

// bodies are 1 MiB in each way in which a client may protect it, as SDKs frame
// it.
func bodies() map[string]stream {
	chunks := make([]string, 16)
	for i := range chunks {
		chunks[i] = strings.Repeat("x", benchChunk)
	}
	return map[string]stream{
		"unsigned":                     {kind: Unsigned, chunks: chunks},
		"hashed":                       {kind: Hashed, chunks: chunks},
		"signed chunks":                {kind: StreamingSigned, chunks: chunks},
		"signed chunks with a trailer": {kind: StreamingSignedTrailer, chunks: chunks, trailer: CRC64NVME},
		"unsigned trailer":             {kind: StreamingUnsignedTrailer, chunks: chunks, trailer: CRC32},
	}
}

func BenchmarkReader(b *testing.B) {
	for name, s := range bodies() {
		encoded, spec := s.payload(), (*Spec)(nil)
		if s.kind.Streaming() {
			encoded = s.encode()
			spec = s.spec(b, encoded)
		} else {
			sum := sha256.Sum256([]byte(encoded))
			spec = parseOrFail(b, Declaration{Kind: s.kind, ContentLength: int64(len(encoded)), SHA256: hex.EncodeToString(sum[:])})
		}
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(s.payload())))
			b.ReportAllocs()
			buffer := make([]byte, 64<<10)
			for b.Loop() {
				body := NewReader(onlyReader{strings.NewReader(encoded)}, spec, accepting{})
				if _, err := io.CopyBuffer(onlyWriter{io.Discard}, body, buffer); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkNoBody is what a GET costs.
func BenchmarkNoBody(b *testing.B) {
	d := Declaration{Kind: Hashed, SHA256: emptySHA256, Header: http.Header{
		"Authorization": {"AWS4-HMAC-SHA256 ..."}, "X-Amz-Date": {"20260301T120000Z"}, "X-Amz-Content-Sha256": {emptySHA256},
		"User-Agent": {"Boto3/1.40"}, "Accept-Encoding": {"identity"}, "Amz-Sdk-Invocation-Id": {"1"}, "Amz-Sdk-Request": {"attempt=1"},
	}}
	b.ReportAllocs()
	for b.Loop() {
		spec, err := Parse(d)
		if err != nil {
			b.Fatal(err)
		}
		if err := NewReader(http.NoBody, spec, nil).VerifyEmpty(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReframe(b *testing.B) {
	s := bodies()["unsigned trailer"]
	encoded := s.encode()
	spec := s.spec(b, encoded)
	buffer := make([]byte, 64<<10)
	b.SetBytes(int64(len(s.payload())))
	b.ReportAllocs()
	for b.Loop() {
		body := Reframe(NewReader(onlyReader{strings.NewReader(encoded)}, spec, nil))
		if _, err := io.CopyBuffer(onlyWriter{io.Discard}, body, buffer); err != nil {
			b.Fatal(err)
		}
	}
}

func parseOrFail(t testing.TB, d Declaration) *Spec {
	t.Helper()
	spec, err := Parse(d)
	if err != nil {
		t.Fatal(err)
	}
	return spec
}

// accepting stands in for the signatures: what they cost is measured in sigv4.
type accepting struct{}

func (accepting) Chunk([32]byte, string) error   { return nil }
func (accepting) Trailer([32]byte, string) error { return nil }

// A connection has none of the shortcuts that io.Copy finds in strings and in
// io.Discard.
type (
	onlyReader struct{ io.Reader }
	onlyWriter struct{ io.Writer }
)
