package payload

import (
	"encoding/base64"
	"io"
	"net/http"
	"strings"
	"testing"
)

// The published check values of the CRCs, and digests of the same nine digits.
var checkValues = map[Algorithm]string{
	CRC32:     "y/Q5Jg==",
	CRC32C:    "4waSgw==",
	CRC64NVME: "rosUhgp5mIg=",
	SHA1:      "98O8HYCOBHMq32eZZczDTKeuNEE=",
	SHA256:    "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU=",
	MD5:       "JfnnlDI7RTiF9RgfG2JNCw==",
}

func header(a Algorithm) string {
	if a == MD5 {
		return "Content-MD5"
	}
	return a.Header()
}

func readWith(t *testing.T, body string, headers http.Header) error {
	t.Helper()
	spec, err := Parse(Declaration{Kind: Unsigned, ContentLength: int64(len(body)), Header: headers})
	if err != nil {
		return err
	}
	_, err = io.ReadAll(NewReader(strings.NewReader(body), spec, nil))
	return err
}

func TestEveryChecksumInAHeader(t *testing.T) {
	for algorithm, value := range checkValues {
		h := http.Header{}
		h.Set(header(algorithm), value)
		if err := readWith(t, "123456789", h); err != nil {
			t.Errorf("%s: %v", header(algorithm), err)
		}
		if err := readWith(t, "123456780", h); code(err) != "BadDigest" {
			t.Errorf("%s of another body: %v", header(algorithm), err)
		}
		raw, err := base64.StdEncoding.DecodeString(value)
		if err != nil {
			t.Fatal(err)
		}
		h.Set(header(algorithm), base64.StdEncoding.EncodeToString(raw[1:]))
		if err := readWith(t, "123456789", h); code(err) != "InvalidRequest" && code(err) != "InvalidDigest" {
			t.Errorf("%s of the wrong length: %v", header(algorithm), err)
		}
	}
}

func TestSeveralDigestsAreAllVerified(t *testing.T) {
	h := http.Header{}
	h.Set("Content-MD5", checkValues[MD5])
	h.Set(SHA256.Header(), checkValues[SHA256])
	if err := readWith(t, "123456789", h); err != nil {
		t.Error(err)
	}
	h.Set("Content-MD5", base64.StdEncoding.EncodeToString(make([]byte, 16)))
	if err := readWith(t, "123456789", h); code(err) != "BadDigest" {
		t.Errorf("one of them wrong: %v", err)
	}
}

func TestEveryChecksumInATrailer(t *testing.T) {
	for algorithm, value := range checkValues {
		s := stream{kind: StreamingUnsignedTrailer, chunks: []string{"1234", "56789"}, trailer: algorithm}
		encoded := s.encode()
		if !strings.Contains(encoded, value) {
			t.Fatalf("%s is not in %q", value, encoded)
		}
		if got, err := io.ReadAll(s.open(t, strings.NewReader(encoded), encoded)); err != nil || string(got) != "123456789" {
			t.Errorf("%s: %q, %v", s.trailer.Header(), got, err)
		}
	}
}

func TestChecksumsOfAnAssembledObjectAreLeftToTheStore(t *testing.T) {
	h := http.Header{"X-Amz-Checksum-Crc32": {"AAAAAA==-3"}}
	if _, err := Parse(Declaration{Kind: Unsigned, Header: h, ObjectChecksum: true}); err != nil {
		t.Error(err)
	}
	if _, err := Parse(Declaration{Kind: Unsigned, Header: h}); err == nil {
		t.Error("a composite checksum describes no body")
	}
}
