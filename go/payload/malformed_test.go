package payload

import (
	"io"
	"math"
	"net/http"
	"strings"
	"testing"
)

var hello = stream{kind: StreamingUnsignedTrailer, chunks: []string{"hello"}, trailer: CRC32}

// Bodies that are not what hello declares, each with the code that its client
// gets.
func TestMalformedFraming(t *testing.T) {
	good := hello.encode() // 5 hello 0 x-amz-checksum-crc32:...
	sum := checksum(CRC32, "hello")
	trailer := "x-amz-checksum-crc32:" + sum + "\r\n"
	if good != "5\r\nhello\r\n0\r\n"+trailer+"\r\n" {
		t.Fatalf("the framing is %q", good)
	}
	for _, c := range []struct{ name, body, want string }{
		{"no framing", "hello", "IncompleteBody"},
		{"nothing", "", "IncompleteBody"},
		{"a size that is no number", "x\r\nhello\r\n0\r\n" + trailer + "\r\n", "IncompleteBody"},
		{"an empty size", "\r\nhello\r\n0\r\n" + trailer + "\r\n", "IncompleteBody"},
		{"a size with a sign", "+5\r\nhello\r\n0\r\n" + trailer + "\r\n", "IncompleteBody"},
		{"a size with 0x", "0x5\r\nhello\r\n0\r\n" + trailer + "\r\n", "IncompleteBody"},
		{"a size with a space", "5 \r\nhello\r\n0\r\n" + trailer + "\r\n", "IncompleteBody"},
		{"a size of 17 digits", "00000000000000005\r\nhello\r\n0\r\n" + trailer + "\r\n", "IncompleteBody"},
		{"a negative size", "ffffffffffffffff\r\nhello\r\n0\r\n" + trailer + "\r\n", "IncompleteBody"},
		{"a size that is too small", "4\r\nhello\r\n0\r\n" + trailer + "\r\n", "IncompleteBody"},
		{"a size that is too large", "6\r\nhello\r\n0\r\n" + trailer + "\r\n", "IncompleteBody"},
		{"an extension that is not announced", "5;a=b\r\nhello\r\n0\r\n" + trailer + "\r\n", "IncompleteBody"},
		{"a bare LF behind a size", "5\nhello\r\n0\r\n" + trailer + "\r\n", "IncompleteBody"},
		{"no CRLF behind a chunk", "5\r\nhello0\r\n" + trailer + "\r\n", "IncompleteBody"},
		{"no last chunk", "5\r\nhello\r\n" + trailer + "\r\n", "IncompleteBody"},
		{"one chunk too many", "5\r\nhello\r\n1\r\nx\r\n0\r\n" + trailer + "\r\n", "IncompleteBody"},
		{"a chunk too few", "4\r\nhell\r\n0\r\n" + trailer + "\r\n", "IncompleteBody"},
		{"an endless chunk header", "5;" + strings.Repeat("a", 1000) + "\r\nhello\r\n0\r\n" + trailer + "\r\n", "MaxMessageLengthExceeded"},
		{"no trailer", "5\r\nhello\r\n0\r\n\r\n", "MalformedTrailerError"},
		{"another trailer", "5\r\nhello\r\n0\r\nx-amz-checksum-crc32c:AAAAAA==\r\n\r\n", "MalformedTrailerError"},
		{"a second trailer", "5\r\nhello\r\n0\r\n" + trailer + "x-amz-checksum-crc32c:AAAAAA==\r\n\r\n", "MalformedTrailerError"},
		{"the trailer twice", "5\r\nhello\r\n0\r\n" + trailer + trailer + "\r\n", "MalformedTrailerError"},
		{"a trailer without colon", "5\r\nhello\r\n0\r\nx-amz-checksum-crc32\r\n\r\n", "MalformedTrailerError"},
		{"a trailer of another length", "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:AAAA\r\n\r\n", "InvalidRequest"},
		{"a trailer that is no Base64", "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:!!!!!!==\r\n\r\n", "InvalidRequest"},
		{"a wrong trailer", "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n", "BadDigest"},
		{"no empty line at the end", "5\r\nhello\r\n0\r\n" + trailer, "IncompleteBody"},
		{"more behind the end", good + "x", "InvalidRequest"},
		{"another body", "5\r\nhallo\r\n0\r\n" + trailer + "\r\n", "BadDigest"},
	} {
		t.Run(c.name, func(t *testing.T) { checkHeldBack(t, hello, c.body, c.want) })
	}
}

