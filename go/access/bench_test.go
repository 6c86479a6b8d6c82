package access

import (
	"testing"
	"time"

	"osp/go/callbacks"
)

// BenchmarkCheck asks again what was allowed before.
func BenchmarkCheck(b *testing.B) {
	for name, seesRequest := range map[string]bool{"by token and bucket": false, "by all of the request": true} {
		b.Run(name, func(b *testing.B) {
			o := &owner{decide: always(callbacks.Decision{Allow: true})}
			c := New(o.callbacks(seesRequest), Options{Capacity: 1024})
			question := about(full(), time.Hour)
			b.ReportAllocs()
			for b.Loop() {
				if err := c.Check(b.Context(), question).Refusal(); err != nil {
					b.Fatal(err)
				}
			}
			if o.calls.Load() != 1 {
				b.Errorf("the callback was asked %d times", o.calls.Load())
			}
		})
	}
}
