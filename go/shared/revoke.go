package shared

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/valkey-io/valkey-go"

	"osp/go/seal"
)

var errAnswer = fmt.Errorf("%w: it answers nonsense", ErrAway)

// ErrUnconfirmed says that a revocation is recorded, but that some replica may
// still answer by what it remembers.
var ErrUnconfirmed = errors.New("not every replica has confirmed the revocation in time")

// poll is how often somebody who waits looks.
const poll = 2 * time.Millisecond

// news is called for each message of the channel.
func (s *State) news(valkey.PubSubMessage) {
	select {
	case s.wake <- struct{}{}:
	default: // somebody has said so already
	}
}

// Revoke makes everything void that the fleet remembers about a token, a
// bucket, or both together; nil matches all. It returns when no replica
// answers by it any more: each has said so, or its lease is over, which takes
// a Lease at most. Its errors are ErrAway, when nothing was recorded,
// ErrUnconfirmed when ctx ends before, and ctx's own.
func (s *State) Revoke(ctx context.Context, token, bucket *string) error {
	if s == nil {
		return nil
	}
	for {
		number, entry, err := s.record(ctx, token, bucket)
		if err != nil {
			return err
		}
		recorded := time.Now()
		lost, err := s.confirmed(ctx, number, entry, recorded)
		if !lost {
			return err
		}
	}
}

// record writes the revocation into the log.
func (s *State) record(ctx context.Context, token, bucket *string) (number, entry string, err error) {
	raw, err := json.Marshal(revocation{bytes(token), bytes(bucket)})
	if err != nil {
		return "", "", err
	}
	entry = string(s.entries.Seal(s.key("log"), raw))
	keys := []string{s.key("log"), s.key("number"), s.key("changed")}
	for _, names := range s.namers { // replicas whose keyring begins with another key look there
		keys = append(keys, s.scope(names, token, bucket))
		if token != nil {
			keys = append(keys, s.clientScope(names, *token))
		}
	}
	keep := milliseconds(keepScopes)
	if token == nil && bucket == nil {
		keep = "0"
	}
	answer, err := s.run(ctx, revoke, keys, entry, keep)
	if err != nil {
		return "", "", err
	}
	n, err := answer.AsInt64()
	if err != nil {
		return "", "", errAnswer
	}
	return strconv.FormatInt(n, 10), entry, nil
}

// confirmed waits until nobody can answer by what was revoked. It reports that
// the log has lost the entry, which then has to be written again.
func (s *State) confirmed(ctx context.Context, number, entry string, recorded time.Time) (lost bool, err error) {
	for {
		answer, err := s.run(ctx, behind, []string{s.key("replicas"), s.key("log")}, number, entry)
		n := int64(1)
		if err == nil {
			if n, err = answer.AsInt64(); err != nil {
				return false, errAnswer
			}
		}
		switch {
		case n < 0:
			return true, nil
		case n == 0, err == nil && time.Since(recorded) > Lease:
			return false, nil
		}
		select {
		case <-ctx.Done():
			return false, fmt.Errorf("%w: %w", ErrUnconfirmed, context.Cause(ctx))
		case <-time.After(poll):
		}
	}
}

// scope is the key of what a revocation is about.
func (s *State) scope(names *seal.Namer, token, bucket *string) string {
	switch {
	case token == nil && bucket == nil:
		return s.key("all")
	case bucket == nil:
		return s.key("token:" + names.Name("token", *token))
	case token == nil:
		return s.key("bucket:" + names.Name("bucket", *bucket))
	default:
		return s.key("both:" + names.Name("both", *token, *bucket))
	}
}

// clientScope is the scope of what is known of a client alone, which every
// revocation of the client makes void, also one for a bucket.
func (s *State) clientScope(names *seal.Namer, token string) string {
	return s.key("client:" + names.Name("client", token))
}

func bytes(t *string) []byte {
	if t == nil {
		return nil
	}
	return append([]byte{}, *t...)
}
