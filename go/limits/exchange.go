package limits

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"osp/go/shared"
)

// charge takes bytes of an account that have been moved already.
func (t *Table) charge(h *held, d Direction, n int64, now time.Duration) {
	rate := h.rule.bytes(d)
	if !rate.limited() || n <= 0 {
		return
	}
	cost := rate.cost(n)
	if taken := h.flows[d].charge(cost, h.key.mostDebt(), now); taken < cost { // what costs nothing is all taken
		n = int64(float64(n) * (taken.Seconds() / cost.Seconds()))
	}
	t.tellMoved(h, &h.fleet.late[d], n)
}

// mostMoving is how many replicas are taken to move bytes all at the same time, at most. Of
// any more a single one that does would not come to the whole rate: it hears of the others
// ten times a second, and passes its part of a window in between.
const mostMoving = 8

// moving is how many replicas are taken to move bytes, this one included.
func (t *Table) moving() int64 {
	if t.fleet == nil {
		return 1
	}
	return int64(min(t.fleet.Replicas(), mostMoving))
}

// guess is what the others are taken to move while a piece is moved here that costs so
// much: as much each, until they are heard of. Or each replica would pass a window of its
// own before that, and all together owe so many.
func (t *Table) guess(cost time.Duration) time.Duration {
	return min(time.Duration(t.moving()-1)*cost, Window/2)
}

// tellMoved has the others hear of bytes.
func (t *Table) tellMoved(h *held, waiting *atomic.Int64, n int64) {
	if t.fleet != nil {
		waiting.Add(n)
		t.settleSoon(h.account, h.rule)
	}
}

// settleSoon has the others told of what an account has taken.
func (t *Table) settleSoon(a *account, rule *Measures) {
	if !t.closed.Load() && a.fleet.settling.CompareAndSwap(false, true) {
		t.later(settleEvery, func() { t.settle(a, rule) })
	}
}

// settle tells the others what an account has taken, and hears what they have.
func (t *Table) settle(a *account, rule *Measures) {
	a.fleet.settling.Store(false) // what comes from now on is told next time
	_, _ = t.exchange(a, rule, 0) // what could not be told is kept
}

// exchange is one round trip to the others: it tells them what an account has taken,
// hears what they have, and takes requests in advance, if any are wanted.
func (t *Table) exchange(a *account, rule *Measures, want int64) (shared.Grant, error) {
	a.fleet.exchanging.Lock()
	defer a.fleet.exchanging.Unlock()
	return t.exchanged(a, rule, want)
}

// exchanged is exchange for a caller who holds exchanging.
func (t *Table) exchanged(a *account, rule *Measures, want int64) (shared.Grant, error) {
	claim, logs := t.claim(a, rule, want), t.logs.Load()
	asked := t.wall()
	in, out := time.Duration(a.flows[In].guess.Swap(0)), time.Duration(a.flows[Out].guess.Swap(0))
	got, err := t.fleet.Settle(context.Background(), claim)
	if err != nil {
		// The bytes were charged here, and this replica's streams have paid for them, and
		// for as much by the others. The counts of the day are told when those are back.
		a.keepUntold(&claim)
		if t.hasNews(a) {
			t.settleAgain(a)
		}
		return got, err
	}
	t.learnTime(asked, got.Time)
	if claim.Daily && claim.Day == t.today() { // else the next one is about another day
		a.fleet.heard.Store(max(1, int64(t.clock())))
		a.fleet.heardIn.Store(logs)
	}
	a.flows[In].hear(t, in, got.In)
	a.flows[Out].hear(t, out, got.Out)
	if early := a.adopt(&claim, got); early {
		t.settleSoon(a, rule)
	}
	return got, nil
}

// Close tells the others what they have not heard of the day, as far as that takes no
// longer. They are told nothing after that.
func (t *Table) Close(most time.Duration) {
	t.closed.Store(true)
	end := t.clock() + most
	for _, a := range slices.Concat(t.all(), t.again.leave()) {
		if t.hasNews(a) && t.clock() < end {
			_, _ = t.exchange(a, &anyDay, 0)
		}
	}
}

// anyDay is a rule about days alone: their counts are told whatever the rule.
var anyDay = Measures{DayRequests: 1, DayBytes: 1}

// claim is what the others are told. The caller holds exchanging.
func (t *Table) claim(a *account, rule *Measures, want int64) shared.Claim {
	f := &a.fleet
	c := shared.Claim{
		Name: a.key.fields(), Requests: want, Milli: rule.Requests.Milli, Ahead: rule.Requests.ahead,
		In: costOf(&rule.In, &f.waiting[In]), Out: costOf(&rule.Out, &f.waiting[Out]),
		LateIn: costOf(&rule.In, &f.late[In]), LateOut: costOf(&rule.Out, &f.late[Out]), MostLate: a.key.mostDebt(),
	}
	if rule.daily() {
		t.untold(a, &c)
	}
	return c
}

// costOf is what bytes cost that wait to be told, but no more than two windows: what the
// others did not hear of in time must not lock a client out for long.
func costOf(rate *Rate, waiting *atomic.Int64) time.Duration {
	if !rate.limited() {
		return 0
	}
	return min(rate.cost(waiting.Swap(0)), 2*Window)
}

// fields name the account to the others.
func (k key) fields() []string {
	return []string{k.scope.String(), string(rune('0' + k.of)), k.who, k.bucket}
}
