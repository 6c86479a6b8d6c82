package limits

import (
	"sync/atomic"
	"time"
)

// account is what one subject of a rule has taken. It knows no rule: those may change
// while it stays.
type account struct {
	key key

	requests allowance
	flows    [2]flow // of bytes, by their direction
	running  atomic.Int64
	today    day
	fleet    fleetAccount // unused by a process that is alone
}

// held is an account that a request has to do with, the measures that hold there,
// and what the request has taken of it.
type held struct {
	*account
	rule *Measures

	tookRequest, runs bool
	good              time.Duration // until when what it took of a rate can be given back
	alone             *Rate         // of which it was taken, while the others are away
	counted           int64         // the day on which the request counts; 0: on none
	missed            int64         // bytes in that had been moved before it was admitted
}

// admit takes what one request takes, or nothing, of one account.
func (h *held) admit(t *Table, k *Ticket, now time.Duration) *Refusal {
	rule := h.rule
	if r := h.usedUp(t, k, now); r != nil {
		return r
	}
	if rule.Concurrent > 0 {
		if h.running.Add(1) > t.concurrent(rule.Concurrent) {
			h.running.Add(-1)
			return &Refusal{Measure: Concurrent, Wait: Window}
		}
		h.runs = true
	}
	if !h.countRequest(t) {
		return &Refusal{Measure: RequestsPerDay}
	}
	if rule.Requests.limited() {
		if wait, ok := t.takeRequest(h, now); !ok {
			return &Refusal{Measure: Requests, Wait: wait}
		}
		h.tookRequest = true
	}
	return nil
}

// mayCome looks whether a request would be refused, and takes nothing. Of several
// refusals it returns the longest.
func (h *held) mayCome(t *Table, k *Ticket, now time.Duration) *Refusal {
	rule := h.rule
	r := h.usedUp(t, k, now)
	if rule.Concurrent > 0 && h.running.Load() >= t.concurrent(rule.Concurrent) {
		r = longer(r, &Refusal{Measure: Concurrent, Wait: Window})
	}
	if !rule.Requests.limited() {
		return r
	}
	wait := h.fleet.refusedFor(&rule.Requests, now)
	if t.fleet == nil {
		wait = h.requests.wouldWait(&rule.Requests, now)
	}
	if wait > 0 {
		r = longer(r, &Refusal{Measure: Requests, Wait: wait})
	}
	return r
}

// usedUp looks at what a request takes nothing of when it is admitted: how large its
// object is, and what has been used up by others before it.
func (h *held) usedUp(t *Table, k *Ticket, now time.Duration) *Refusal {
	if r := h.checkSize(k.who.Size); r != nil {
		return r
	}
	if r := h.dayUsedUp(t, now); r != nil {
		return r
	}
	return h.owes(k, now)
}

// mayBeRead looks whether bytes are left for what a request reads that has been admitted.
// It is among those of the day already, and reading is no second one.
func (h *held) mayBeRead(t *Table, k *Ticket, now time.Duration) *Refusal {
	if r := h.dayUsedUp(t, now); r != nil && r.Measure == BytesPerDay {
		return r
	}
	return h.owes(k, now)
}

// owes looks whether too much is owed for a further request to move bytes.
func (h *held) owes(k *Ticket, now time.Duration) *Refusal {
	if debt, measure := h.debt(k, now); debt > 2*Window {
		return &Refusal{Measure: measure, Wait: debt - 2*Window}
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
	d, measure := Out, BytesOut
	if k.writes {
		d, measure = In, BytesIn
	}
	if !h.rule.bytes(d).limited() {
		return 0, measure
	}
	return h.flows[d].owed(k.who.owner(), now), measure
}

// giveBack undoes admit, for a request that was refused after all.
func (h *held) giveBack(t *Table) {
	h.end()
	t.uncount(h)
	if h.tookRequest {
		t.giveBackRequest(h)
	}
	h.tookRequest = false
}

// end says that the request is no longer under way.
func (h *held) end() {
	if h.runs {
		h.running.Add(-1)
	}
	h.runs = false
}
