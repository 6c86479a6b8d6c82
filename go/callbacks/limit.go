package callbacks

import (
	"context"
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

// shadowPlaces are those of the callback for which no request waits. Its questions wait
// elsewhere.
const shadowPlaces = 4

// Limits returns limits that all callbacks of a Set share that a request waits for: at most concurrency of
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
//
// A shadow validator has places and a queue of its own, so that it never takes one from them.
func Limits(concurrency, queue int, timeout time.Duration) Interceptor {
	waited, shadow := newGate(concurrency, queue, timeout), newGate(shadowPlaces, shadowPlaces, timeout)
	return func(ctx context.Context, call Call) error {
		if call.Name() == shadowValidator {
			return shadow.intercept(ctx, call)
		}
		return waited.intercept(ctx, call)
	}
}