func TestMalformedSignatures(t *testing.T) {
	s := stream{kind: StreamingSignedTrailer, chunks: []string{"one", "two"}, trailer: SHA1}
	good := s.encode()
	first := strings.Index(good, "chunk-signature=") + len("chunk-signature=")
	last := strings.LastIndex(good, "chunk-signature=") + len("chunk-signature=")
	final := strings.Index(good, "x-amz-trailer-signature:") + len("x-amz-trailer-signature:")
	zero := strings.Repeat("0", 64)
	for _, c := range []struct{ name, body, want string }{
		{"a wrong first signature", good[:first] + zero + good[first+64:], "SignatureDoesNotMatch"},
		{"a wrong last signature", good[:last] + zero + good[last+64:], "SignatureDoesNotMatch"},
		{"a wrong trailer signature", good[:final] + zero + good[final+64:], "SignatureDoesNotMatch"},
		{"no trailer signature", good[:final-len("x-amz-trailer-signature:")] + "\r\n", "IncompleteBody"},
		{"a chunk without signature", strings.Replace(good, ";chunk-signature="+good[first:first+64], "", 1), "IncompleteBody"},
		{"swapped chunks", strings.NewReplacer("one", "two", "two", "one").Replace(good), "SignatureDoesNotMatch"},
		{"an upper-case signature", good[:first] + strings.ToUpper(good[first:first+64]) + good[first+64:], "SignatureDoesNotMatch"},
	} {
		t.Run(c.name, func(t *testing.T) {
			outcome, got := everyWay(t, func(src io.Reader) io.Reader { return s.open(t, src, c.body) }, c.body)
			if outcome == "EOF" || len(got) >= len(s.payload()) {
				t.Fatalf("released %d bytes, then %s", len(got), outcome)
			}
			if outcome != c.want {
				t.Errorf("got %s, want %s", outcome, c.want)
			}
		})
	}
}

func TestDeclarationsThatCanNotBe(t *testing.T) {
	for _, c := range []struct {
		name string
		d    Declaration
		want string
	}{
		{"no kind", Declaration{}, "InternalError"},
		{"no length", Declaration{Kind: Unsigned, ContentLength: -1}, "MissingContentLength"},
		{"no decoded length", Declaration{Kind: StreamingSigned, ContentLength: 100}, "MissingContentLength"},
		{"a negative decoded length", Declaration{Kind: StreamingSigned, Header: http.Header{"X-Amz-Decoded-Content-Length": {"-1"}}}, "MissingContentLength"},
		{"a decoded length with a sign", Declaration{Kind: StreamingSigned, Header: http.Header{"X-Amz-Decoded-Content-Length": {"+1"}}}, "MissingContentLength"},
		{"two decoded lengths", Declaration{Kind: StreamingSigned, Header: http.Header{"X-Amz-Decoded-Content-Length": {"1", "1"}}}, "MissingContentLength"},
		{"a length that could overflow", Declaration{Kind: Unsigned, ContentLength: math.MaxInt64}, "EntityTooLarge"},
		{"a decoded length that could overflow", Declaration{Kind: StreamingUnsignedTrailer, Header: http.Header{"X-Amz-Decoded-Content-Length": {"9223372036854775807"}}}, "EntityTooLarge"},
		{"another decoded length than the plain one", Declaration{Kind: Unsigned, ContentLength: 2, Header: http.Header{"X-Amz-Decoded-Content-Length": {"1"}}}, "InvalidRequest"},
		{"aws-chunked on a plain body", Declaration{Kind: Unsigned, ContentLength: 2, Header: http.Header{"Content-Encoding": {"gzip, aws-chunked"}}}, "InvalidRequest"},
		{"a hash of the wrong length", Declaration{Kind: Hashed, SHA256: "abcd"}, "InvalidArgument"},
		{"an MD5 that is no Base64", Declaration{Kind: Unsigned, Header: http.Header{"Content-Md5": {"?"}}}, "InvalidDigest"},
		{"two MD5s", Declaration{Kind: Unsigned, Header: http.Header{"Content-Md5": {"a", "b"}}}, "InvalidDigest"},
		{"a checksum of the wrong length", Declaration{Kind: Unsigned, Header: http.Header{"X-Amz-Checksum-Crc32": {"AAAA"}}}, "InvalidRequest"},
		{"a trailer that is no checksum", Declaration{Kind: StreamingUnsignedTrailer, Header: http.Header{"X-Amz-Decoded-Content-Length": {"1"}, "X-Amz-Trailer": {"x-amz-meta-a"}}}, "InvalidRequest"},
	} {
		if _, err := Parse(c.d); err == nil || code(err) != c.want {
			t.Errorf("%s: got %v, want %s", c.name, err, c.want)
		}
	}
}

func TestHTTPChunkingAroundTheFraming(t *testing.T) {
	encoded := hello.encode()
	d := Declaration{Kind: StreamingUnsignedTrailer, ContentLength: -1, Header: http.Header{
		"X-Amz-Decoded-Content-Length": {"5"}, "X-Amz-Trailer": {"x-amz-checksum-crc32"},
	}}
	spec, err := Parse(d)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(NewReader(strings.NewReader(encoded), spec, nil)); err != nil || string(got) != "hello" {
		t.Errorf("got %q, %v", got, err)
	}
}
