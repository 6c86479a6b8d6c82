package payload

import (
	"bytes"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"hash"
	"hash/crc32"
	"net/http"
	"strings"

	"github.com/minio/crc64nvme"

	"osp/go/s3err"
	"osp/go/wire"
)

// Algorithm is a checksum algorithm of S3. The zero value is None.
type Algorithm int

// The algorithms that can be verified. S3 also knows XXHash variants; bodies
// that declare those are refused, because they could not be verified.
const (
	None Algorithm = iota
	CRC32
	CRC32C
	CRC64NVME
	SHA1
	SHA256
	SHA512
	MD5
)

const checksumPrefix = "x-amz-checksum-"

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var algorithms = [...]struct {
	name string
	size int
	new  func() hash.Hash
}{
	None:      {"none", 0, nil},
	CRC32:     {"CRC32", crc32.Size, func() hash.Hash { return crc32.NewIEEE() }},
	CRC32C:    {"CRC32C", crc32.Size, func() hash.Hash { return crc32.New(castagnoli) }},
	CRC64NVME: {"CRC64NVME", crc64nvme.Size, func() hash.Hash { return crc64nvme.New() }},
	SHA1:      {"SHA1", sha1.Size, sha1.New},
	SHA256:    {"SHA256", sha256.Size, sha256.New},
	SHA512:    {"SHA512", sha512.Size, sha512.New},
	MD5:       {"MD5", md5.Size, md5.New},
}

// emptySums are the checksums of no bytes, which most requests have.
var emptySums = func() (sums [len(algorithms)][]byte) {
	for a := CRC32; int(a) < len(algorithms); a++ {
		sums[a] = a.New().Sum(nil)
	}
	return sums
}()

// String returns AWS's name of the algorithm, such as CRC64NVME.
func (a Algorithm) String() string { return algorithms[a].name }

// Header returns the name of the header or trailer that carries the value, in
// lower case as signatures over trailers need it.
func (a Algorithm) Header() string { return checksumPrefix + strings.ToLower(algorithms[a].name) }

// Size returns the length of the checksum in bytes, before base64.
func (a Algorithm) Size() int { return algorithms[a].size }

// New returns a fresh hash. None has no hash: New panics.
func (a Algorithm) New() hash.Hash { return algorithms[a].new() }

// decode reads a value in strict base64: AWS refuses non-zero padding bits too.
func (a Algorithm) decode(value string) ([]byte, bool) {
	if strings.ContainsAny(value, "\r\n") { // package base64 skips them
		return nil, false
	}
	sum, err := base64.StdEncoding.Strict().DecodeString(value)
	return sum, err == nil && len(sum) == a.Size()
}

// mismatch is the error for a body that has another checksum.
func (a Algorithm) mismatch() error {
	return s3err.BadDigest.Msg("The " + a.String() + " you specified did not match the calculated checksum.")
}

// fromHeader finds the algorithm of a header name of any case.
func fromHeader(name string) (Algorithm, bool) {
	for a := CRC32; int(a) < len(algorithms); a++ {
		if strings.EqualFold(name, a.Header()) {
			return a, true
		}
	}
	return None, false
}

// These checksum headers do not contain a value of the body.
var notValues = map[string]bool{
	checksumPrefix + "mode":      true,
	checksumPrefix + "type":      true,
	checksumPrefix + "algorithm": true,
}

var errSeveralChecksums = s3err.InvalidRequest.Msg("Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.")

