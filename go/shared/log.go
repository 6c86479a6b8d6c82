package shared

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strconv"
	"time"

	"github.com/valkey-io/valkey-go"
)

const (
	// interval is that of heartbeats, of which some may be lost within a Lease.
	interval = Lease / 4
	// spacing is how far apart heartbeats are at least, however much news there is:
	// it comes from whoever may publish.
	spacing = Moment / 2
	// beatTimeout is how long one may take. It is not the timeout of commands for
	// which requests wait.
	beatTimeout = Lease / 2
	// revokeTimeout is how long each command of a revocation may take: wherever
	// heartbeats are in time, so that replicas answer by what they remember, there is
	// time to revoke it, also with a script that the server has to be sent first.
	revokeTimeout = 2 * beatTimeout
	// silence is how long a replica that ended without a word counts as one.
	silence = 30 * time.Second
	// heardWithin is how long it takes a replica that lives to be heard: to notice that it
	// is time, to connect, and to beat.
	heardWithin = interval + dialTimeout + beatTimeout
	// keepLog is how many revocations the log keeps. A replica that was away for
	// longer forgets everything.
	keepLog = 10_000
	// sentEntries and sentBytes bound what one heartbeat returns. A replica that is
	// further behind forgets everything.
	sentEntries, sentBytes = 1000, 1 << 20
	// keepKeys is how long the keys of a log outlive its last heartbeat.
	keepKeys = time.Hour
	// idSize is that of identities: 16 random bytes in letters of base64.
	idSize = 22
	// countable is what numbers and terms stay below, as count() of the scripts has it.
	countable = 1 << 40
)

func newID() string {
	var b [16]byte
	if _, err := rand.Read(b[:]); err != nil {
		panic(err) // crypto/rand never fails
	}
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// position is a place in a log of revocations: behind the one with that number
// and id, or at its beginning.
type position struct {
	log    string
	number int64
	last   string
	term   int64 // of the log
}

func (p position) args() []string {
	return []string{p.log, strconv.FormatInt(p.number, 10), p.last}
}

// valid refuses what no script returns.
func (p position) valid() bool {
	return len(p.log) == idSize && len(p.last) == idSize && p.number >= 0 && p.number < countable && p.term > 0 && p.term < countable
}

// entry is a Revocation as it stands in the log. nil matches all.
type entry struct {
	Token   []byte `json:"t"` // bytes as clients sent them, which need not be UTF-8
	Bucket  []byte `json:"b"`
	Role    []byte `json:"r"`
	Subject []byte `json:"s"`
	Keep    bool   `json:"k"`  // no session ends
	At      int64  `json:"at"` // Unix microseconds
}

func entryOf(r Revocation) entry {
	return entry{bytes(r.Token), bytes(r.Bucket), bytes(r.Role), bytes(r.Subject), r.KeepSessions, r.At.UnixMicro()}
}

func (e entry) revocation() Revocation {
	return Revocation{text(e.Token), text(e.Bucket), text(e.Role), text(e.Subject), e.Keep, time.UnixMicro(e.At)}
}

// live beats until ctx ends: regularly, and whenever there is news.
func (s *State) live(ctx context.Context) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for last := (time.Time{}); ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-s.wake:
			sleep(ctx, spacing-time.Since(last))
		}
		last = time.Now()
		_ = s.beat(ctx) // it has been logged
	}
}

// listen hears of revocations at once. Without it they come with the next beat.
func (s *State) listen(ctx context.Context) {
	for ctx.Err() == nil {
		if client, err := s.connected(ctx); err == nil {
			_ = client.Receive(ctx, client.B().Subscribe().Channel(s.channel()).Build(), s.told)
		}
		sleep(ctx, interval)
	}
}

// told is called with each revocation's log and number.
func (s *State) told(m valkey.PubSubMessage) {
	if len(m.Message) > idSize {
		if n, err := strconv.ParseInt(m.Message[idSize:], 10, 64); err == nil {
			at := position{log: m.Message[:idSize], number: n}
			s.newest.Store(&at)
		}
	}
	s.news()
}

