package shared

import (
	"context"
	"encoding/binary"
	"strconv"
	"time"

	"github.com/valkey-io/valkey-go"
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

// end writes a moment where there is none that is later. KEYS: where. ARGV: its value,
// sealed, for how long (ms; 0: for ever), and whether it may replace another.
var end = valkey.NewLuaScript(`
for i, key in ipairs(KEYS) do
  if ARGV[2 * i + 1] == '1' or redis.call('EXISTS', key) == 0 then
    redis.call('SET', key, ARGV[2 * i])
    if ARGV[1] ~= '0' then redis.call('PEXPIRE', key, ARGV[1]) end
  end
end
return 1
`)

// endSessions remembers which sessions a revocation ends.
func (s *State) endSessions(ctx context.Context, what Revocation) error {
	return s.markEnds(ctx, what.Ends(), what.At, keepEnds, true)
}

func (s *State) markEnds(ctx context.Context, of []EndOf, at time.Time, keep time.Duration, replace bool) error {
	if len(of) == 0 {
		return nil
	}
	keys, args := s.endKeys(of), []string{milliseconds(keep)}
	for _, key := range keys {
		args = append(args, string(s.ends.Seal(key, binary.BigEndian.AppendUint64(nil, uint64(at.UnixMicro())))), strconv.Itoa(map[bool]int{true: 1}[replace]))
	}
	client, err := s.connected()
	if err != nil {
		return err
	}
	return end.Exec(ctx, client, keys, args).Error()
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

// ended returns what stands at some keys.
var ended = valkey.NewLuaScript(`return redis.call('MGET', unpack(KEYS))`)

// EndedAt is when sessions that any of these is about were last ended: older ones are
// over. Its error wraps ErrAway, or is ctx's.
func (s *State) EndedAt(ctx context.Context, of []EndOf) (time.Time, error) {
	keys := s.endKeys(append([]EndOf{founded}, of...))
	reply, err := s.run(ctx, ended, keys)
	if err != nil {
		return time.Time{}, err
	}
	values, err := reply.ToArray()
	if err != nil || len(values) != len(keys) {
		return time.Time{}, errAnswer
	}
	var last time.Time
	missing := 0
	for i, value := range values {
		sealed, err := value.ToString()
		if valkey.IsValkeyNil(err) {
			if i%(len(of)+1) == 0 {
				missing++
			}
			continue
		}
		raw, ok := s.ends.Open(keys[i], []byte(sealed))
		if err != nil || !ok || len(raw) != 8 {
			return time.Now(), nil // somebody has written there: nothing is sure
		}
		if at := time.UnixMicro(int64(binary.BigEndian.Uint64(raw))); at.After(last) {
			last = at
		}
	}
	if missing == len(s.namers) { // this replica is the first to look
		last = time.Now()
		return last, s.markEnds(ctx, []EndOf{founded}, last, 0, false)
	}
	return last, nil
}
