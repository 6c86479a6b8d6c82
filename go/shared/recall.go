package shared

import (
	"context"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

const (
	// mostRecalled bounds how many ends of sessions a replica remembers for the fleet.
	// The latest are those that a server is likely to lose.
	mostRecalled = 1 << 14
	// recalledAtOnce is how many of them the server is asked about together: few, since
	// other replicas record the same meanwhile.
	recalledAtOnce = 16
)

// recall is what a replica has heard of ends of sessions. A server that takes over from
// another, or is restored from a copy, may lack the last of them: whoever has heard of them
// records them again. It is safe for concurrent use.
type recall struct {
	mu sync.Mutex
	by map[EndOf]Revocation // the latest, by the first of what they end
}

// note remembers those of some revocations that end sessions.
func (r *recall) note(list []Revocation) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.by == nil {
		r.by = make(map[EndOf]Revocation)
	}
	for _, one := range list {
		if ends := one.Ends(); len(ends) > 0 && one.At.After(r.by[ends[0]].At) {
			r.by[ends[0]] = one
		}
	}
	if len(r.by) > mostRecalled {
		for _, one := range r.sorted()[:len(r.by)-mostRecalled*3/4] {
			delete(r.by, one.Ends()[0])
		}
	}
}

// since are those later than a moment, the oldest first.
func (r *recall) since(moment time.Time) []Revocation {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.DeleteFunc(r.sorted(), func(one Revocation) bool { return !one.At.After(moment) })
}

// sorted begins with the oldest; the caller holds mu.
func (r *recall) sorted() []Revocation {
	return slices.SortedFunc(maps.Values(r.by), func(a, b Revocation) int { return a.At.Compare(b.At) })
}

// remind records again, in each log that this replica joins, what that lacks, until ctx
// ends.
func (s *State) remind(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.joined:
		}
		for ctx.Err() == nil && s.recordLost(ctx) != nil {
			sleep(ctx, interval)
		}
	}
}

// recordLost records those ends of sessions again that the server does not know any more.
// Replicas that have begun without them hear of them by the log. Each begins with others, so
// that few are recorded twice.
func (s *State) recordLost(ctx context.Context) error {
	all, recorded := s.recall.since(time.Now().Add(-keepEnds)), 0
	rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	for some := range slices.Chunk(all, recalledAtOnce) {
		lost, err := s.lost(ctx, some)
		if err != nil {
			return err
		}
		for _, one := range lost {
			if _, err := s.record(ctx, one); err != nil {
				return err
			}
			recorded++
		}
	}
	if recorded > 0 {
		s.news()
		s.o.Log.Warn("the shared state had lost which sessions were ended: that is recorded again", "revocations", recorded)
	}
	return nil
}

// lost are those revocations whose ends the server does not know. Where it remembers
// nothing that old, older sessions have ended in any case, but not identity tokens.
func (s *State) lost(ctx context.Context, list []Revocation) (lost []Revocation, err error) {
	of := []EndOf{founded}
	for _, one := range list {
		of = append(of, one.Ends()...)
	}
	known, err := s.knownEnds(ctx, of)
	if err != nil {
		return nil, err
	}
	for _, one := range list {
		missing := slices.ContainsFunc(one.Ends(), func(end EndOf) bool { return known[end].Before(one.At) })
		if missing && (one.OfIdentities() || known[founded].Before(one.At)) {
			lost = append(lost, one)
		}
	}
	return lost, nil
}

// knownEnds are the moments that the server knows of some ends, by all keys of the
// keyring: zero where one of them is missing.
func (s *State) knownEnds(ctx context.Context, of []EndOf) (map[EndOf]time.Time, error) {
	keys := s.endKeys(of)
	values, err := s.list(ctx, revokeTimeout, ended, keys)
	if err != nil {
		return nil, err
	}
	if len(values) != len(keys) {
		return nil, errAnswer
	}
	known := make(map[EndOf]time.Time, len(of))
	for i, value := range values {
		end := of[i%len(of)]
		at, _ := s.moment(keys, i, value)
		if before, ok := known[end]; !ok || at.Before(before) {
			known[end] = at
		}
	}
	return known, nil
}
