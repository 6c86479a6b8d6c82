package shared

import (
	"context"
	"strconv"
	"time"
)

const (
	// usesSlack is how much longer a count is kept than what it counts is good for:
	// the clocks of replicas differ, and the server's may be set.
	usesSlack = time.Hour
	// leastUses is how long a count is kept at least.
	leastUses = time.Minute
)

// Use counts one use of what has a name and ends at end, of which the whole
// fleet allows limit. It reports whether this one is within. After an error,
// which wraps ErrAway, it may have been counted.
func (s *State) Use(ctx context.Context, name string, limit int, end time.Time) (bool, error) {
	counts := make([]string, len(s.namers))
	for i, names := range s.namers {
		counts[i] = s.key("uses:" + names.Name("use", name))
	}
	// By how long it is still good, since the server may have another time.
	last := max(time.Until(end)+usesSlack, leastUses)
	answer, err := s.run(ctx, use, counts, strconv.Itoa(limit), milliseconds(last))
	if err != nil {
		return false, err
	}
	n, err := answer.AsInt64()
	if err != nil {
		return false, errAnswer
	}
	return n == 1, nil
}
