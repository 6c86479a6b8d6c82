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

// BenchmarkShadow is what a request takes longer for being compared.
func BenchmarkShadow(b *testing.B) {
	o := &owner{decide: always(callbacks.Decision{Allow: true})}
	set := o.callbacks(true)
	set.ShadowValidator, set.ShadowValidatorSeesRequest = set.Validator, true
	for name, sample := range map[string]float64{"off": 0, "a hundredth": 0.01, "all": 1} {
		b.Run(name, func(b *testing.B) {
			shadow := NewShadow(set, Options{Capacity: 1024}, sample, func(Comparison) {})
			defer shadow.Close()
			c := New(set, Options{Capacity: 1024, Shadow: shadow})
			question := about(full(), time.Hour)
			b.ReportAllocs()
			for b.Loop() {
				if !c.Check(b.Context(), question).Allowed {
					b.Fatal("refused")
				}
			}
		})
	}
}
