package shared

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

// interval is that of heartbeats, of which some may be lost within a Lease.
const interval = Lease / 4

// revocation is what stands in the log. nil matches all.
type revocation struct {
	Token  []byte `json:"t"` // bytes as clients sent them, which need not be UTF-8
	Bucket []byte `json:"b"`
}

// live beats until ctx ends: regularly, and whenever there is news.
func (s *State) live(ctx context.Context) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-s.wake:
		}
		_ = s.beat(ctx) // the breaker has logged it
	}
}

// listen hears of revocations at once. Without it they come with the next beat.
func (s *State) listen(ctx context.Context) {
	for ctx.Err() == nil {
		if client, err := s.connected(); err == nil {
			_ = client.Receive(ctx, client.B().Subscribe().Channel(s.key("changed")).Build(), s.news)
		}
		select {
		case <-ctx.Done():
		case <-time.After(interval):
		}
	}
}

// beat tells that this replica lives, applies what has been revoked, and
// only then renews the lease. When something was applied it says so at once,
// for whoever waits for that.
func (s *State) beat(ctx context.Context) error {
	for {
		asked := time.Now()
		before := s.applied.Load()
		answer, err := s.run(ctx, beat, []string{s.key("log"), s.key("number"), s.key("all"), s.key("replicas")},
			s.id, strconv.FormatInt(before, 10), strconv.FormatInt(s.seen.Load(), 10), milliseconds(silence), strconv.Itoa(keepLog))
		if err != nil {
			return err
		}
		parts, err := answer.ToArray()
		if err != nil || len(parts) != 3 {
			return errAnswer
		}
		number, err1 := parts[0].AsInt64()
		replicas, err2 := parts[1].AsInt64()
		entries, err3 := parts[2].AsStrSlice()
		if err1 != nil || err2 != nil || err3 != nil {
			return errAnswer
		}
		s.replicas.Store(replicas)
		s.apply(before, number, entries)
		s.lease.renew(asked)
		if before == number || before < 0 {
			return nil
		}
	}
}

// apply forgets what the log says, from the entry after before to number: by
// entry, or everything where one is missing or can't be read.
func (s *State) apply(before, number int64, entries []string) {
	if before >= 0 && number != before {
		revocations, ok := s.read(before, number, entries)
		if !ok {
			revocations = []revocation{{}}
		}
		for _, r := range revocations {
			s.o.Forget(text(r.Token), text(r.Bucket))
		}
	}
	s.applied.Store(number)
	if number > s.seen.Load() {
		s.seen.Store(number)
	}
}

// read reports false unless the log has every entry, and this replica reads all.
func (s *State) read(before, number int64, entries []string) ([]revocation, bool) {
	if int64(len(entries)) != number-before {
		return nil, false
	}
	out := make([]revocation, len(entries))
	for i, entry := range entries {
		n, sealed, ok := strings.Cut(entry, " ")
		if !ok || n != strconv.FormatInt(before+1+int64(i), 10) {
			return nil, false
		}
		raw, ok := s.entries.Open(s.key("log"), []byte(sealed))
		if !ok || json.Unmarshal(raw, &out[i]) != nil {
			return nil, false
		}
	}
	return out, true
}

func text(b []byte) *string {
	if b == nil {
		return nil
	}
	t := string(b)
	return &t
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }
