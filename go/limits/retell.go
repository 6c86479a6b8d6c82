package limits

import (
	"sync"
	"time"
)

// retelling are the accounts of which the others could not be told, or have lost what they
// were told. They are told one after the other, once these are back: all at once they would
// keep the server busy for longer than a command may take, and be told again.
type retelling struct {
	mu    sync.Mutex
	line  []*account
	timer int  // the number of the timer that looks; those before it do nothing
	set   bool // it will look, or is at it
}

// settleAgain has the others told later what they could not be told of a day.
func (t *Table) settleAgain(a *account) {
	t.again.mu.Lock()
	defer t.again.mu.Unlock()
	if t.queue(a) && !t.again.set {
		t.retellAfter(settleAgainAfter)
	}
}

// tellAll has the others told what they knew of days: they may have lost it.
func (t *Table) tellAll() {
	all := t.all()
	t.again.mu.Lock()
	defer t.again.mu.Unlock()
	for _, a := range all {
		if t.hasNews(a) {
			t.queue(a)
		}
	}
	if len(t.again.line) > 0 {
		t.retellAfter(0)
	}
}

// queue puts an account into the line, unless it is there. No more wait than there are, so
// that those which were displaced are not remembered without a bound. The caller holds mu.
func (t *Table) queue(a *account) bool {
	if t.closed.Load() || len(t.again.line) >= 2*mostAccounts || !a.fleet.retelling.CompareAndSwap(false, true) {
		return false
	}
	t.again.line = append(t.again.line, a)
	return true
}

// retellAfter has a timer look after the line, in the place of the one before. The caller
// holds mu.
func (t *Table) retellAfter(wait time.Duration) {
	t.again.timer++
	t.again.set = true
	number := t.again.timer
	t.later(wait, func() { t.retell(number) })
}

// retell tells as many as it can, and comes back for the others.
func (t *Table) retell(number int) {
	for {
		a, any := t.again.next(number)
		if !any {
			return
		}
		a.fleet.retelling.Store(false)
		if !t.hasNews(a) { // it was told meanwhile
			continue
		}
		if _, err := t.exchange(a, &anyDay, 0); err != nil { // which has it wait again
			t.again.mu.Lock()
			defer t.again.mu.Unlock()
			if number == t.again.timer {
				t.retellAfter(settleAgainAfter)
			}
			return
		}
	}
}

// next takes the first one out of the line.
func (r *retelling) next(number int) (*account, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if number != r.timer {
		return nil, false
	}
	if len(r.line) == 0 {
		r.line, r.set = nil, false
		return nil, false
	}
	first := r.line[0]
	r.line = r.line[1:]
	return first, true
}

// leave empties the line, and returns the accounts that were in it.
func (r *retelling) leave() []*account {
	r.mu.Lock()
	defer r.mu.Unlock()
	line := r.line
	r.line = nil
	return line
}
