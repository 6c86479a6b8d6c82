package pipeline

import (
	"context"
	"errors"
	"sync"
	"time"

	"osp/go/s3err"
	"osp/go/stores"
	"osp/go/turns"
)

// placePatience is how long a request waits for a place at its store.
const placePatience = 30 * time.Second

var errNoPlace = errors.New("all connections that the entry may have to its store have been in use for too long")

// places are those of one entry at its store. Each is for one request, from when it is
// sent to the end of the response. Those who wait take turns by their client keys, so that a
// client with many requests delays another one's by one request and not by all.
type places struct {
	mu      sync.Mutex
	free    int
	waiting turns.Line[chan struct{}]
}

// take waits for a place.
func (p *places) take(ctx context.Context, client string) error {
	p.mu.Lock()
	if p.free > 0 { // then nobody waits
		p.free--
		p.mu.Unlock()
		return nil
	}
	mine := make(chan struct{})
	waits := p.waiting.Push(client, mine)
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
		p.leave()
	}
	return err
}

// leave gives the place to the next who waits.
func (p *places) leave() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if next, ok := p.waiting.Pop(); ok {
		close(next)
		return
	}
	p.free++
}

// storePlaces are those of all entries that have a number of them.
type storePlaces struct{ byEntry sync.Map } // *stores.Bucket to *places

func (s *storePlaces) of(entry *stores.Bucket) *places {
	if found, ok := s.byEntry.Load(entry); ok {
		return found.(*places)
	}
	made, _ := s.byEntry.LoadOrStore(entry, &places{free: entry.Connections})
	return made.(*places)
}

// keep drops those of entries that no longer exist.
func (s *storePlaces) keep(entries []*stores.Bucket) {
	live := make(map[*stores.Bucket]bool, len(entries))
	for _, entry := range entries {
		live[entry] = true
	}
	s.byEntry.Range(func(entry, _ any) bool {
		if !live[entry.(*stores.Bucket)] {
			s.byEntry.Delete(entry)
		}
		return true
	})
}

// takePlace waits for a place at the store, if its entry has a number of them. It is
// left at the end of the exchange.
func (p *Pipeline) takePlace(x *exchange) error {
	entry := x.bucket.Entry()
	if entry.Connections == 0 {
		return nil
	}
	at := p.storePlaces.of(entry)
	owner := x.owner()
	if owner == "" {
		owner = network(p.hosts.client(x.r))
	}
	if err := at.take(x.r.Context(), owner); err != nil {
		return err
	}
	x.atStore = at
	return nil
}

// tellOwner tells the server whose request this is, so that connections of one client
// share its turns.
func (x *exchange) tellOwner() {
	if server, ok := x.w.ResponseWriter.(interface{ BelongsTo(client string) }); ok && x.owner() != "" {
		server.BelongsTo(x.owner())
	}
}
