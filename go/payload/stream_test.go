package payload

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"osp/go/s3err"
)

// stream is a body as a client frames it.
type stream struct {
	kind    Kind
	chunks  []string // without the zero chunk
	trailer Algorithm
	value   string // of the trailer; the right one if empty
	lf      bool   // end the trailer as minio-go does
}

func (s stream) payload() string { return strings.Join(s.chunks, "") }

func (s stream) encode() string {
	var b strings.Builder
	c := newChain(plainSeed)
	for _, data := range append(s.chunks[:len(s.chunks):len(s.chunks)], "") {
		fmt.Fprintf(&b, "%x", len(data))
		if s.kind.signed() {
			b.WriteString(";chunk-signature=" + c.signChunk(sha256.Sum256([]byte(data))))
		}
		b.WriteString("\r\n" + data)
		if data != "" {
			b.WriteString("\r\n")
		}
	}
	if s.trailer != None {
		s.encodeTrailer(&b, c)
	}
	return b.String() + "\r\n"
}

func (s stream) encodeTrailer(b *strings.Builder, c *chain) {
	value := s.value
	if value == "" {
		value = checksum(s.trailer, s.payload())
	}
	line := s.trailer.Header() + ":" + value
	b.WriteString(line)
	if s.lf {
		b.WriteString("\n")
	}
	b.WriteString("\r\n")
	if s.kind.signed() {
		b.WriteString("x-amz-trailer-signature:" + c.signTrailer(sha256.Sum256([]byte(line+"\n"))) + "\r\n")
	}
}

func checksum(a Algorithm, data string) string {
	h := a.New()
	h.Write([]byte(data))
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}

// spec is what the client declares for encoded, a variant of s.encode().
func (s stream) spec(t testing.TB, encoded string) *Spec {
	trailer := ""
	if s.trailer != None {
		trailer = s.trailer.Header()
	}
	return streamSpec(t, s.kind, len(encoded), len(s.payload()), trailer)
}

func (s stream) open(t testing.TB, source io.Reader, encoded string) *Reader {
	return NewReader(source, s.spec(t, encoded), newChain(plainSeed))
}

// Ways to split a body on its way to the Reader.
var sources = map[string]func(string) io.Reader{
	"whole":                func(s string) io.Reader { return strings.NewReader(s) },
	"a byte at a time":     func(s string) io.Reader { return iotest.OneByteReader(strings.NewReader(s)) },
	"in halves":            func(s string) io.Reader { return iotest.HalfReader(strings.NewReader(s)) },
	"data with the EOF":    func(s string) io.Reader { return iotest.DataErrReader(strings.NewReader(s)) },
	"in pieces of 3":       func(s string) io.Reader { return &pieces{s: s, n: 3} },
	"in pieces of 5000":    func(s string) io.Reader { return &pieces{s: s, n: 5000} },
	"with reads of nought": func(s string) io.Reader { return &pieces{s: s, n: 7, nought: true} },
}

// pieces delivers n bytes per read; on demand every second read delivers
// nothing.
type pieces struct {
	s      string
	n      int
	nought bool
	turn   bool
}

func (p *pieces) Read(b []byte) (int, error) {
	if p.turn = !p.turn; p.nought && p.turn {
		return 0, nil
	}
	if p.s == "" {
		return 0, io.EOF
	}
	n := copy(b[:min(len(b), p.n)], p.s)
	p.s = p.s[n:]
	return n, nil
}

var readSizes = []int{1, 2, 3, 7, 64, 4096, 1 << 20}

var readBuffer = make([]byte, 1<<20) // tests here do not run in parallel

// drain reads to the first error, size bytes per Read, and checks that the
// error stays. Between two reads the memory belongs to the test.
func drain(t testing.TB, r io.Reader, size int) ([]byte, error) {
	t.Helper()
	var got bytes.Buffer
	buf := readBuffer[:size]
	for idle := 0; idle < 1000; {
		n, err := r.Read(buf)
		got.Write(buf[:n])
		clear(buf[:min(size, n+framingBuffer)])
		if err == nil {
			if idle++; n > 0 {
				idle = 0
			}
			continue
		}
		if n != 0 {
			t.Fatalf("Read returned %d bytes with %v", n, err)
		}
		if n, again := r.Read(buf); n != 0 || again != err {
			t.Fatalf("after %v came %d bytes, %v", err, n, again)
		}
		return got.Bytes(), err
	}
	t.Fatal("the Reader makes no progress")
	return nil, nil
}

// code names an outcome: the S3 code, "EOF", or the plain error.
func code(err error) string {
	var e *s3err.Error
	switch {
	case err == io.EOF:
		return "EOF"
	case errors.As(err, &e):
		return e.Code
	default:
		return fmt.Sprint(err)
	}
}

// everyWay drains the body for every split of source and reads. It returns the
// one outcome that all of them share; less is the most bytes that any of them
// released.
func everyWay(t *testing.T, open func(io.Reader) io.Reader, encoded string) (outcome string, released []byte) {
	t.Helper()
	for name, source := range sources {
		for _, size := range readSizes {
			got, err := drain(t, open(source(encoded)), size)
			if outcome == "" {
				outcome = code(err)
			}
			if code(err) != outcome {
				t.Fatalf("source %s, reads of %d: %s, elsewhere %s", name, size, code(err), outcome)
			}
			if !bytes.HasPrefix(got, released) && !bytes.HasPrefix(released, got) {
				t.Fatalf("source %s, reads of %d: other bytes", name, size)
			}
			if len(got) > len(released) {
				released = got
			}
		}
	}
	return outcome, released
}

