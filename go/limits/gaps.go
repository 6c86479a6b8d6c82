package limits

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// allowance is a meter of requests, of which some are given back.
//
// Each request has a piece of the time that is paid for. One that is refused after all
// leaves a gap there, and the next one takes that. What the clock has passed has come back
// by itself, and is nobody's: or requests that waited long for their refusal would make room
// for as many as have come meanwhile.
type allowance struct {
	meter
	gaps atomic.Pointer[gaps] // nil: nothing was given back yet
}

// gaps lie in order, and none touches another.
type gaps struct {
	some atomic.Bool // there may be some
	mu   sync.Mutex
	list []gap
}

type gap struct{ from, to time.Duration }

// mostGaps bounds the memory that they take. Those that end first are given up.
const mostGaps = 512

// take takes one request, until when that is paid for; or returns how long it has to wait.
func (a *allowance) take(r *Rate, now time.Duration) (until, wait time.Duration, ok bool) {
	if until, ok = a.find(r, now, true); ok {
		return until, 0, true
	}
	return a.meter.take(r, now)
}

// wouldWait is how long a request would have to wait, without taking it.
func (a *allowance) wouldWait(r *Rate, now time.Duration) time.Duration {
	if _, ok := a.find(r, now, false); ok {
		return 0
	}
	return a.meter.wouldWait(r, now)
}

// find finds a gap that is large enough for a request, and may have it take that.
func (a *allowance) find(r *Rate, now time.Duration, take bool) (until time.Duration, ok bool) {
	g := a.gaps.Load()
	if g == nil || !g.some.Load() {
		return 0, false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.keep(now, a.owed(r, now))
	for i := range g.list {
		gap := &g.list[i]
		if until = gap.from + r.each; until > now+r.ahead { // paid for by another rule, which allowed more at once
			break
		}
		if until <= gap.to {
			if take {
				gap.from = until
			}
			return until, true
		}
	}
	return 0, false
}

// giveBack gives one request back that is paid for until then.
func (a *allowance) giveBack(r *Rate, until, now time.Duration) {
	if until <= now {
		return
	}
	if a.gaps.Load() == nil {
		a.gaps.CompareAndSwap(nil, new(gaps))
	}
	g := a.gaps.Load()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.add(gap{until - r.each, until})
	g.keep(now, time.Duration(a.until.Load()))
	if n := len(g.list); n > 0 { // what comes last need not be a gap
		if last := g.list[n-1]; a.until.CompareAndSwap(int64(last.to), int64(last.from)) {
			g.list = g.list[:n-1]
		}
	}
	g.some.Store(len(g.list) > 0)
}

// add puts a gap into its place, with those that it touches. The caller holds mu.
func (g *gaps) add(one gap) {
	at, _ := slices.BinarySearchFunc(g.list, one.from, func(x gap, from time.Duration) int { return int(x.to - from) })
	end := at
	for ; end < len(g.list) && g.list[end].from <= one.to; end++ {
		one = gap{min(one.from, g.list[end].from), max(one.to, g.list[end].to)}
	}
	g.list = slices.Replace(g.list, at, end, one)
	if n := len(g.list); n > mostGaps {
		g.list = slices.Delete(g.list, 0, n-mostGaps)
	}
}

// keep drops what is not ahead of the clock, or not paid for: another rule may have bounded
// that. The caller holds mu.
func (g *gaps) keep(now, paid time.Duration) {
	for i := range g.list {
		g.list[i] = gap{max(g.list[i].from, now), min(g.list[i].to, paid)}
	}
	g.list = slices.DeleteFunc(g.list, func(x gap) bool { return x.from >= x.to })
	g.some.Store(len(g.list) > 0)
}
