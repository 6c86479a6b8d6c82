package shared

import (
	"sync/atomic"
	"time"
)

// Lease is how long a replica that hears nothing of the others may go on
// answering by what it remembers.
const Lease = 2 * time.Second

// Clocks of two machines do not run equally fast. Whoever waits for the leases
// of others waits this much longer.
const drift = Lease / 20

// lease says whether what this replica remembers may be used. It is renewed by
// whoever has just applied all revocations, from when they were asked for: a
// revocation that was recorded later is applied, or this lease has ended, one
// Lease after it.
type lease struct {
	start time.Time // of the clocks: both count from here
	// generation is that of what is remembered; it changes when a lease has
	// ended, so that what was remembered in the one before is never used again.
	generation atomic.Uint64
	mono, wall atomic.Int64 // until when, in ns since start, by the clocks of the same names
}

func newLease() *lease {
	l := &lease{start: time.Now()}
	l.generation.Store(1)
	return l
}

// Generation returns the number of what may be remembered and used, 0 when
// nothing may. Two clocks tell the time: one stands still while the machine
// sleeps, the other one may be set back.
func (l *lease) Generation() uint64 {
	generation := l.generation.Load()
	now := time.Now()
	if int64(now.Sub(l.start)) >= l.mono.Load() || now.UnixNano()-l.start.UnixNano() >= l.wall.Load() {
		return 0
	}
	if l.generation.Load() != generation { // the clocks were those of the next one
		return 0
	}
	return generation
}

// renew extends the lease that began at asked. One that had ended begins a new
// generation. Only one goroutine may renew and end it.
func (l *lease) renew(asked time.Time) {
	if l.Generation() == 0 {
		l.generation.Add(1)
	}
	l.mono.Store(int64(asked.Sub(l.start) + Lease))
	l.wall.Store(asked.UnixNano() - l.start.UnixNano() + int64(Lease))
}

// end ends it at once: nothing of what is remembered is used again.
func (l *lease) end() {
	l.generation.Add(1)
	l.mono.Store(0)
}
