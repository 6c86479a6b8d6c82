package border

import "sync"

// Calls are the questions that wait for an answer, by number. Numbers are never
// given twice, so a late answer finds nobody.
type Calls struct {
	mu      sync.Mutex
	last    uint64
	waiting map[uint64]chan []byte
}

// open starts a call. Its channel gets at most one answer and is never closed.
func (c *Calls) open() (uint64, <-chan []byte) {
	ch := make(chan []byte, 1)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waiting == nil {
		c.waiting = make(map[uint64]chan []byte)
	}
	c.last++
	c.waiting[c.last] = ch
	return c.last, ch
}

func (c *Calls) close(call uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.waiting, call)
}

// Answer hands the answer to the call, and reports whether one waited for it.
// It keeps the slice.
func (c *Calls) Answer(call uint64, answer []byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	ch, ok := c.waiting[call]
	if ok {
		delete(c.waiting, call) // the first answer counts
		ch <- answer            // has room for one
	}
	return ok
}
