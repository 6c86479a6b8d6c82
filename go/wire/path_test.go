package wire

import (
	"encoding/base64"
	"math/rand/v2"
	"testing"
)

func TestWhatLeadsUpClimbs(t *testing.T) {
	for text, want := range map[string]bool{
		"..": true, "../x": true, "a/../b": true, "x.../y": true, `a\..\b`: true, "a.\x01/../b": true, "x..": false,
		"": false, "a..b": false, "a../b": false, ".": false, "./a": false, "...": true, "1..2/3": false, "v1.2": false,
		"2d2ce6b6-7b0e-4c4b-8ad3-2c5d6c9dd0fe.51fd8d3d-8f1c-4e6c-a9f4-0f3f5a4a8f3ax1764172800000000000": false,
	} {
		if Climbs(text) != want {
			t.Errorf("%q: %v", text, !want)
		}
	}
}

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

// Ids that stores make at random are nothing to worry about.
func TestRandomIdsDoNotClimb(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	raw := make([]byte, 96)
	for range 20_000 {
		for i := range raw {
			raw[i] = byte(random.Uint32())
		}
		if id := base64.RawURLEncoding.EncodeToString(raw); Climbs(LooseBase64(id)) {
			t.Errorf("%s climbs", id)
		}
	}
}

func FuzzLooseBase64(f *testing.F) {
	f.Add("YS4uLw==")
	f.Fuzz(func(t *testing.T, text string) { Climbs(LooseBase64(text)) })
}
