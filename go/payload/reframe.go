package payload

import (
	"encoding/base64"
	"io"
	"net/http"
	"strconv"
	"strings"
)

const (
	awsChunked            = "aws-chunked"
	unsignedTrailer       = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
	frameSize       int64 = 64 << 10
)

// Framed is a verified body in aws-chunked framing without signatures, with the
// client's checksum trailer, for a store that accepts it.
type Framed struct {
	r       *Reader
	left    int64  // payload bytes that are not framed yet
	chunk   int64  // payload bytes still to come in the open chunk
	pending []byte // framing to deliver first
	closed  bool   // the rest of the framing is in pending
	err     error
}

// Reframe frames what r delivers in chunks of 64 KiB. The closing frame is only
// written after r has verified everything. As with r, a request upstream for an
// empty body must not start before r.VerifyEmpty.
func Reframe(r *Reader) *Framed { return &Framed{r: r, left: r.Len()} }

// Len returns the encoded length in bytes, known before anything is read: the
// Content-Length upstream.
func (f *Framed) Len() int64 {
	whole, rest := f.r.Len()/frameSize, f.r.Len()%frameSize
	n := whole * frameLen(frameSize)
	if rest > 0 {
		n += frameLen(rest)
	}
	n += int64(len("0\r\n\r\n"))
	if alg := f.r.spec.trailer; alg != None {
		n += int64(len(alg.Header()) + len(":\r\n") + base64.StdEncoding.EncodedLen(alg.Size()))
	}
	return n
}

func frameLen(size int64) int64 {
	return int64(len(strconv.FormatInt(size, 16))) + 2 + size + 2
}

// Describe sets the headers that describe the framing, x-amz-content-sha256
// included, in those of the request upstream. The Content-Length is Len.
func (f *Framed) Describe(h http.Header) {
	encodings := append([]string{awsChunked}, StripAWSChunked(h[headerEncoding])...)
	h.Set(headerEncoding, strings.Join(encodings, ","))
	h.Set(headerDecodedLength, strconv.FormatInt(f.r.Len(), 10))
	h.Set(headerContentSHA256, unsignedTrailer)
	delete(h, headerTrailer)
	if alg := f.r.spec.trailer; alg != None {
		h.Set(headerTrailer, alg.Header())
	}
}

// Read implements io.Reader. Its errors are those of the underlying Reader.
func (f *Framed) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if f.err != nil {
		return 0, f.err
	}
	var n int
	n, f.err = f.step(p)
	return n, f.err
}

// step delivers pending framing and, after it, one read of payload.
func (f *Framed) step(p []byte) (int, error) {
	if len(f.pending) == 0 && f.chunk == 0 {
		if err := f.open(); err != nil {
			return 0, err
		}
	}
	n := f.flush(p)
	if len(f.pending) > 0 || f.chunk == 0 || n == len(p) {
		return n, nil
	}
	m, err := f.r.Read(p[n : n+int(min(int64(len(p)-n), f.chunk))])
	if err != nil {
		return 0, err
	}
	f.chunk -= int64(m)
	f.left -= int64(m)
	n += m
	if f.chunk == 0 {
		f.pending = append(f.pending, "\r\n"...)
		n += f.flush(p[n:])
	}
	return n, nil
}

func (f *Framed) flush(p []byte) int {
	n := copy(p, f.pending)
	f.pending = f.pending[n:]
	return n
}

// open begins the next chunk, or the end once the Reader has reached its own.
func (f *Framed) open() error {
	if f.closed {
		return io.EOF
	}
	if f.chunk = min(f.left, frameSize); f.chunk > 0 {
		f.pending = append(strconv.AppendInt(f.pending[:0], f.chunk, 16), "\r\n"...)
		return nil
	}
	if _, err := f.r.Read(nil); err != io.EOF {
		return err
	}
	f.closed = true
	f.pending = append(f.pending[:0], "0\r\n"...)
	if alg := f.r.spec.trailer; alg != None {
		f.pending = append(f.pending, alg.Header()+":"+f.r.trailer.Get(alg.Header())+"\r\n"...)
	}
	f.pending = append(f.pending, "\r\n"...)
	return nil
}

// Unframe removes from the headers of a request upstream what describes the
// framing of the client's body, for a body that is forwarded decoded. The
// checksum that was announced as a trailer is removed as well, because AWS
// refuses an x-amz-sdk-checksum-algorithm without its checksum.
func Unframe(h http.Header) {
	if _, ok := h[headerTrailer]; ok {
		delete(h, headerSDKAlgorithm)
	}
	delete(h, headerTrailer)
	delete(h, headerDecodedLength)
	if rest := StripAWSChunked(h[headerEncoding]); len(rest) > 0 {
		h[headerEncoding] = rest
	} else {
		delete(h, headerEncoding)
	}
}

// StripAWSChunked removes aws-chunked from the values of Content-Encoding and
// keeps the other codings in their order. A value without it is left as it is.
func StripAWSChunked(contentEncoding []string) []string {
	var kept []string
	for _, v := range contentEncoding {
		if !hasAWSChunked([]string{v}) {
			kept = append(kept, v)
			continue
		}
		var codings []string
		for coding := range strings.SplitSeq(v, ",") {
			if coding = strings.Trim(coding, " \t"); coding != "" && !strings.EqualFold(coding, awsChunked) {
				codings = append(codings, coding)
			}
		}
		if len(codings) > 0 {
			kept = append(kept, strings.Join(codings, ", "))
		}
	}
	return kept
}

func hasAWSChunked(contentEncoding []string) bool {
	for _, v := range contentEncoding {
		for coding := range strings.SplitSeq(v, ",") {
			if strings.EqualFold(strings.Trim(coding, " \t"), awsChunked) {
				return true
			}
		}
	}
	return false
}
