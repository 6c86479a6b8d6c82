package border

import (
	"testing"
	"time"

	"osp/go/callbacks"
)

// BenchmarkCallback is a question to the owner and its answer, with all that
// lies between the pipeline and the border: limits, deadline, spelling. What
// an owner's language adds comes on top.
func BenchmarkCallback(b *testing.B) {
	request := &callbacks.Request{
		Token: "alice", Bucket: "photos", Method: "GET", Path: "/photos/2026/0001.jpg", Source: "192.0.2.1",
		Operation: "GetObject", Key: "2026/0001.jpg", Region: "us-east-1", ClientIP: "192.0.2.1",
	}
	h := NewBridge(&Calls{}, func(_ uint64, _ int32, _, room []byte) int32 {
		return int32(copy(room, `{"allow":true}`))
	}).Callbacks(everything).With(callbacks.Limits(32, 1000, time.Minute))
	b.ReportAllocs()
	for b.Loop() {
		if d, err := h.Validator(b.Context(), request); err != nil || !d.Allow {
			b.Fatal(d, err)
		}
	}
}
