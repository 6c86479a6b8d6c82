package access

import (
	"context"
	"crypto/sha256"
	"errors"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"osp/go/cache"
	"osp/go/lru"
	"osp/go/s3err"
	"osp/go/session"
	"osp/go/shared"
)

const (
	// mostEnds bounds how many ends of sessions are remembered here. Past that all
	// sessions end that were issued before, which costs their holders new keys.
	mostEnds = 1 << 16
	// mostGoing bounds of how many sessions it is remembered that they go on.
	mostGoing = 1 << 14
)

var (
	errEnded   = s3err.ExpiredToken.Because(errors.New("the session was revoked"))
	errUndated = s3err.ExpiredToken.Msg("The identity token does not say when it was issued (iat), so it counts as older than what has been revoked.").
			Because(errors.New("the identity token has no iat"))
	errUnknown = errors.New("nobody can tell whether the session was revoked")
)

// Sessions knows which sessions were ended before their time. A replica remembers that
// itself, and asks the fleet once about each session, for as long as it has its lease. It
// is safe for concurrent use. Make it with NewSessions.
type Sessions struct {
	fleet *shared.State // nil: the process is alone
	going *cache.Cache[[sha256.Size]byte, struct{}]

	mu     sync.Mutex // held by who ends some
	latest time.Time  // of all ends
	any    atomic.Bool
	ends   *lru.Map[shared.EndOf, time.Time]
	all    atomic.Pointer[time.Time] // the latest of the ends that are not remembered one by one; nil: there are none
}

// NewSessions makes Sessions of a process, in a fleet unless that is nil.
func NewSessions(fleet *shared.State) *Sessions {
	s := &Sessions{
		fleet: fleet,
		going: cache.New[[sha256.Size]byte, struct{}](mostGoing, nil),
		ends:  lru.New[shared.EndOf, time.Time](mostEnds, maphash.Comparable, nil),
	}
	if fleet != nil {
		s.going.Trust(fleet.Generation, shared.Moment)
	}
	return s
}

// End ends the sessions that any of these revocations is about.
func (s *Sessions) End(list ...shared.Revocation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ended := false
	for _, one := range list {
		for _, of := range one.Ends() {
			s.end(of, one.At)
			ended = true
		}
	}
	if ended {
		s.going.Purge()
	}
}

// EndPairs ends the sessions for which any of these key pairs (creds.PairOf) has signed, in
// this process: what the others know of a pair is their owners' to say.
func (s *Sessions) EndPairs(pairs ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, pair := range pairs {
		s.end(endOfPair(pair), time.Now())
	}
}

// end notes one end; the caller holds mu.
func (s *Sessions) end(of shared.EndOf, at time.Time) {
	if at.After(s.latest) {
		s.latest = at
	}
	switch before, known := s.ends.Get(of); {
	case !known && s.ends.Len() >= mostEnds:
		latest := s.latest
		s.all.Store(&latest) // before the others go: see over
		s.ends.Purge()
	case at.After(before):
		s.ends.Add(of, at)
	}
	s.any.Store(true)
}

// over reports whether what is as old as that was ended, as this process remembers.
// Whoever misses an end that was just given up finds later what replaced it.
func (s *Sessions) over(since time.Time, ends []shared.EndOf) bool {
	for _, of := range ends {
		if at, ok := s.ends.Get(of); ok && !since.After(at) {
			return true
		}
	}
	all := s.all.Load()
	return all != nil && !since.After(*all)
}

var everySession = shared.Revocation{}.Ends()[0]

// Check returns nil if a session goes on: else ExpiredToken, or ServiceUnavailable where
// that can't be told.
func (s *Sessions) Check(ctx context.Context, in *session.Session) error {
	if s.any.Load() && s.over(in.Since, append(endsOf(in), endOfPair(in.Pair))) {
		return endedSince(in.Since)
	}
	if s.fleet == nil {
		return nil
	}
	digest := in.Digest()
	if _, ok := s.going.Lookup(digest); ok {
		return nil
	}
	_, err := s.going.Get(ctx, digest, func(ctx context.Context) (cache.Entry[struct{}], error) {
		return s.ask(ctx, in)
	})
	switch {
	case err == nil, errors.Is(err, errEnded), ctx.Err() != nil:
		return err
	}
	return s3err.ServiceUnavailable.Because(errors.Join(errUnknown, err))
}

// ask asks the fleet. What it says goes for all who wait.
func (s *Sessions) ask(ctx context.Context, in *session.Session) (going cache.Entry[struct{}], err error) {
	at, err := s.fleet.EndedAt(ctx, endsOf(in))
	switch {
	case err != nil:
		return going, cache.ForAll(err)
	case !in.Since.After(at):
		return going, cache.ForAll(endedSince(in.Since))
	}
	going.TTL = time.Until(in.Expires)
	return going, nil
}

// CheckIdentity returns nil if a session may be given for an identity token that was
// issued at that time: a revocation of whoever it is about ends what the token is good
// for, too, or it would get the same session once more. One of a role alone, or of all
// sessions, has its holders ask for new keys and ends nothing else.
func (s *Sessions) CheckIdentity(ctx context.Context, in *session.Session, issued time.Time) error {
	ends := endsOfIdentity(in)
	if s.over(issued, ends) {
		return endedSince(issued)
	}
	if s.fleet == nil {
		return nil
	}
	at, err := s.fleet.SaidAt(ctx, ends)
	switch {
	case err != nil && ctx.Err() != nil:
		return err
	case err != nil:
		return s3err.ServiceUnavailable.Because(errors.Join(errUnknown, err))
	case !at.IsZero() && !issued.After(at):
		return endedSince(issued)
	}
	return nil
}

// endedSince says why something is over that is as old as that. Who has an identity token
// without a time is told so: another one of its kind would fare no better.
func endedSince(since time.Time) error {
	if since.IsZero() {
		return errUndated
	}
	return errEnded
}

// endsOf are all by which a session may have been ended.
func endsOf(in *session.Session) []shared.EndOf {
	ends := []shared.EndOf{everySession, endOfToken(in.Token)}
	if in.AccessKey != "" { // else somebody shows the identity token itself
		ends = append(ends, endOfKey(in.AccessKey))
	}
	for _, key := range in.From {
		ends = append(ends, endOfKey(key))
	}
	if in.Caller != "" && in.Caller != in.Token {
		ends = append(ends, endOfToken(in.Caller))
	}
	if in.Role != "" {
		ends = append(ends, shared.Revocation{Role: &in.Role}.Ends()...)
	}
	return append(ends, endsOfSubject(in)...)
}

// endsOfSubject are those that name the subject of an identity token.
func endsOfSubject(in *session.Session) []shared.EndOf {
	if in.Subject == "" {
		return nil
	}
	ends := shared.Revocation{Subject: &in.Subject}.Ends()
	if in.Role != "" {
		ends = append(ends, shared.Revocation{Role: &in.Role, Subject: &in.Subject}.Ends()...)
	}
	return ends
}

// endsOfIdentity are those by which an identity token is good for no session any more. A
// token that is the role's name stands for all who have the role.
func endsOfIdentity(in *session.Session) []shared.EndOf {
	ends := endsOfSubject(in)
	if in.Token != in.Role {
		ends = append(ends, endOfToken(in.Token))
	}
	return ends
}

func endOfPair(pair string) shared.EndOf   { return shared.EndOf{Kind: "pair", Name: pair} }
func endOfToken(token string) shared.EndOf { return shared.Revocation{Token: &token}.Ends()[0] }
func endOfKey(key string) shared.EndOf     { return shared.Revocation{Token: &key}.Ends()[1] }
