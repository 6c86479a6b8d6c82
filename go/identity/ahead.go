package identity

import (
	"sync/atomic"
	"time"
)

// ahead is by how much an issuer's clock was ahead of ours at most, as far as its tokens
// have shown, in nanoseconds. By its own word a token from such a clock would be younger
// than a revocation that came after it. No more than the leeway is ever known, because
// tokens beyond that are refused.
type ahead struct{ atomic.Int64 }

// correct returns when a token was issued by our clock at the latest, if it says it was at
// that time and came here at another: no later than any token that said so came here.
func (a *ahead) correct(issued, came time.Time) time.Time {
	if issued.IsZero() {
		return issued
	}
	for {
		known := a.Load()
		seen := int64(issued.Sub(came))
		if seen <= known {
			return issued.Add(-time.Duration(known))
		}
		if a.CompareAndSwap(known, seen) {
			return came
		}
	}
}
