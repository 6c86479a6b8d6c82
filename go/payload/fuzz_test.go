package payload

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strconv"
	"testing"

	"osp/go/s3err"
)

// Any body, framed or not, ends in the same way and releases the same bytes
// however its reads are split; and a body that ends cleanly is as long as was
// declared.
func FuzzChunked(f *testing.F) {
	for _, s := range goodStreams() {
		f.Add([]byte(s.encode()), int64(len(s.payload())), s.kind.signed(), s.trailer != None, 3, 7)
	}
	f.Add([]byte("5;chunk-signature=\r\nhello\r\n0\r\n\r\n"), int64(5), true, false, 1, 1)
	f.Fuzz(func(t *testing.T, body []byte, length int64, signed, trailer bool, piece, size int) {
		if piece < 1 || size < 1 || size > 1<<16 || length < 0 {
			return
		}
		d := Declaration{Kind: StreamingUnsignedTrailer, ContentLength: int64(len(body)), Header: http.Header{
			"X-Amz-Decoded-Content-Length": {strconv.FormatInt(length, 10)},
		}}
		if trailer {
			d.Header.Set("X-Amz-Trailer", CRC32.Header())
		}
		if signed {
			d.Kind = StreamingSigned
		}
		spec, err := Parse(d)
		if err != nil {
			return
		}
		whole, wholeErr := drain(t, NewReader(bytes.NewReader(body), spec, newChain(plainSeed)), 1<<16)
		split, splitErr := drain(t, NewReader(&pieces{s: string(body), n: piece}, spec, newChain(plainSeed)), size)
		if code(wholeErr) != code(splitErr) {
			t.Fatalf("whole: %v; split: %v", wholeErr, splitErr)
		}
		if !bytes.HasPrefix(whole, split) && !bytes.HasPrefix(split, whole) {
			t.Fatalf("other bytes: %q and %q", whole, split)
		}
		var answer *s3err.Error
		switch {
		case splitErr == io.EOF:
			if int64(len(split)) != length || !bytes.Equal(split, whole) {
				t.Fatalf("%d bytes at a clean end, %d were declared", len(split), length)
			}
		case !errors.As(splitErr, &answer):
			t.Fatalf("no answer for a client: %v", splitErr)
		case length > 0 && int64(len(split)) >= length:
			t.Fatalf("all %d bytes were released before %v", length, splitErr)
		}
	})
}
