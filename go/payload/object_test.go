package payload

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"osp/go/s3err"
)

func TestOnlyAChecksumOfTheWholeObjectIsOneOfItsBytes(t *testing.T) {
	for name, c := range map[string]struct {
		header http.Header
		want   Checksum
		among  Algorithm
	}{
		"of the whole":             {http.Header{"X-Amz-Checksum-Crc32": {"NhCmhg=="}, "X-Amz-Checksum-Type": {"FULL_OBJECT"}}, Checksum{CRC32, "NhCmhg=="}, CRC32},
		"of which nothing is said": {http.Header{"X-Amz-Checksum-Crc32": {"NhCmhg=="}}, Checksum{CRC32, "NhCmhg=="}, CRC32},
		"composed":                 {http.Header{"X-Amz-Checksum-Crc32": {"NhCmhg=="}, "X-Amz-Checksum-Type": {"COMPOSITE"}}, Checksum{}, CRC32},
		"composed, by its form":    {http.Header{"X-Amz-Checksum-Sha256": {"NhCmhg==-2"}}, Checksum{}, SHA256},
		"of a kind not known here": {http.Header{"X-Amz-Checksum-Xxhash64": {"NhCmhg=="}}, Checksum{}, None},
		"none":                     {nil, Checksum{}, None},
	} {
		if got := Stored(c.header); got != c.want {
			t.Errorf("%s: got %v", name, got)
		}
		if got := StoredAlgorithm(c.header); got != c.among {
			t.Errorf("%s: the algorithm is %v", name, got)
		}
	}
}

func TestAnObjectOnItsWayIsVerifiedAndGetsItsTrailer(t *testing.T) {
	known := Checksum{CRC32, "NhCmhg=="}
	for name, c := range map[string]struct {
		body  string
		known Checksum
		want  error
	}{
		"as it should be":     {"hello", known, nil},
		"nothing is known":    {"hello", Checksum{}, nil},
		"another body":        {"hellO", known, s3err.BadDigest},
		"it ends too early":   {"hell", Checksum{}, s3err.IncompleteBody},
		"it goes on too long": {"hello!", Checksum{}, s3err.InvalidRequest},
	} {
		r := NewReader(strings.NewReader(c.body), Computed(5, c.known, CRC64NVME), nil)
		got, err := io.ReadAll(r)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		sum := Stored(r.Trailer())
		if err == nil && (string(got) != "hello" || sum != Checksum{CRC64NVME, "M3eFcAZSQlc="}) {
			t.Errorf("%s: %q with %v", name, got, sum)
		}
		if err != nil && len(got) == 5 {
			t.Errorf("%s: all of it came out", name)
		}
	}
}

func TestNamesOfAlgorithmsHaveAnyCase(t *testing.T) {
	for name, want := range map[string]Algorithm{"CRC64NVME": CRC64NVME, "sha1": SHA1, "XXHASH3": None, "": None, "mode": None} {
		if got, known := Named(name); got != want || known != (want != None) {
			t.Errorf("%q: %v, %v", name, got, known)
		}
	}
}
