package shared

import (
	"context"
	"encoding/binary"
	"strconv"
	"strings"
	"time"

	"github.com/valkey-io/valkey-go"

	"osp/go/seal"
)

// keepEnds is how long it is remembered that sessions were ended: longer than any of
// them may last.
const keepEnds = 48 * time.Hour

// EndOf is one thing by which sessions are ended: its kind, and which of them; for all
// sessions there is one kind and no name.
type EndOf struct{ Kind, Name string }

// Ends are by what a revocation ends sessions.
func (r Revocation) Ends() []EndOf {
	switch {
	case !r.OfSessions():
		return nil
	case r.Role != nil && r.Subject != nil:
		return []EndOf{{"role and subject", Fields(*r.Role, *r.Subject)}}
	case r.Role != nil:
		return []EndOf{{"role", *r.Role}}
	case r.Subject != nil:
		return []EndOf{{"subject", *r.Subject}}
	case r.Token != nil:
		return []EndOf{{"token", *r.Token}, {"access key", *r.Token}}
	}
	return []EndOf{{Kind: "all"}}
}

// founded is the end of all sessions that are older than what is remembered here: a
// server that has lost everything has lost other ends, too.
var founded = EndOf{Kind: "founded"}

// end remembers a moment, wherever no later one stands: that is recorded again which a
// server may have lost. What it compares stands before what is sealed, with a colon.
// KEYS: where. ARGV: for how long (ms), the moment (Unix microseconds), and it sealed for
// each of them.
var end = valkey.NewLuaScript(`
for i, key in ipairs(KEYS) do
  local there = redis.pcall('GET', key)
  local at = type(there) == 'string' and tonumber(string.match(there, '^(-?%d+):'))
  if not at or at <= tonumber(ARGV[2]) then redis.call('SET', key, ARGV[2] .. ':' .. ARGV[i + 2], 'PX', ARGV[1]) end
end
return 1
`)

// find remembers moments for ever where there is none. KEYS: where. ARGV: the moments,
// sealed.
var find = valkey.NewLuaScript(`
for i, key in ipairs(KEYS) do redis.call('SET', key, ARGV[i], 'NX') end
return 1
`)

// ended returns what stands at some keys.
var ended = valkey.NewLuaScript(`
local found = {}
for i, key in ipairs(KEYS) do found[i] = redis.call('GET', key) end
return found
`)

// endSessions remembers which sessions a revocation ends.
func (s *State) endSessions(ctx context.Context, what Revocation) error {
	keys := s.endKeys(what.Ends())
	if len(keys) == 0 {
		return nil
	}
	_, err := s.exec(ctx, revokeTimeout, end, keys,
		append([]string{milliseconds(keepEnds), strconv.FormatInt(what.At.UnixMicro(), 10)}, s.moments(keys, what.At)...)...)
	return err
}

// endKeys are where ends are remembered, by the names of all keys: replicas whose keyring
// begins with another key look there.
func (s *State) endKeys(of []EndOf) (keys []string) {
	for _, names := range s.namers {
		for _, one := range of {
			keys = append(keys, s.key("ended:"+names.Name(one.Kind, one.Name)))
		}
	}
	return keys
}

// endBox is that of one of endKeys. What stands by the name of a key is sealed by that
// key, whoever writes it: it stays for long, also when others leave the keyring.
func (s *State) endBox(keys []string, i int) *seal.Box { return s.ends[i*len(s.ends)/len(keys)] }

// moments seals a moment for each of endKeys.
func (s *State) moments(keys []string, at time.Time) []string {
	sealed := make([]string, len(keys))
	for i, key := range keys {
		sealed[i] = string(s.endBox(keys, i).Seal(key, binary.BigEndian.AppendUint64(nil, uint64(at.UnixMicro()))))
	}
	return sealed
}

// moment reads what stands at one of endKeys; false where nothing does. What nobody of the fleet
// has written is now: nothing older is sure.
func (s *State) moment(keys []string, i int, value valkey.ValkeyMessage) (at time.Time, there bool) {
	sealed, err := value.ToString()
	if valkey.IsValkeyNil(err) {
		return at, false
	}
	sealed = strings.TrimLeft(sealed, "-0123456789:") // what the script compares: nothing that is sealed begins so
	raw, ok := s.endBox(keys, i).Open(keys[i], []byte(sealed))
	if err != nil || !ok || len(raw) != 8 {
		return time.Now(), true
	}
	return time.UnixMicro(int64(binary.BigEndian.Uint64(raw))), true
}

// EndedAt is when sessions that any of these is about were last ended: older ones are
// over. Its error wraps ErrAway, or is ctx's.
func (s *State) EndedAt(ctx context.Context, of []EndOf) (time.Time, error) {
	last, known, err := s.lastEnd(ctx, append([]EndOf{founded}, of...))
	if err == nil && !known { // it was lost since this replica has begun
		return time.Now(), s.found(ctx)
	}
	return last, err
}

// SaidAt is when the last of these ends was asked for; zero if none was. It does not tell
// of ends that were lost.
func (s *State) SaidAt(ctx context.Context, of []EndOf) (time.Time, error) {
	last, _, err := s.lastEnd(ctx, of)
	return last, err
}

// lastEnd is when the last of these was, and whether the first of them is remembered.
func (s *State) lastEnd(ctx context.Context, of []EndOf) (last time.Time, first bool, err error) {
	keys := s.endKeys(of)
	reply, err := s.run(ctx, ended, keys)
	if err != nil {
		return last, false, err
	}
	values, err := reply.ToArray()
	if err != nil || len(values) != len(keys) {
		return last, false, errAnswer
	}
	for i, value := range values {
		at, there := s.moment(keys, i, value)
		first = first || there && i%len(of) == 0
		if at.After(last) {
			last = at
		}
	}
	return last, first, nil
}

// found ends all older sessions if nothing is remembered of any end: whoever begins in a
// log sees to that, before the first session is issued. Keys that the keyring did not
// have then get the moment that the others have.
func (s *State) found(ctx context.Context) error {
	keys := s.endKeys([]EndOf{founded})
	reply, err := s.exec(ctx, beatTimeout, ended, keys)
	if err != nil {
		return err
	}
	values, err := reply.ToArray()
	if err != nil || len(values) != len(keys) {
		return errAnswer
	}
	since, missing := time.Now(), false
	for i, value := range values {
		at, there := s.moment(keys, i, value)
		if there && at.Before(since) {
			since = at
		}
		missing = missing || !there
	}
	if missing {
		_, err = s.exec(ctx, beatTimeout, find, keys, s.moments(keys, since)...)
	}
	return err
}
