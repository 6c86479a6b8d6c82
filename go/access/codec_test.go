package access

import (
	"crypto/sha256"
	"testing"

	"osp/go/callbacks"
)

func TestADecisionComesBackAsItWas(t *testing.T) {
	codec := decisionCodec(&callbacks.Request{Token: "t", Bucket: "b"})
	for _, d := range []remembered{{allowed: true}, {reason: "no"}, {allowed: true, reason: "\xff"}, {allowed: true, limits: "bulk"}, {limits: "a", reason: "no"}} {
		d.token, d.bucket = sha256.Sum256([]byte("t")), "b"
		if got, ok := codec.Decode(codec.Encode(d), 0); !ok || got != d {
			t.Errorf("got %v, %v; want %v", got, ok, d)
		}
	}
	for _, b := range []string{"", "\x02", "\x03", "\x03\x02a", "\x04", "\xff"} {
		if got, ok := codec.Decode([]byte(b), 0); ok {
			t.Errorf("%q is %v", b, got)
		}
	}
}