// Bodies as SDKs frame them.
func goodStreams() map[string]stream {
	several := []string{"the first", "the second", "3"}
	return map[string]stream{
		"signed, one chunk":                     {kind: StreamingSigned, chunks: []string{"hello"}},
		"signed, several chunks":                {kind: StreamingSigned, chunks: several},
		"signed, empty":                         {kind: StreamingSigned},
		"signed with a trailer, as Java frames": {kind: StreamingSignedTrailer, chunks: several, trailer: CRC32},
		"signed with a trailer, as minio-go":    {kind: StreamingSignedTrailer, chunks: several, trailer: CRC32C, lf: true},
		"signed with a trailer, empty":          {kind: StreamingSignedTrailer, trailer: SHA256},
		"unsigned with a trailer, as botocore":  {kind: StreamingUnsignedTrailer, chunks: several, trailer: CRC32},
		"unsigned with a trailer, as minio-go":  {kind: StreamingUnsignedTrailer, chunks: []string{"hello"}, trailer: CRC32C, lf: true},
		"unsigned with a trailer, as aws-cli":   {kind: StreamingUnsignedTrailer, chunks: several, trailer: CRC64NVME},
		"unsigned with a trailer, empty":        {kind: StreamingUnsignedTrailer, trailer: SHA1},
		"unsigned without a trailer":            {kind: StreamingUnsignedTrailer, chunks: several},
		"unsigned, chunks under 8 KiB":          {kind: StreamingUnsignedTrailer, chunks: []string{"he", "l", "lo"}, trailer: SHA512},
		"unsigned with MD5 as the trailer":      {kind: StreamingUnsignedTrailer, chunks: []string{"hello"}, trailer: MD5},
		"signed, chunks of a byte each":         {kind: StreamingSigned, chunks: strings.Split("hello", "")},
	}
}

func TestGoodStreamsComeOutWhole(t *testing.T) {
	streams := goodStreams()
	big := []string{strings.Repeat("x", 9000), strings.Repeat("y", 65536), "z"}
	streams["signed, in chunks larger than any buffer"] = stream{kind: StreamingSignedTrailer, chunks: big, trailer: CRC32}
	streams["unsigned, in chunks larger than any buffer"] = stream{kind: StreamingUnsignedTrailer, chunks: big, trailer: CRC32C, lf: true}
	for name, s := range streams {
		t.Run(name, func(t *testing.T) {
			encoded := s.encode()
			outcome, got := everyWay(t, func(src io.Reader) io.Reader { return s.open(t, src, encoded) }, encoded)
			if outcome != "EOF" || string(got) != s.payload() {
				t.Fatalf("%d of %d bytes, %s", len(got), len(s.payload()), outcome)
			}
			r := s.open(t, strings.NewReader(encoded), encoded)
			if r.Len() != int64(len(s.payload())) || r.Trailer() != nil {
				t.Errorf("before reading: Len %d, trailer %v", r.Len(), r.Trailer())
			}
			_, _ = io.ReadAll(r)
			if s.trailer != None && r.Trailer().Get(s.trailer.Header()) != checksum(s.trailer, s.payload()) {
				t.Errorf("trailer %v", r.Trailer())
			}
		})
	}
}

// No corruption may release the whole payload, however it is read: the last
// bytes are released only when everything is known.
func checkHeldBack(t *testing.T, s stream, encoded string, want ...string) {
	t.Helper()
	outcome, got := everyWay(t, func(src io.Reader) io.Reader { return s.open(t, src, encoded) }, encoded)
	if len(want) == 0 && outcome == "EOF" || len(want) > 0 && !slices.Contains(want, outcome) {
		t.Errorf("got %s, want %v", outcome, want)
	}
	if len(s.payload()) > 0 && len(got) >= len(s.payload()) {
		t.Errorf("released %d of %d bytes before %s", len(got), len(s.payload()), outcome)
	}
	if len(s.payload()) == 0 {
		if err := s.open(t, strings.NewReader(encoded), encoded).VerifyEmpty(); code(err) != outcome {
			t.Errorf("VerifyEmpty: %v, Read: %s", err, outcome)
		}
	}
}

func TestTheLastByteIsHeldBackFromEveryTruncation(t *testing.T) {
	for name, s := range goodStreams() {
		t.Run(name, func(t *testing.T) {
			encoded := s.encode()
			for cut := range encoded {
				checkHeldBack(t, s, encoded[:cut], "IncompleteBody")
			}
		})
	}
}

func TestTheLastByteIsHeldBackFromEveryChangedByte(t *testing.T) {
	for name, s := range goodStreams() {
		t.Run(name, func(t *testing.T) {
			if !s.kind.signed() && s.trailer == None {
				return // nothing protects the data
			}
			encoded := s.encode()
			for at := range encoded {
				changed := []byte(encoded)
				changed[at] ^= 1
				checkHeldBack(t, s, string(changed))
			}
		})
	}
}
