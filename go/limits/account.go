package limits

import (
	"sync/atomic"
	"time"
)

// account is what one subject of a rule has taken. It knows no rule: those may change
// while it stays.
type account struct {
	key key

	requests, in, out meter
	running           atomic.Int64
	today             day
	fleet             fleetAccount // unused by a process that is alone
}

// day counts what was taken since midnight, UTC.
type day struct {
	number          atomic.Int64 // days since 1970
	requests, bytes atomic.Int64
}

// begin has the counts be those of a day.
func (d *day) begin(now time.Time) {
	number := now.Unix() / int64(24*time.Hour/time.Second)
	if before := d.number.Load(); before < number && d.number.CompareAndSwap(before, number) {
		d.requests.Store(0)
		d.bytes.Store(0)
	}
}

// held is an account that a request has to do with, the measures that hold there,
// and what the request has taken of it.
type held struct {
	*account
	rule *Measures

	tookRequest, runs, counted bool
}

// admit takes what one request takes, or nothing, of one account.
func (h *held) admit(t *Table, k *Ticket, now time.Duration) *Refusal {
	rule := h.rule
	if r := h.checkSize(k.who.Size); r != nil {
		return r
	}
	if r := h.checkDay(t); r != nil {
		return r
	}
	if debt, measure := h.debt(k, now); debt > 2*Window {
		return &Refusal{Measure: measure, Wait: debt - 2*Window}
	}
	if rule.Concurrent > 0 {
		if h.running.Add(1) > t.concurrent(rule.Concurrent) {
			h.running.Add(-1)
			return &Refusal{Measure: Concurrent, Wait: Window}
		}
		h.runs = true
	}
	if rule.Requests.limited() {
		if wait, ok := t.takeRequest(h, now); !ok {
			return &Refusal{Measure: Requests, Wait: wait}
		}
		h.tookRequest = true
	}
	return nil
}

func (h *held) checkSize(size int64) *Refusal {
	if most := h.rule.Largest; most > 0 && size > most {
		return &Refusal{Measure: LargestObject, Limit: most, Proposed: size}
	}
	return nil
}

// debt is that of the direction in which the request moves its object.
func (h *held) debt(k *Ticket, now time.Duration) (time.Duration, Measure) {
	switch {
	case k.writes && h.rule.In.limited():
		return h.in.ahead(now), BytesIn
	case !k.writes && h.rule.Out.limited():
		return h.out.ahead(now), BytesOut
	}
	return 0, BytesOut
}

func (h *held) checkDay(t *Table) *Refusal {
	rule := h.rule
	if rule.DayRequests == 0 && rule.DayBytes == 0 {
		return nil
	}
	h.today.begin(t.wall())
	switch {
	case rule.DayBytes > 0 && h.today.bytes.Load() >= rule.DayBytes:
		return &Refusal{Measure: BytesPerDay}
	case rule.DayRequests == 0:
		return nil
	case h.today.requests.Load() >= rule.DayRequests:
		return &Refusal{Measure: RequestsPerDay}
	}
	t.count(h, 1, 0)
	h.counted = true
	return nil
}

// mayCome looks whether a request would be refused by its rate, and takes nothing.
func (h *held) mayCome(t *Table, now time.Duration) *Refusal {
	if !h.rule.Requests.limited() {
		return nil
	}
	wait := h.requests.wouldWait(&h.rule.Requests, now)
	if t.fleet != nil {
		wait = h.fleet.refusedFor(now)
	}
	if wait > 0 {
		return &Refusal{Measure: Requests, Wait: wait}
	}
	return nil
}

// giveBack undoes admit, for a request that was refused after all.
func (h *held) giveBack(t *Table) {
	h.end()
	if h.counted {
		t.count(h, -1, 0)
	}
	if h.tookRequest {
		t.giveBackRequest(h)
	}
	h.tookRequest, h.counted = false, false
}

// end says that the request is no longer under way.
func (h *held) end() {
	if h.runs {
		h.running.Add(-1)
	}
	h.runs = false
}