// behindBy is how many revocations this replica has been told of that it has not
// applied yet.
func (s *State) behindBy() int64 {
	at, newest := s.at.Load(), s.newest.Load()
	if at == nil || newest == nil || at.log != newest.log {
		return 0
	}
	return max(0, newest.number-at.number)
}

// news makes the next beat come at once.
func (s *State) news() {
	select {
	case s.wake <- struct{}{}:
	default: // somebody has said so already
	}
}

// beat tells that this replica lives, applies what has been revoked, and only
// then renews the lease. When something was applied it says so at once, for
// whoever waits for that. It does not ask the breaker, and tells it the outcome.
func (s *State) beat(ctx context.Context) error {
	client := s.client.Load()
	took, err := s.catchUp(ctx)
	switch {
	case err == nil && took <= s.o.Timeout:
		s.breaker.beats()
		s.tellOfNewLog()
	case err != nil && ctx.Err() == nil:
		s.failed(client, err)
	}
	return err
}

// tellOfNewLog tells whoever wants to know that the server may have lost something.
func (s *State) tellOfNewLog() {
	if at := s.at.Load(); at != nil && at.log != s.began && s.onLog != nil && !s.breaker.open() {
		s.began = at.log
		s.onLog()
	}
}

// catchUp applies what has been revoked, tells so, and returns how long the last
// round trip took. What has come meanwhile is applied, too, and told by the next
// beat, so that this one ends however many revocations there are.
func (s *State) catchUp(ctx context.Context) (took time.Duration, err error) {
	for lost, applied := false, false; ; {
		if s.at.Load() == nil {
			if err := s.join(ctx); err != nil {
				return 0, err
			}
		}
		at := s.at.Load()
		asked := time.Now()
		now, entries, err := s.hear(ctx, *at)
		took = time.Since(asked)
		if !s.terms.allow(*at) { // a revocation has found a later log
			err = errLost
		}
		switch {
		case errors.Is(err, errLost) && !lost:
			lost = true
			s.lose(at.log)
			continue
		case err != nil:
			return took, err
		}
		s.apply(*at, now, entries)
		s.at.Store(&now)
		s.lease.renew(asked)
		switch {
		case now.number == at.number:
			return took, nil
		case applied:
			s.news()
			return took, nil
		}
		applied = true
	}
}

// lose forgets everything: the log does not go on from what this replica knows,
// so it can't know what was revoked. Old values at the server could be good
// again, too, so a new log begins, unless somebody else has begun one.
func (s *State) lose(log string) {
	s.lease.end()
	s.at.Store(nil)
	s.terms.lose(log)
	s.counts.lost.Add(1)
	s.o.Log.Warn("the shared state has lost revocations, or was started again: nothing of what it held is used")
}

// join takes the position at the end of the log.
func (s *State) join(ctx context.Context) error {
	at, err := s.adopt(ctx, beatTimeout)
	if err == nil {
		err = s.found(ctx)
	}
	if err != nil {
		return err
	}
	s.at.Store(&at)
	select {
	case s.joined <- struct{}{}:
	default: // somebody has said so already
	}
	return nil
}

// adopt returns the end of the log, which is a new one if there is none, or only
// one that this replica knows to be over. The server has so much time.
func (s *State) adopt(ctx context.Context, most time.Duration) (position, error) {
	for {
		term, log := s.terms.known()
		parts, err := s.list(ctx, most, adopt, []string{s.key("head")}, strconv.FormatInt(term, 10), log, newID(), s.sealed)
		if err != nil {
			return position{}, err
		}
		at, sealed, err := positionOf(parts)
		if err != nil {
			return at, err
		}
		if s.terms.allow(at) { // nobody has learned of a later one meanwhile
			s.warnOfForeign(sealed)
			return at, nil
		}
	}
}

