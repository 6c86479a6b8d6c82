package wire

import (
	"encoding/base64"
	"testing"
)

func TestBase64IsReadHoweverItIsWritten(t *testing.T) {
	const text = "x.../\xff\xfe/b"
	for _, e := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding, base64.RawStdEncoding, base64.RawURLEncoding} {
		encoded := e.EncodeToString([]byte(text))
		for _, written := range []string{encoded, encoded[:4] + "~." + encoded[4:], encoded[:2] + "\n" + encoded[2:]} {
			if got := LooseBase64(written); got != text {
				t.Errorf("%q: got %q", written, got)
			}
		}
	}
}

func FuzzLooseBase64(f *testing.F) {
	f.Add("YS4uLw==")
	f.Fuzz(func(t *testing.T, text string) { LooseBase64(text) })
}
