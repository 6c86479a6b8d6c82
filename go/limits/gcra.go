package limits

import (
	"math"
	"math/bits"
	"sync/atomic"
	"time"

	"osp/go/shared"
)

// Rate is so many units a second, of which some may come at once. The zero Rate
// is no limit.
//
// What has been taken is one number, the moment until which it is paid for, as in
// the generic cell rate algorithm (ITU-T I.371, annex A): each unit moves it on by what
// the unit costs in time, and it may be ahead of the clock by as much as units may
// come at once.
type Rate struct {
	Milli int64 // thousandths of units a second
	Burst int64 // units that may come at once

	each  time.Duration // what one costs
	ahead time.Duration // how far what is paid for may be ahead of the clock: what Burst costs
}

// NewRate makes a Rate of units a second, of which burst may come at once.
func NewRate(perSecond float64, burst int64) Rate {
	return newRate(int64(math.Round(perSecond*1000)), burst)
}

func newRate(milli, burst int64) Rate {
	r := Rate{Milli: max(1, milli), Burst: max(1, burst)}
	r.each, r.ahead = r.cost(1), r.cost(r.Burst)
	return r
}

func (r *Rate) limited() bool { return r.Milli > 0 }

// longest is more than anything costs, and small enough to be added to a clock.
const longest = time.Duration(1) << 60

// cost is how much time n units are worth.
func (r *Rate) cost(n int64) time.Duration {
	const thousandSeconds = uint64(1000 * time.Second)
	high, low := bits.Mul64(uint64(n), thousandSeconds)
	if high >= uint64(r.Milli) {
		return longest
	}
	cost, _ := bits.Div64(high, low, uint64(r.Milli))
	return time.Duration(min(cost, uint64(longest)))
}

// share is the part of a Rate that one of several has, one unit at once at least.
func (r *Rate) share(of int) *Rate {
	part := newRate(r.Milli/int64(of), r.Burst/int64(of))
	return &part
}

// meter is what has been taken of a Rate: until when that is paid for, on the
// clock of its table.
type meter struct{ until atomic.Int64 }

// take takes one unit if it may come now, until when that is paid for; else it returns how
// long it has to wait.
func (m *meter) take(r *Rate, now time.Duration) (until, wait time.Duration, ok bool) {
	for {
		before := m.owed(r, now)
		until = max(before, now) + r.each
		if wait = until - now - r.ahead; wait > 0 {
			return 0, wait, false
		}
		if m.until.CompareAndSwap(int64(before), int64(until)) {
			return until, 0, true
		}
	}
}

// late is how long ago somebody may have looked at the clock who takes only now.
const late = time.Second

// owed is until when what was taken is paid for. That is no further ahead of the clock than
// the rule allows: if it is, another one held, and it counts for no more than a full burst.
func (m *meter) owed(r *Rate, now time.Duration) time.Duration {
	for {
		until := m.until.Load()
		most := now + r.ahead
		if time.Duration(until) <= most+late {
			return time.Duration(until)
		}
		if m.until.CompareAndSwap(until, int64(most)) {
			return most
		}
	}
}

// wouldWait is how long a unit would have to wait, without taking it.
func (m *meter) wouldWait(r *Rate, now time.Duration) time.Duration {
	return max(m.owed(r, now), now) - now + r.each - r.ahead
}

// takeWithin takes what costs so much, if what is paid for is no further ahead of the
// clock than that.
func (m *meter) takeWithin(most, cost, now time.Duration) bool {
	for {
		until := m.until.Load()
		begin := max(time.Duration(until), now)
		if begin-now > most {
			return false
		}
		if m.until.CompareAndSwap(until, int64(min(begin+cost, now+mostDebt))) {
			return true
		}
	}
}

// mostDebt is how far what is paid for may be ahead of the clock because of what has been
// moved, so that nobody is put off for longer.
const mostDebt = shared.MostAhead

// charge takes what costs so much, whether or not it may come now, but no more than puts
// what is paid for so far ahead of the clock. It returns what it has taken.
func (m *meter) charge(cost, most, now time.Duration) time.Duration {
	for {
		until := m.until.Load()
		begin := max(time.Duration(until), now)
		end := max(begin, min(begin+cost, now+most))
		if m.until.CompareAndSwap(until, int64(end)) {
			return end - begin
		}
	}
}

// ahead is how far what is paid for is ahead of the clock.
func (m *meter) ahead(now time.Duration) time.Duration {
	return max(0, time.Duration(m.until.Load())-now)
}

// correct takes back what was taken too much, but for what others have taken.
func (m *meter) correct(tooMuch, ahead, now time.Duration) {
	for {
		until := m.until.Load()
		if m.until.CompareAndSwap(until, max(until-int64(tooMuch), int64(now+ahead))) {
			return
		}
	}
}
