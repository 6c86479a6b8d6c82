package pipeline

import (
	"errors"

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
