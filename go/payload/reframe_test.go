package payload

import (
	"bytes"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

func TestReframedBodiesParseAgain(t *testing.T) {
	streams := goodStreams()
	for _, size := range []int64{frameSize - 1, frameSize, frameSize + 1, 3 * frameSize} {
		streams["of "+string(rune('a'+size%26))] = stream{kind: StreamingUnsignedTrailer, chunks: []string{strings.Repeat("x", int(size))}, trailer: CRC32}
	}
	for name, s := range streams {
		encoded := s.encode()
		framed := Reframe(s.open(t, strings.NewReader(encoded), encoded))
		h := http.Header{"Content-Encoding": {"aws-chunked, gzip"}}
		framed.Describe(h)
		out, err := io.ReadAll(iotest.HalfReader(framed))
		if err != nil || int64(len(out)) != framed.Len() {
			t.Errorf("%s: %d bytes, told %d, %v", name, len(out), framed.Len(), err)
			continue
		}
		spec, err := Parse(Declaration{Kind: StreamingUnsignedTrailer, ContentLength: framed.Len(), Header: h})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		again := NewReader(bytes.NewReader(out), spec, nil)
		got, err := io.ReadAll(again)
		if err != nil || string(got) != s.payload() {
			t.Errorf("%s: %d of %d bytes, %v", name, len(got), len(s.payload()), err)
		}
		if s.trailer != None && again.Trailer().Get(s.trailer.Header()) == "" {
			t.Errorf("%s: the trailer is lost", name)
		}
		if h.Get("Content-Encoding") != "aws-chunked,gzip" || h.Get("X-Amz-Content-Sha256") != "STREAMING-UNSIGNED-PAYLOAD-TRAILER" {
			t.Errorf("%s: %v", name, h)
		}
	}
}

func TestAWrongBodyNeverGetsItsClosingFrame(t *testing.T) {
	encoded := strings.Replace(hello.encode(), "hello", "hallo", 1)
	framed := Reframe(hello.open(t, strings.NewReader(encoded), encoded))
	out, err := io.ReadAll(framed)
	if code(err) != "BadDigest" || bytes.Contains(out, []byte("0\r\n")) {
		t.Errorf("got %q, %v", out, err)
	}
}

func TestOnlyAWSChunkedIsStripped(t *testing.T) {
	for _, c := range []struct{ in, want []string }{
		{nil, nil},
		{[]string{"aws-chunked"}, nil},
		{[]string{"gzip"}, []string{"gzip"}},
		{[]string{"aws-chunked,gzip"}, []string{"gzip"}},
		{[]string{"gzip, AWS-Chunked"}, []string{"gzip"}},
		{[]string{"gzip", "aws-chunked", "br"}, []string{"gzip", "br"}},
		{[]string{"aws-chunked-not"}, []string{"aws-chunked-not"}},
	} {
		if got := StripAWSChunked(c.in); !slices.Equal(got, c.want) {
			t.Errorf("%q became %q, want %q", c.in, got, c.want)
		}
	}
	h := http.Header{"Content-Encoding": {"aws-chunked"}, "X-Amz-Trailer": {"x"}, "X-Amz-Decoded-Content-Length": {"1"}, "Content-Type": {"a"}}
	Unframe(h)
	if len(h) != 1 {
		t.Errorf("left: %v", h)
	}
}