// warnOfForeign says, once, that replicas have nothing in common.
func (s *State) warnOfForeign(sealed string) {
	if sealed == "" || s.opens(sealed) {
		return
	}
	s.foreign.Do(func() {
		s.o.Log.Warn("other replicas of this shared_namespace have another keyring: answers are not shared with them, and each revocation makes all answers void")
	})
}

// opens reports whether what a replica left at the server was sealed by a key of
// this keyring.
func (s *State) opens(sealed string) bool {
	_, ok := s.entries.Open(s.key("head"), []byte(sealed))
	return ok
}

func positionOf(parts []valkey.ValkeyMessage) (at position, sealed string, err error) {
	if len(parts) != 5 {
		return at, "", errAnswer
	}
	log, err1 := parts[0].ToString()
	number, err2 := parts[1].AsInt64()
	last, err3 := parts[2].ToString()
	term, err4 := parts[3].AsInt64()
	sealed, err5 := parts[4].ToString()
	at = position{log, number, last, term}
	if err := errors.Join(err1, err2, err3, err4, err5); err != nil || !at.valid() {
		return at, "", errAnswer
	}
	return at, sealed, nil
}

// hear sends one heartbeat and returns the end of the log, with the entries
// behind a position. Its error is errLost if the log does not have that.
func (s *State) hear(ctx context.Context, at position) (position, []string, error) {
	parts, err := s.list(ctx, beatTimeout, beat, []string{s.key("head"), s.logKey(at.log, "log"), s.logKey(at.log, "applied"), s.logKey(at.log, "heard")},
		append(at.args(), s.id, milliseconds(silence), milliseconds(keepKeys), strconv.Itoa(sentEntries), strconv.Itoa(sentBytes), strconv.Itoa(keepLog),
			strconv.FormatInt(s.replicas.Load(), 10), milliseconds(heardWithin))...)
	switch {
	case isWrongType(err): // what stands there is no log
		return position{}, nil, errLost
	case err != nil:
		return position{}, nil, err
	}
	if what, err := parts[0].ToString(); err != nil || what != "ok" || len(parts) != 5 {
		if what == "lost" {
			err = errLost
		} else {
			err = errAnswer
		}
		return position{}, nil, err
	}
	number, err1 := parts[1].AsInt64()
	last, err2 := parts[2].ToString()
	replicas, err3 := parts[3].AsInt64()
	entries, err4 := parts[4].AsStrSlice()
	now := position{at.log, number, last, at.term}
	if err := errors.Join(err1, err2, err3, err4); err != nil || !now.valid() || number < at.number {
		return position{}, nil, errAnswer
	}
	s.replicas.Store(replicas)
	return now, entries, nil
}

// apply forgets what the log says between two positions: by entry, or everything
// where one is missing or can't be read.
func (s *State) apply(from, to position, entries []string) {
	if to.number == from.number {
		return
	}
	revocations, ok := s.read(from, to, entries)
	if !ok {
		s.lease.end()
		return
	}
	s.recall.note(revocations)
	s.o.Forget(revocations)
}

// read reports false unless the log has every entry, and this replica reads all.
func (s *State) read(from, to position, entries []string) ([]Revocation, bool) {
	if int64(len(entries)) != to.number-from.number {
		return nil, false
	}
	out := make([]Revocation, len(entries))
	for i, sealed := range entries {
		if len(sealed) < idSize {
			return nil, false
		}
		var e entry
		raw, ok := s.entries.Open(s.entryName(from.log, sealed[:idSize]), []byte(sealed[idSize:]))
		if !ok || json.Unmarshal(raw, &e) != nil {
			return nil, false
		}
		out[i] = e.revocation()
	}
	return out, entries[len(entries)-1][:idSize] == to.last
}

// entryName is what an entry is sealed under: it opens in its log only.
func (s *State) entryName(log, id string) string { return s.logKey(log, "log") + ":" + id }

func text(b []byte) *string {
	if b == nil {
		return nil
	}
	t := string(b)
	return &t
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
