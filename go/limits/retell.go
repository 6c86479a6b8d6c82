package limits

import "sync"

// retelling are the accounts of which the others could not be told. They are told one
// after the other, once these are back: all at once they would keep the server busy for
// longer than a command may take, and be told again.
type retelling struct {
	mu      sync.Mutex
	line    []untoldAccount
	awaited bool // a timer will look, or somebody is at it
}

type untoldAccount struct {
	account *account
	rule    *Measures
}

// settleAgain has the others told later what they could not be told of a day. No more
// accounts wait for that than there are, so that those which were displaced are not
// remembered without a bound.
func (t *Table) settleAgain(a *account, rule *Measures) {
	r := &t.again
	r.mu.Lock()
	defer r.mu.Unlock()
	if t.closed.Load() || len(r.line) >= 2*mostAccounts || !a.fleet.retelling.CompareAndSwap(false, true) {
		return
	}
	r.line = append(r.line, untoldAccount{a, rule})
	if !r.awaited {
		r.awaited = true
		t.later(settleAgainAfter, t.retell)
	}
}

// retell tells as many as it can, and comes back for the others.
func (t *Table) retell() {
	for {
		next, any := t.again.next()
		if !any {
			return
		}
		next.account.fleet.retelling.Store(false)
		if !next.account.hasUntold() { // it was told meanwhile
			continue
		}
		if _, err := t.exchange(next.account, next.rule, 0); err != nil { // which has it wait again
			t.later(settleAgainAfter, t.retell)
			return
		}
	}
}

// next takes the first one out of the line.
func (r *retelling) next() (untoldAccount, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.line) == 0 {
		r.line, r.awaited = nil, false
		return untoldAccount{}, false
	}
	first := r.line[0]
	r.line = r.line[1:]
	return first, true
}

// leave empties the line, and returns the accounts that were in it.
func (r *retelling) leave() (accounts []*account) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, waiting := range r.line {
		accounts = append(accounts, waiting.account)
	}
	r.line = nil
	return accounts
}
