package pipeline

import (
	"errors"
	"sync"

	"osp/go/s3err"
)

var errTooMany = errors.New("too many requests at a time from clients that have not signed")

// semaphore bounds what is done at a time for those of whom nobody knows who
// they are. A form takes a place from its first byte until its signature is
// known: it is the one body that is read for whoever sends it.
type semaphore chan struct{}

// acquire takes a place, until release is called. The error is SlowDown.
func (s semaphore) acquire() (release func(), err error) {
	select {
	case s <- struct{}{}:
		return func() { <-s }, nil
	default:
		return nil, s3err.SlowDown.Because(errTooMany)
	}
}

// shares is a semaphore of which one address has a part at most, so that whoever takes
// places and does nothing with them takes his own.
type shares struct {
	places semaphore
	each   int // places of one address

	mu    sync.Mutex
	taken map[string]int
}

func newShares(places, each int) *shares {
	return &shares{places: make(semaphore, places), each: each, taken: make(map[string]int)}
}

// acquire takes a place for an address, until release is called. The error is SlowDown.
func (s *shares) acquire(address string) (release func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.taken[address] >= s.each {
		return nil, s3err.SlowDown.Because(errTooMany)
	}
	left, err := s.places.acquire()
	if err != nil {
		return nil, err
	}
	s.taken[address]++
	return func() {
		left()
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.taken[address]--; s.taken[address] == 0 {
			delete(s.taken, address)
		}
	}, nil
}
