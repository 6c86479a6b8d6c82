package shared

import "sync"

// terms is what a replica knows of the logs that there have been. Each new log
// has a higher term than any that its founder knew, so a server that comes back
// with an older log, in which revocations may be missing, is told from the one
// that took over meanwhile: that log is never used again. Heartbeats and
// revocations share what they know.
type terms struct {
	mu   sync.Mutex
	term int64  // the highest; 0: none is known
	log  string // the one log of that term that is good; empty: none, another term has to follow
}

// known returns the highest term, and its log.
func (t *terms) known() (term int64, log string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.term, t.log
}

// allow reports whether a log may be used, and remembers it.
func (t *terms) allow(at position) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if at.term > t.term {
		t.term, t.log = at.term, at.log
	}
	return at.term == t.term && at.log == t.log
}

// lose notes that a log is no good any more.
func (t *terms) lose(log string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.log == log {
		t.log = ""
	}
}
