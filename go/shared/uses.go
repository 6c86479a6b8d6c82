package shared

import (
	"context"
	"strconv"
	"time"
)

// Use counts one use of what has a name and ends at end, of which the whole
// fleet allows limit. It reports whether this one is within. After an error,
// which wraps ErrAway, it may have been counted.
func (s *State) Use(ctx context.Context, name string, limit int, end time.Time) (bool, error) {
	answer, err := s.run(ctx, use, []string{s.key("uses:" + s.names.Name("use", name))},
		strconv.Itoa(limit), strconv.FormatInt(end.Add(usesSlack).UnixMilli(), 10))
	if err != nil {
		return false, err
	}
	n, err := answer.AsInt64()
	if err != nil {
		return false, errAnswer
	}
	return n == 1, nil
}

// usesSlack is how much longer a count is kept than what it counts is good for:
// the clocks of replicas and the server differ.
const usesSlack = time.Hour
