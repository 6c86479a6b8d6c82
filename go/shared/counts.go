package shared

import (
	"sync/atomic"
	"time"
)

type counts struct {
	hits, misses, foreign, trips, failures, lost atomic.Uint64
	nanoseconds                                  atomic.Uint64
}

func (c *counts) trip(took time.Duration, err error) {
	c.trips.Add(1)
	c.nanoseconds.Add(uint64(took))
	if err != nil {
		c.failures.Add(1)
	}
}

// Stats are for metrics and the status page.
type Stats struct {
	Hits     uint64 // answers that another replica had asked for
	Misses   uint64 // answers that this one asked for, for all
	Foreign  uint64 // values that no key of the keyring opens
	Trips    uint64 // commands, with those that failed
	Failures uint64
	Took     time.Duration // all commands together
	Away     bool          // the breaker is open
	Leased   bool          // what is remembered may be used
	Lost     uint64        // how often the log of revocations was lost
	Behind   int64         // revocations that are known of but not applied yet
	Replicas int           // this one included
}

// Stats returns the counts since the start.
func (s *State) Stats() Stats {
	return Stats{
		Hits: s.counts.hits.Load(), Misses: s.counts.misses.Load(), Foreign: s.counts.foreign.Load(),
		Trips: s.counts.trips.Load(), Failures: s.counts.failures.Load(), Took: time.Duration(s.counts.nanoseconds.Load()),
		Lost: s.counts.lost.Load(), Behind: s.behindBy(), Away: s.breaker.open(), Leased: s.Generation() != 0, Replicas: s.Replicas(),
	}
}
