package callbacks

import (
	"errors"
	"time"
)

var errNoAnswer = errors.New("callback ended without an answer")

// headStart: a callback that answers at once, as most do, is better alone than
// in a crowd of threads that fight over Python's lock. Only when one has not
// answered within this time does the next begin beside it.
const headStart = 500 * time.Microsecond

// keepWorker is how long a goroutine that asked waits for another question. What
// encodes, calls and decodes goes deep, and the stack for that has grown then.
const keepWorker = time.Second

// crowd says who can cause a question, and so which share of the limits it has.
type crowd int

const (
	known     crowd = iota // clients with whose keys somebody has signed before
	strangers              // anybody: it is about a key with which nobody has signed yet
	anonymous              // anybody: it is about a request without a signature
	crowds
)

// crowdOf is the crowd of a question about a verified request, by its token.
func crowdOf(token string) crowd {
	if token == "" {
		return anonymous
	}
	return known
}

// partOf is the part of the places that questions of a crowd may take, and the
// part of the queue: an eighth for strangers, so that a scan with random keys
// leaves the rest to clients who are known, and a half for requests without a
// signature, since a public site needs more than a scan may have.
var partOf = [crowds]int{known: 1, strangers: 8, anonymous: 2}

// Limits returns limits that all callbacks of a Set share: at most concurrency of
// them run at a time, at most queue wait for their turn, and none takes longer
// than timeout from question to answer, waiting included. Past any of these
// the caller gets ErrOverloaded, though a callback that does not return keeps its
// place until it does. A panic in a callback becomes an error. Questions that
// anybody can cause, about strangers and about requests without a signature
// (which have no token), reach limits of their own sooner.
//
// When the caller's context is cancelled while its question waits, the
// question is dropped. One that is being answered goes on to its end or
// deadline, since its answer is worth caching by then.
func Limits(concurrency, queue int, timeout time.Duration) Interceptor {
	return newGate(concurrency, queue, timeout).intercept
}
