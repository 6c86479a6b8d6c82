package shared

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"osp/go/seal"
)

const (
	// recordFor is how long recording is tried at least, also by somebody who
	// does not want to wait for confirmations.
	recordFor = time.Second
	// firstPoll and lastPoll are how often somebody who waits looks.
	firstPoll, lastPoll = 2 * time.Millisecond, 50 * time.Millisecond
)

// Moment is how long a revocation takes at least: who came within a moment after
// a question was asked came before any revocation of its answer had returned. So
// they may share the answer, even in a replica that hears nothing of the others.
const Moment = 40 * time.Millisecond

// recorded is a revocation in the log.
type recorded struct {
	at position
	// since is no earlier than when the log had it.
	since time.Time
}

// Revoke makes everything void that a revocation is about, in the fleet. It returns when no replica answers
// by it any more: each has said so, or its lease is over, which takes a little
// more than a Lease at most. Its errors are ErrNotRecorded and ErrUnconfirmed,
// when ctx ends before, or the State is closed; recording is tried for a second in
// any case.
func (s *State) Revoke(ctx context.Context, what Revocation) error {
	if s == nil {
		return nil
	}
	recording, cancel := s.alive(atLeast(ctx, recordFor))
	defer cancel()
	waiting, cancel := s.alive(context.WithCancel(ctx))
	defer cancel()
	for {
		r, err := s.record(recording, what)
		if err != nil {
			return err
		}
		s.news()
		if err := s.confirmed(waiting, r); !errors.Is(err, errLost) {
			return err
		}
	}
}

// atLeast is ctx, but with so much time.
func atLeast(ctx context.Context, least time.Duration) (context.Context, context.CancelFunc) {
	if end, ok := ctx.Deadline(); !ok || time.Until(end) >= least {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(context.WithoutCancel(ctx), least)
}

// alive is ctx, but ends with the State.
func (s *State) alive(ctx context.Context, cancel context.CancelFunc) (context.Context, context.CancelFunc) {
	stop := context.AfterFunc(s.life, cancel)
	return ctx, func() { stop(); cancel() }
}

// draft is a revocation that is to be recorded, once however often that is tried.
type draft struct {
	what   Revocation
	id     string
	log    string // for which it is sealed
	sealed string
}

// sealedFor seals it for a log.
func (d *draft) sealedFor(log string, s *State) string {
	if d.log != log {
		raw, err := json.Marshal(entryOf(d.what))
		if err != nil {
			panic(err) // bytes always marshal
		}
		d.log, d.sealed = log, string(s.entries.Seal(s.entryName(log, d.id), raw))
	}
	return d.sealed
}

// record writes the revocation into the log. It tries until ctx ends, whatever
// the breaker says: this must not be lost.
func (s *State) record(ctx context.Context, what Revocation) (recorded, error) {
	d := &draft{what: what, id: newID()}
	for pause := firstPoll; ; pause = min(2*pause, lastPoll) {
		r, err := s.write(ctx, d)
		if err == nil {
			return r, nil
		}
		sleep(ctx, pause)
		if ctx.Err() != nil {
			return r, fmt.Errorf("%w: %w", ErrNotRecorded, err)
		}
	}
}

// write writes it once, at the end of the log that is there. No copy of the server
// need have it: one that takes over begins a new log.
func (s *State) write(ctx context.Context, d *draft) (recorded, error) {
	at, err := s.adopt(ctx, revokeTimeout)
	if err == nil { // before the log has it: who looks after that finds it
		err = s.endSessions(ctx, d.what)
	}
	if err != nil {
		return recorded{}, err
	}
	list, err := s.list(ctx, revokeTimeout, revoke, s.revoked(at.log, d.what),
		append([]string{at.log, d.id, d.sealedFor(at.log, s), strconv.Itoa(keepLog), milliseconds(keepKeys)}, s.marks...)...)
	if err == nil && len(list) != 2 {
		err = errLost // since it was looked at
	}
	if err != nil {
		return recorded{}, err
	}
	r := recorded{since: time.Now()}
	number, err := list[1].AsInt64()
	r.at = position{at.log, number, d.id, at.term}
	if err != nil || !r.at.valid() {
		return r, errAnswer
	}
	return r, nil
}

// revoked are KEYS of the script revoke. Sessions are in no scope.
func (s *State) revoked(log string, what Revocation) []string {
	keys := []string{s.key("head"), s.logKey(log, "log"), s.channel(), s.scope(log, nil, nil, nil), s.logKey(log, "any")}
	if what.OnlySessions() {
		return keys
	}
	for _, names := range s.namers { // replicas whose keyring begins with another key look there
		keys = append(keys, s.scope(log, names, what.Token, what.Bucket))
		if what.Token != nil {
			keys = append(keys, s.clientScope(log, names, *what.Token))
		}
	}
	return keys
}

// confirmed waits until nobody can answer by what was revoked. Its error is
// errLost if the log has lost the entry, which then has to be written again.
func (s *State) confirmed(ctx context.Context, r recorded) error {
	for pause := firstPoll; ; pause = min(2*pause, lastPoll) {
		n, err := s.behind(ctx, r.at)
		since := time.Since(r.since)
		switch {
		case err != nil: // nothing is known: the server may have lost it
		case n == -1:
			return errLost
		case n == 0 && since > Moment+Moment/20, since > Lease+drift:
			return nil
		}
		sleep(ctx, pause)
		switch {
		case ctx.Err() == nil:
		case err == nil, errors.Is(err, ctx.Err()): // there is no more to say
			return ErrUnconfirmed
		default:
			return fmt.Errorf("%w: %w", ErrUnconfirmed, err)
		}
	}
}

// behind is how many replicas have not applied a revocation; -1 if it is lost, -2
// if that is not known.
func (s *State) behind(ctx context.Context, at position) (int64, error) {
	keys := []string{s.key("head"), s.logKey(at.log, "log"), s.logKey(at.log, "applied")}
	message, err := s.exec(ctx, revokeTimeout, behind, keys, append(at.args(), milliseconds(Lease+drift))...)
	if err != nil {
		return 0, err
	}
	return message.AsInt64()
}

// scope is the key of the epoch of what a revocation is about.
func (s *State) scope(log string, names *seal.Namer, token, bucket *string) string {
	switch {
	case token == nil && bucket == nil:
		return s.logKey(log, "all")
	case bucket == nil:
		return s.logKey(log, "token:"+names.Name("token", *token))
	case token == nil:
		return s.logKey(log, "bucket:"+names.Name("bucket", *bucket))
	default:
		return s.logKey(log, "both:"+names.Name("both", *token, *bucket))
	}
}

// clientScope is the scope of what is known of a client alone, which every
// revocation of the client makes void, also one for a bucket.
func (s *State) clientScope(log string, names *seal.Namer, token string) string {
	return s.logKey(log, "client:"+names.Name("client", token))
}

func bytes(t *string) []byte {
	if t == nil {
		return nil
	}
	return append([]byte{}, *t...)
}
