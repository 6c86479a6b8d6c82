package sigv4

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"osp/go/callbacks"
	"osp/go/s3err"
	"osp/go/secret"
)

// vectorFile is a file of AWS's published examples in tests/vectors.
type vectorFile struct {
	AccessKey string `json:"access_key"`
	SecretKey string `json:"secret_key"`
	Time      string
	Vectors   []vector
}

type vector struct {
	Name, Method, Path, Query, Host, Payload string

	Headers [][2]string
	Chunks  []struct {
		Byte      string
		Length    int
		Signature string
	}
	Trailer *struct{ Canonical, Signature string }
}

func readVectors(t testing.TB, name string) vectorFile {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("..", "..", "tests", "vectors", name))
	if err != nil {
		t.Fatal(err)
	}
	var f vectorFile
	if err := json.Unmarshal(raw, &f); err != nil {
		t.Fatal(err)
	}
	if len(f.Vectors) == 0 {
		t.Fatalf("%s holds no vectors", name)
	}
	return f
}

func (v vector) request() *Request {
	r := &Request{Method: v.Method, RawPath: v.Path, RawQuery: v.Query, Hosts: []string{v.Host}, Header: http.Header{}}
	for _, h := range v.Headers {
		r.Header.Add(h[0], h[1])
	}
	return r
}

var payloadNames = map[string]PayloadKind{
	"hashed": Hashed, "unsigned": Unsigned,
	"streaming-signed": StreamingSigned, "streaming-signed-trailer": StreamingSignedTrailer,
}

func TestPublishedExamplesOfAWSVerify(t *testing.T) {
	for _, name := range []string{"header.json", "presigned.json", "streaming.json"} {
		f := readVectors(t, name)
		now, ok := parseBasicTime(f.Time)
		if !ok {
			t.Fatalf("%s: time %q", name, f.Time)
		}
		for _, v := range f.Vectors {
			t.Run(v.Name, func(t *testing.T) {
				verifier := New(Options{Now: func() time.Time { return now }})
				s, err := Parse(v.request())
				if err != nil {
					t.Fatal(err)
				}
				r, err := verifier.Verify(s, callbacks.Secret{Key: secret.NewText(f.SecretKey)})
				if err != nil {
					t.Fatalf("%v\n%s", err, s.canonical)
				}
				if !r.Verified() || r.AccessKey() != f.AccessKey || r.Region() != "us-east-1" || r.Payload().Kind != payloadNames[v.Payload] {
					t.Errorf("got %q %q %v", r.AccessKey(), r.Region(), r.Payload())
				}
				checkChunks(t, v, r.Chunks())
			})
		}
	}
}

func checkChunks(t *testing.T, v vector, c *ChunkVerifier) {
	t.Helper()
	if (c != nil) != (len(v.Chunks) > 0) {
		t.Fatalf("the chain is %v for %d chunks", c, len(v.Chunks))
	}
	for i, chunk := range v.Chunks {
		if err := c.Chunk(sha256.Sum256([]byte(strings.Repeat(chunk.Byte, chunk.Length))), chunk.Signature); err != nil {
			t.Fatalf("chunk %d: %v", i, err)
		}
	}
	if v.Trailer != nil {
		if err := c.Trailer(sha256.Sum256([]byte(v.Trailer.Canonical)), v.Trailer.Signature); err != nil {
			t.Fatalf("trailer: %v", err)
		}
	}
}

// chunkedExample returns the chain of the example with a trailer.
func chunkedExample(t testing.TB) (vector, *ChunkVerifier) {
	t.Helper()
	f := readVectors(t, "streaming.json")
	now, _ := parseBasicTime(f.Time)
	v := f.Vectors[1]
	s, err := Parse(v.request())
	if err != nil {
		t.Fatal(err)
	}
	r, err := New(Options{Now: func() time.Time { return now }}).Verify(s, callbacks.Secret{Key: secret.NewText(f.SecretKey)})
	if err != nil {
		t.Fatal(err)
	}
	return v, r.Chunks()
}

func TestChunkChainRefuses(t *testing.T) {
	sum := func(v vector, i int) [32]byte {
		return sha256.Sum256(bytes.Repeat([]byte("a"), v.Chunks[i].Length))
	}
	cases := map[string]func(v vector, c *ChunkVerifier) error{
		"other data": func(v vector, c *ChunkVerifier) error {
			return c.Chunk(sha256.Sum256([]byte("b")), v.Chunks[0].Signature)
		},
		"an altered signature": func(v vector, c *ChunkVerifier) error {
			return c.Chunk(sum(v, 0), "0"+v.Chunks[0].Signature[1:])
		},
		"an empty signature": func(v vector, c *ChunkVerifier) error { return c.Chunk(sum(v, 0), "") },
		"an upper-case signature": func(v vector, c *ChunkVerifier) error {
			return c.Chunk(sum(v, 0), strings.ToUpper(v.Chunks[0].Signature))
		},
		"a chunk left out": func(v vector, c *ChunkVerifier) error { return c.Chunk(sum(v, 1), v.Chunks[1].Signature) },
		"a chunk sent twice": func(v vector, c *ChunkVerifier) error {
			if err := c.Chunk(sum(v, 0), v.Chunks[0].Signature); err != nil {
				return nil
			}
			return c.Chunk(sum(v, 0), v.Chunks[0].Signature)
		},
		"the right chunk after a wrong one": func(v vector, c *ChunkVerifier) error {
			_ = c.Chunk(sum(v, 0), "")
			return c.Chunk(sum(v, 1), v.Chunks[1].Signature)
		},
		"a trailer before the chunks": func(v vector, c *ChunkVerifier) error {
			return c.Trailer(sha256.Sum256([]byte(v.Trailer.Canonical)), v.Trailer.Signature)
		},
		"another trailer": func(v vector, c *ChunkVerifier) error {
			for i := range v.Chunks {
				if err := c.Chunk(sum(v, i), v.Chunks[i].Signature); err != nil {
					return nil
				}
			}
			return c.Trailer(sha256.Sum256([]byte("x-amz-checksum-crc32c:AAAAAA==\n")), v.Trailer.Signature)
		},
		"a second trailer": func(v vector, c *ChunkVerifier) error {
			for i := range v.Chunks {
				if err := c.Chunk(sum(v, i), v.Chunks[i].Signature); err != nil {
					return nil
				}
			}
			trailer := sha256.Sum256([]byte(v.Trailer.Canonical))
			if err := c.Trailer(trailer, v.Trailer.Signature); err != nil {
				return nil
			}
			return c.Trailer(trailer, string(c.previous[:]))
		},
	}
	for name, attack := range cases {
		t.Run(name, func(t *testing.T) {
			v, c := chunkedExample(t)
			if err := attack(v, c); !isCode(err, s3err.SignatureDoesNotMatch) {
				t.Errorf("got %v", err)
			}
		})
	}
}
