package sigv4

import (
	"crypto/sha256"
	"strconv"
	"testing"

	"osp/go/callbacks"
	"osp/go/secret"
)

// clientHeader is what an SDK sends with a GET.
var clientHeader = map[string]string{
	"User-Agent": "Boto3/1.40 md/Botocore ua/2.1", "Accept-Encoding": "identity",
	"Amz-Sdk-Invocation-Id": "0c1f6ab0", "Amz-Sdk-Request": "attempt=1", "X-Amz-Content-Sha256": emptySHA256,
}

// requests are the carriers of a signature, each as a warm request has it.
func requests(b *testing.B) map[string]*Request {
	return map[string]*Request{
		"header":    signedByHeader(b, "GET", "/photos/2026/03/01/0001.jpg", clientHeader),
		"presigned": presignedBySDK(b, "GET", "/photos/2026/03/01/0001.jpg", nil),
	}
}

func BenchmarkParse(b *testing.B) {
	for name, r := range requests(b) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Parse(r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkVerify(b *testing.B) {
	for name, r := range requests(b) {
		s, err := Parse(r)
		if err != nil {
			b.Fatal(err)
		}
		verifier := at(noon)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := verifier.Verify(s, owner); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("a new key", func(b *testing.B) {
		s, err := Parse(requests(b)["header"])
		if err != nil {
			b.Fatal(err)
		}
		verifier := at(noon)
		b.ReportAllocs()
		for n := 0; b.Loop(); n++ {
			if _, err := verifier.Verify(s, callbacks.Secret{Key: secret.NewText(strconv.Itoa(n))}); err == nil {
				b.Fatal("another key passed")
			}
		}
	})
}

// An unknown key must take as long as a known one: compare with BenchmarkVerify.
func BenchmarkReject(b *testing.B) {
	s, err := Parse(requests(b)["header"])
	if err != nil {
		b.Fatal(err)
	}
	verifier := at(noon)
	b.ReportAllocs()
	for b.Loop() {
		if verifier.Reject(s) == nil {
			b.Fatal("an unknown key passed")
		}
	}
}

func BenchmarkChunk(b *testing.B) {
	v, c := chunkedExample(b)
	sum := sha256.Sum256([]byte(v.Name))
	b.ReportAllocs()
	for b.Loop() {
		_ = c.Chunk(sum, v.Chunks[0].Signature) // it does not match, which takes as long
	}
}
