package limits

import (
	"sync"
	"sync/atomic"
	"time"
)

const (
	// batchTime is for how long a replica takes requests in advance, in which all
	// replicas together take what the rate has.
	batchTime = 100 * time.Millisecond
	// lapse is how long requests that were taken in advance are good for.
	lapse = 2 * batchTime
	// settleEvery is how long bytes wait to be told to the others.
	settleEvery = batchTime
	// settleAgainAfter is how long a day's counts wait that could not be told. While the
	// server is away that takes no round trip.
	settleAgainAfter = 2 * time.Second
	// freshFor is how long a replica goes by what it has heard of a day.
	freshFor = time.Second
	// mostTrips is how often one request asks the others at most.
	mostTrips = 8
)

// fleetAccount is what a replica knows of an account that all replicas keep together.
type fleetAccount struct {
	leased       atomic.Uint64 // requests that were taken in advance, and until when: see lease
	size         atomic.Int64  // of the last lease
	refusedUntil atomic.Int64  // on the table's clock: before that nobody need ask again

	asking sync.Mutex
	trip   *trip // under way; nil: none. asking guards it

	waiting         [2]atomic.Int64 // bytes that the others do not know of yet
	late            [2]atomic.Int64 // likewise, of those that nobody could slow down
	requests, bytes atomic.Int64    // of the day, likewise
	settling        atomic.Bool     // they will be told
	retelling       atomic.Bool     // they wait to be told again, what of the day they could not be
	heard           atomic.Int64    // on the table's clock: when their counts of the day were last heard; 0: never
	heardIn         atomic.Int64    // how often they had lost what they knew by then: see Table.logs

	exchanging sync.Mutex // so that what was said later is heard later
	known      known      // exchanging guards it
}

// trip is one question to the others, for all who wait.
type trip struct {
	done chan struct{}
	away bool // valid after done: the others can't be asked
}

// fresh reports whether the others were heard of lately.
func (f *fleetAccount) fresh(now time.Duration) bool {
	heard := f.heard.Load()
	return heard > 0 && now-time.Duration(heard) <= freshFor
}

// leasedBits are those of the number in a lease, which leaves enough for decades.
const leasedBits = 24

// lease is a number of requests and the millisecond at which they lapse.
func lease(n int64, until time.Duration) uint64 {
	return uint64(until/time.Millisecond)<<leasedBits | uint64(n)
}

// left is what a lease says.
func left(lease uint64) (n int64, until time.Duration) {
	return int64(lease & (1<<leasedBits - 1)), time.Duration(lease>>leasedBits) * time.Millisecond
}

// takeLeased takes one request that was taken in advance, and lapses then.
func (f *fleetAccount) takeLeased(now time.Duration) (until time.Duration, ok bool) {
	for {
		l := f.leased.Load()
		n, until := left(l)
		if n == 0 || until < now {
			return 0, false
		}
		if f.leased.CompareAndSwap(l, l-1) {
			return until, true
		}
	}
}

// giveBackLeased undoes takeLeased, but for what has lapsed, as have all that were taken in
// advance before those that are there now: requests that waited long must not all come at once.
func (f *fleetAccount) giveBackLeased(good, now time.Duration) {
	for {
		l := f.leased.Load()
		if n, until := left(l); until != good || until < now || n >= f.size.Load() {
			return
		}
		if f.leased.CompareAndSwap(l, l+1) {
			return
		}
	}
}

// refusedFor is how long nobody need ask. No rate has anybody wait for longer than one
// request costs, or than hold: who is to wait for longer was refused by another rule.
func (f *fleetAccount) refusedFor(rate *Rate, now time.Duration) time.Duration {
	wait := max(0, time.Duration(f.refusedUntil.Load())-now)
	if wait > max(rate.each, rate.hold())+late {
		return 0
	}
	return wait
}

// hold is for how long nobody asks after a refusal, at least. Asking again at once would
// bring one request for a round trip; but what comes in must not be lost for want of room.
func (r *Rate) hold() time.Duration { return min(batchTime/2, (r.ahead-r.each)/2) }

// takeRequest takes one request of an account, or returns how long it has to wait.
func (t *Table) takeRequest(h *held, now time.Duration) (wait time.Duration, ok bool) {
	rate, f := &h.rule.Requests, &h.fleet
	if t.fleet == nil {
		h.good, wait, ok = h.requests.take(rate, now)
		return wait, ok
	}
	for range mostTrips {
		if h.good, ok = f.takeLeased(now); ok {
			return 0, true
		}
		if wait := f.refusedFor(rate, now); wait > 0 {
			return wait, false
		}
		if away := t.ask(h, now); away {
			h.alone = rate.share(t.fleet.Replicas())
			h.good, wait, ok = h.requests.take(h.alone, now)
			return wait, ok
		}
		now = t.clock()
	}
	return batchTime, false // so many wait that each answer was gone at once
}

func (t *Table) giveBackRequest(h *held) {
	switch now := t.clock(); {
	case t.fleet == nil:
		h.requests.giveBack(&h.rule.Requests, h.good, now)
	case h.alone != nil:
		h.requests.giveBack(h.alone, h.good, now)
	default:
		h.fleet.giveBackLeased(h.good, now)
	}
	h.alone = nil
}

// ask asks the others for a batch of requests, or waits until somebody has. It reports
// whether they are away.
func (t *Table) ask(h *held, now time.Duration) (away bool) {
	f := &h.fleet
	f.asking.Lock()
	under := f.trip
	if under != nil {
		f.asking.Unlock()
		<-under.done // which takes no longer than a command may
		return under.away
	}
	under = &trip{done: make(chan struct{})}
	f.trip = under
	f.asking.Unlock()
	under.away = t.lease(h, now) != nil
	f.asking.Lock()
	f.trip = nil
	f.asking.Unlock()
	close(under.done)
	return under.away
}

// lease takes a batch of requests in advance, or notes how long there are none.
func (t *Table) lease(h *held, now time.Duration) error {
	rate := &h.rule.Requests
	got, err := t.exchange(h.account, h.rule, h.fleet.wanted(batch(rate, t.fleet.Replicas()), now))
	if err != nil {
		return err
	}
	if got.Requests > 0 {
		h.fleet.size.Store(got.Requests)
		h.fleet.leased.Store(lease(got.Requests, now+lapse))
		return nil
	}
	h.fleet.refusedUntil.Store(int64(t.clock() + max(got.Wait, rate.hold())))
	return nil
}

// wanted is how many requests to take in advance: twice as many as last time if those
// were used at once, half as many if some have lapsed, since nobody has those.
func (f *fleetAccount) wanted(most int64, now time.Duration) int64 {
	size := f.size.Load()
	switch n, until := left(f.leased.Load()); {
	case n > 0:
		size /= 2
	case now < until-lapse/2:
		size *= 2
	}
	return max(1, min(size, most))
}

// batch is how many requests one of several replicas takes in advance at most.
func batch(rate *Rate, replicas int) int64 {
	n := rate.Milli * int64(batchTime/time.Millisecond) / 1_000_000 / int64(replicas)
	return max(1, min(n, rate.Burst/4))
}

// concurrent is how many requests may run here at a time. Each replica has its share.
func (t *Table) concurrent(most int64) int64 {
	if t.fleet == nil {
		return most
	}
	return max(1, most/int64(t.fleet.Replicas()))
}
