package pipeline

import (
	"errors"
	"sync"

	"osp/go/s3err"
)

var errTooMany = errors.New("too many requests at a time from clients that have not signed")

// semaphore bounds what is done at a time for those of whom nobody knows who they are.
// One address has a part of the places at most, so that whoever takes some and does
// nothing with them takes his own. Make it with newSemaphore.
type semaphore struct {
	places, each int // of all, and of one address

	mu    sync.Mutex
	taken int
	by    map[string]int // address
}

func newSemaphore(places, each int) *semaphore {
	return &semaphore{places: places, each: each, by: make(map[string]int)}
}

// acquire takes a place for an address, until release is called. The error is SlowDown.
func (s *semaphore) acquire(address string) (release func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.taken == s.places || s.by[address] == s.each {
		return nil, s3err.SlowDown.Because(errTooMany)
	}
	s.taken++
	s.by[address]++
	return func() { s.release(address) }, nil
}

func (s *semaphore) release(address string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken--
	if s.by[address]--; s.by[address] == 0 {
		delete(s.by, address)
	}
}
