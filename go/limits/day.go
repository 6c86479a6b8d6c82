package limits

import (
	"sync"
	"sync/atomic"
	"time"

	"osp/go/shared"
)

// day counts what was taken since midnight, UTC.
type day struct {
	number          atomic.Int64 // days since 1970
	requests, bytes atomic.Int64

	beginning sync.Mutex // held while another day begins
}

func numberOf(t time.Time) int64 { return t.Unix() / int64(24*time.Hour/time.Second) }

// jitter is how far clocks may go back over midnight without a day beginning twice.
const jitter = 100 * time.Millisecond

// today is the number of the day by the clock that all replicas have in common.
func (t *Table) today() int64 {
	now := t.wall().Add(time.Duration(t.ahead.Load()))
	day, latest := numberOf(now), t.latest.Load()
	if day < latest && numberOf(now.Add(jitter)) == latest {
		return latest
	}
	if day != latest {
		t.latest.Store(day)
	}
	return day
}

// learnTime notes what time it was to all replicas at some moment since they were asked: by
// how much their clock is ahead is known as exactly as that took long.
func (t *Table) learnTime(asked, theirs time.Time) {
	least, most := theirs.Sub(t.wall()), theirs.Sub(asked)
	if ahead := time.Duration(t.ahead.Load()); ahead < least || ahead > most {
		t.ahead.Store(int64(min(max(ahead, least), most)))
	}
}

// beginDay has the counts of an account be those of today. What the others have not
// heard of by then is of a day that is over, and so is what was heard of them.
func (t *Table) beginDay(a *account) (number int64) {
	number = t.today()
	if a.today.number.Load() == number {
		return number
	}
	a.today.beginning.Lock()
	defer a.today.beginning.Unlock()
	number = t.today() // whoever waited may have looked at the clock before midnight
	if a.today.number.Load() != number {
		a.today.requests.Store(0)
		a.today.bytes.Store(0)
		a.fleet.requests.Store(0)
		a.fleet.bytes.Store(0)
		a.fleet.heard.Store(0)
		a.today.number.Store(number)
	}
	return number
}

func (m *Measures) daily() bool { return m.DayRequests > 0 || m.DayBytes > 0 }

// dayUsedUp looks whether a day's quota has been used up.
func (h *held) dayUsedUp(t *Table, now time.Duration) *Refusal {
	rule := h.rule
	if !rule.daily() {
		return nil
	}
	t.hearOfDay(h, now)
	t.beginDay(h.account)
	switch {
	case rule.DayBytes > 0 && h.today.bytes.Load() >= rule.DayBytes:
		return &Refusal{Measure: BytesPerDay}
	case rule.DayRequests > 0 && h.today.requests.Load() >= rule.DayRequests:
		return &Refusal{Measure: RequestsPerDay}
	}
	return nil
}

// hearOfDay asks the others what they have taken of today, if they were not heard of
// lately: they may have used it up, or given back what they had taken.
func (t *Table) hearOfDay(h *held, now time.Duration) {
	if t.fleet == nil || h.fleet.fresh(now) {
		return
	}
	h.fleet.exchanging.Lock()
	defer h.fleet.exchanging.Unlock()
	if !h.fleet.fresh(now) { // or somebody else has asked meanwhile
		_, _ = t.exchanged(h.account, h.rule, 0) // if they are away, what is known here holds
	}
}

// countRequest counts a request of today, unless the quota has been used up meanwhile.
func (h *held) countRequest(t *Table) bool {
	if h.rule.DayRequests == 0 {
		return true
	}
	number := t.beginDay(h.account)
	if h.today.requests.Add(1) > h.rule.DayRequests {
		h.today.requests.Add(-1)
		return false
	}
	h.counted = number
	t.tell(h, 1, 0)
	return true
}

// uncount undoes countRequest.
func (t *Table) uncount(h *held) {
	if h.counted != 0 && h.counted == t.beginDay(h.account) {
		h.today.requests.Add(-1)
		t.tell(h, -1, 0)
	}
	h.counted = 0
}

// countBytes counts bytes of today.
func (t *Table) countBytes(h *held, n int64) {
	if h.rule.DayBytes == 0 || n == 0 {
		return
	}
	t.beginDay(h.account)
	h.today.bytes.Add(n)
	t.tell(h, 0, n)
}

// tell has the others hear of what was counted.
func (t *Table) tell(h *held, requests, bytes int64) {
	if t.fleet == nil {
		return
	}
	h.fleet.requests.Add(requests)
	h.fleet.bytes.Add(bytes)
	t.settleSoon(h.account, h.rule)
}

// known is what a replica last heard of an account with days: which one that was, since
// the server may lose it, and what all had taken on a day.
type known struct{ born, day, requests, bytes int64 }

// untold takes what of today the others have not heard of, and says what was known.
func (t *Table) untold(a *account, claim *shared.Claim) {
	claim.Daily, claim.Day = true, t.beginDay(a)
	claim.DayRequests, claim.DayBytes = a.fleet.requests.Swap(0), a.fleet.bytes.Swap(0)
	if k := &a.fleet.known; k.day == claim.Day {
		claim.Born, claim.KnownRequests, claim.KnownBytes = k.born, k.requests, k.bytes
	}
}

// keepUntold undoes untold.
func (a *account) keepUntold(claim *shared.Claim) {
	if claim.Daily && a.today.number.Load() == claim.Day {
		a.fleet.requests.Add(claim.DayRequests)
		a.fleet.bytes.Add(claim.DayBytes)
	}
}

// hasNews reports whether there is something about today that the others do not know: counts
// that they have not heard of, or what they had taken themselves and may have lost.
func (t *Table) hasNews(a *account) bool {
	f := &a.fleet
	if f.requests.Load() != 0 || f.bytes.Load() != 0 {
		return true
	}
	return f.heard.Load() > 0 && f.heardIn.Load() != t.logs.Load() && a.today.number.Load() == t.today()
}

// adopt takes the counts of all replicas over, if they are of the day that was claimed
// for, and reports whether that is still to come there.
func (a *account) adopt(claim *shared.Claim, got shared.Grant) (early bool) {
	switch theirs := numberOf(got.Time); {
	case !claim.Daily:
	case claim.Day > theirs:
		a.keepUntold(claim)
		return true
	case claim.Day == theirs && a.today.number.Load() == theirs:
		a.fleet.known = known{got.Born, theirs, got.DayRequests, got.DayBytes}
		a.today.requests.Store(got.DayRequests + a.fleet.requests.Load())
		a.today.bytes.Store(got.DayBytes + a.fleet.bytes.Load())
	}
	return false
}
