package pipeline

import (
	"context"
	"errors"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"osp/go/s3err"
	"osp/go/stores"
	"osp/go/turns"
)

// placePatience is how long a request waits for a place at its store.
const placePatience = 30 * time.Second

var errNoPlace = errors.New("all connections that the entry may have to its store have been in use for too long")

// mostByFree is how many places a client may have for each one that is free, where others
// are about: of 16 a single one has at most 12, and two have 7 each.
const mostByFree = 3

// places are those of one entry at its store. Each is for one request, from when it is
// sent to the end of the response. Those who wait take turns by their client keys, so that a
// client with many requests delays another one's by one request and not by all. Once
// two clients have been there together, some places are kept free, so that whoever has none
// finds one, however long the others keep theirs.
type places struct {
	mu      sync.Mutex
	size    int // 0: any number
	taken   int
	has     map[string]int // of those taken, by client
	several bool           // two clients have been there together
	waiting turns.Line[waiter]
}

// waiter is told that it has a place.
type waiter struct {
	client string
	given  chan struct{}
}

// take waits for a place.
func (p *places) take(ctx context.Context, client string) error {
	p.mu.Lock()
	p.several = p.several || len(p.has) > 0 && p.has[client] == 0
	if p.mayHave(client) { // then nobody waits who may have it, too
		p.give(client)
		p.mu.Unlock()
		return nil
	}
	mine := make(chan struct{})
	waits := p.waiting.Push(client, waiter{client, mine})
	p.mu.Unlock()
	patience := time.NewTimer(placePatience)
	defer patience.Stop()
	var err error
	select {
	case <-mine:
		return nil
	case <-ctx.Done():
		err = ctx.Err()
	case <-patience.C:
		err = s3err.SlowDown.Because(errNoPlace)
	}
	p.mu.Lock()
	left := p.waiting.Remove(waits)
	p.mu.Unlock()
	if !left { // it was given one at this very moment
		p.leave(client)
	}
	return err
}

// leave gives a client's place to the next who waits and may have it.
func (p *places) leave(client string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.taken--
	if p.has[client]--; p.has[client] == 0 {
		delete(p.has, client)
	}
	p.giveFree()
}

// resize changes how many there are. Those that are taken count on.
func (p *places) resize(size int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.size = size
	p.giveFree()
}

// abandon lets all go on that wait, because the entry has gone, and reports whether
// requests of it are at the store.
func (p *places) abandon() bool {
	p.resize(0)
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.taken > 0
}

// free is how many are left. The caller holds p.mu.
func (p *places) free() int {
	if p.size == 0 {
		return math.MaxInt
	}
	return p.size - p.taken
}

// mayHave reports whether a client may take a place. The caller holds p.mu.
func (p *places) mayHave(client string) bool {
	free := p.free()
	return free > 0 && (!p.several || p.has[client]/mostByFree < free)
}

// give gives a client a place. The caller holds p.mu.
func (p *places) give(client string) {
	p.taken++
	if p.has == nil {
		p.has = make(map[string]int)
	}
	p.has[client]++
}

// giveFree gives free places to those who wait and may have them. The caller holds p.mu.
func (p *places) giveFree() {
	for p.free() > 0 {
		next, ok := p.waiting.PopFrom(p.mayHave)
		if !ok {
			return
		}
		p.give(next.client)
		close(next.given)
	}
}

// storePlaces are those of all entries that have, or had, a number of them.
type storePlaces struct {
	byEntry atomic.Pointer[map[entryName]*places]
}

// entryName is what stays of an entry when it is updated.
type entryName struct {
	name, host string
	port       int
}

func nameOf(entry *stores.Bucket) entryName { return entryName{entry.Name, entry.Host, entry.Port} }

// of returns the places of an entry; nil: it has none of its own.
func (s *storePlaces) of(entry *stores.Bucket) *places {
	if entry.Connections == 0 {
		return nil
	}
	return (*s.byEntry.Load())[nameOf(entry)]
}

// update makes the places those of these entries. What requests have at the stores they
// keep, and it counts on. Updates come one at a time.
func (s *storePlaces) update(entries []*stores.Bucket) {
	var before map[entryName]*places
	if last := s.byEntry.Load(); last != nil {
		before = *last
	}
	after := make(map[entryName]*places)
	for _, entry := range entries {
		at := before[nameOf(entry)]
		if at == nil && entry.Connections > 0 {
			at = &places{}
		}
		if at != nil {
			at.resize(entry.Connections)
			after[nameOf(entry)] = at
		}
	}
	for name, at := range before {
		if after[name] == nil && at.abandon() {
			after[name] = at // the entry may come back
		}
	}
	s.byEntry.Store(&after)
}

// place is one that a request has.
type place struct {
	of     *places
	client string
}

// leave gives it back; of the zero value there is nothing to give.
func (p place) leave() {
	if p.of != nil {
		p.of.leave(p.client)
	}
}

// takePlace waits for a place at the store, if its entry has a number of them. It is
// left at the end of the exchange.
func (p *Pipeline) takePlace(x *exchange) error {
	at := p.storePlaces.of(x.bucket.Entry())
	if at == nil {
		return nil
	}
	owner := x.owner()
	if owner == "" {
		owner = network(p.hosts.client(x.r))
	}
	if err := at.take(x.r.Context(), owner); err != nil {
		return err
	}
	x.atStore = place{at, owner}
	return nil
}

// tellOwner tells the server whose request this is, so that connections of one client
// share its turns.
func (x *exchange) tellOwner() {
	if server, ok := x.w.ResponseWriter.(interface{ BelongsTo(client string) }); ok && x.owner() != "" {
		server.BelongsTo(x.owner())
	}
}