// parseChecksums reads x-amz-checksum-*, x-amz-trailer and
// x-amz-sdk-checksum-algorithm. Together they may name one checksum.
func parseChecksums(s *Spec, d Declaration) error {
	trailer, err := announcedTrailer(d.Header)
	if err != nil {
		return err
	}
	inHeader, value, err := declaredChecksum(d)
	if err != nil {
		return err
	}
	switch {
	case inHeader != None && trailer != None:
		return s3err.InvalidRequest.Msg("Expecting a single x-amz-checksum- header")
	case trailer != None && (d.Kind == StreamingSigned || !d.Kind.Streaming()):
		return s3err.MalformedTrailer
	case trailer == None && d.Kind == StreamingSignedTrailer:
		return incomplete("x-amz-trailer announces nothing for the trailer that is to be signed")
	}
	s.trailer = trailer
	if err := checkSDKAlgorithm(d, max(inHeader, trailer)); err != nil {
		return err
	}
	if inHeader == None {
		return nil
	}
	sum, ok := inHeader.decode(value)
	if !ok {
		return s3err.InvalidRequest.Msg("Value for " + inHeader.Header() + " header is invalid.")
	}
	s.want = append(s.want, expectation{inHeader, sum, inHeader.mismatch()})
	return nil
}

// declaredChecksum finds the one header with a checksum of the body.
func declaredChecksum(d Declaration) (alg Algorithm, value string, err error) {
	if d.ObjectChecksum {
		return None, "", nil
	}
	found, unknown := 0, false
	for name, values := range d.Header {
		if !wire.HasPrefixFold(name, checksumPrefix) || notValues[strings.ToLower(name)] {
			continue
		}
		a, known := fromHeader(name)
		unknown = unknown || !known
		for _, v := range values {
			alg, value = a, strings.Trim(v, " \t")
			found++
		}
	}
	switch {
	case unknown:
		return None, "", s3err.InvalidRequest.Msg("The algorithm type you specified in x-amz-checksum- header is invalid.")
	case found > 1:
		return None, "", errSeveralChecksums
	}
	return alg, value, nil
}

// announcedTrailer reads x-amz-trailer: a list of header names, of which only
// checksums are supported, and of those only one. AWS takes commas at the end
// of the list but no other empty element.
func announcedTrailer(h http.Header) (Algorithm, error) {
	list := strings.TrimRight(strings.Trim(strings.Join(h[headerTrailer], ","), " \t"), ",")
	if list == "" {
		return None, nil
	}
	names := strings.Split(list, ",")
	var alg Algorithm
	for _, name := range names {
		a, ok := fromHeader(strings.Trim(name, " \t"))
		if !ok {
			return None, s3err.InvalidRequest.Msg("The value specified in the x-amz-trailer header is not supported")
		}
		alg = a
	}
	if len(names) > 1 {
		return None, errSeveralChecksums
	}
	return alg, nil
}

// checkSDKAlgorithm compares what the SDK declares with what the request does.
func checkSDKAlgorithm(d Declaration, used Algorithm) error {
	if len(d.Header[headerSDKAlgorithm]) == 0 || d.ObjectChecksum {
		return nil
	}
	said, _ := single(d.Header, headerSDKAlgorithm)
	switch {
	case used == None:
		return s3err.InvalidRequest.Msg("x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found.")
	case !strings.EqualFold(said, used.String()):
		return s3err.InvalidRequest.Msg("Value for x-amz-sdk-checksum-algorithm header is invalid.")
	}
	return nil
}

// expectation is a checksum that the body must have, and the error if it does
// not.
type expectation struct {
	alg      Algorithm
	sum      []byte
	mismatch error
}

// digests computes the requested checksums, each once.
type digests struct {
	running []running
	nothing bool // they are those of an empty body; running has none
}

type running struct {
	alg Algorithm
	hash.Hash
}

func (d *digests) add(a Algorithm) {
	for _, r := range d.running {
		if r.alg == a {
			return
		}
	}
	d.running = append(d.running, running{a, a.New()})
}

func (d *digests) write(p []byte) {
	for _, r := range d.running {
		r.Write(p) // a hash.Hash never fails
	}
}

// check compares with what was expected. An algorithm that was not added counts
// as a mismatch.
func (d *digests) check(want expectation) error {
	if d.nothing && bytes.Equal(emptySums[want.alg], want.sum) {
		return nil
	}
	for _, r := range d.running {
		if r.alg == want.alg && bytes.Equal(r.Sum(nil), want.sum) {
			return nil
		}
	}
	return want.mismatch
}
