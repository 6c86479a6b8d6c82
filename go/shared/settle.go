package shared

import (
	"context"
	"strconv"
	"time"

	"github.com/valkey-io/valkey-go"
)

// Claim is what a replica takes of an account that all replicas keep together: see
// package limits.
type Claim struct {
	Name []string // of the account

	Requests int64         // that are wanted; fewer may be given
	Milli    int64         // thousandths of requests a second that the account has
	Ahead    time.Duration // what the requests that may come at once cost

	In, Out               time.Duration // what the bytes cost that have been moved
	LateIn, LateOut       time.Duration // what others cost that nobody could slow down
	MostLate              time.Duration // how far those put the account ahead at most, whoever has moved them
	DayRequests, DayBytes int64         // that have been served on Day, and count if that is the server's
	Day                   int64         // since 1970, UTC
	Daily                 bool          // the account has days

	// What the replica has heard that all had taken on Day, and of which account: one that
	// the server has lost begins with no less. 0: it has heard of none.
	Born, KnownRequests, KnownBytes int64
}

// Grant is what a replica gets, and what all have taken.
type Grant struct {
	Requests int64
	Wait     time.Duration // until there is one again, if there is none

	In, Out               time.Duration // how far what is paid for is ahead of the clock
	DayRequests, DayBytes int64         // of the day at Time, this claim included if it is about that
	Born                  int64         // when the account was opened, in microseconds
	Time                  time.Time     // by the server's clock
}

const (
	// keepAccount is how long an account outlives what is paid for.
	keepAccount = 10 * time.Second
	// keepDay is how long one with days does.
	keepDay = 26 * time.Hour
	// MostAhead bounds how long an account is closed because of its bytes, whatever
	// stands at the server, or a clock says that was set back.
	MostAhead = 10 * time.Second
)

// Life is how long the server keeps the account after a claim, if no other one has it kept
// for longer.
func (c *Claim) Life() time.Duration {
	if c.Daily {
		return max(keepDay, keepAccount+c.Ahead)
	}
	return keepAccount + c.Ahead + MostAhead
}

// Settle takes what a claim says. After an error, which wraps ErrAway, it may have been
// taken.
func (s *State) Settle(ctx context.Context, c Claim) (Grant, error) {
	name := s.key("limit:" + s.names.Name(append([]string{"limit"}, c.Name...)...))
	number := func(n int64) string { return strconv.FormatInt(n, 10) }
	micro := func(d time.Duration) string { return number(d.Microseconds()) }
	message, err := s.run(ctx, settle, []string{name}, number(c.Requests), number(max(1, c.Milli)), micro(c.Ahead), micro(c.In), micro(c.Out),
		number(c.DayRequests), number(c.DayBytes), milliseconds(c.Life()), micro(MostAhead), number(c.Day),
		number(c.Born), number(c.KnownRequests), number(c.KnownBytes), micro(c.LateIn), micro(c.LateOut), micro(c.MostLate))
	if err != nil {
		return Grant{}, err
	}
	n, err := message.AsIntSlice()
	if err != nil || len(n) != 8 {
		return Grant{}, errAnswer
	}
	micros := func(n int64) time.Duration { return time.Duration(n) * time.Microsecond }
	return Grant{
		Requests: n[0], Wait: micros(n[1]), In: micros(n[2]), Out: micros(n[3]), DayRequests: n[4], DayBytes: n[5], Born: n[6], Time: time.UnixMicro(n[7]),
	}, nil
}

// settle is the generic cell rate algorithm by the server's clock, in microseconds:
// what has been taken of a rate is until when it is paid for. Requests are given as
// long as that is not too far ahead; bytes are charged, since they have been moved. A
// claim that wants no requests says nothing of their rate, and leaves alone what of them
// is paid for.
//
// KEYS: account. ARGV: requests wanted, thousandths of them a second, what those that
// may come at once cost, what the bytes in and those out cost, requests and bytes of the
// day, how long the account is kept at least (ms), how far bytes may be paid for at most,
// which day that is, when the account was opened that the replica knows, the requests
// and bytes of the day that it knows of, what the bytes in and those out cost that nobody
// could slow down, and how far those may be paid for at most. Replicas' clocks differ: what
// was counted on another day than the server's is not counted.
// -> {requests given, how long to wait for one, how far the bytes in and those out are
// ahead, requests and bytes of the day, when the account was opened, the time}
var settle = valkey.NewLuaScript(`
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local h = redis.pcall('HMGET', KEYS[1], 'requests', 'in', 'out', 'day', 'day_requests', 'day_bytes', 'born')
if h.err then
  redis.call('DEL', KEYS[1])
  h = {}
end
local arg = {}
for i = 1, 16 do arg[i] = tonumber(ARGV[i]) end
local function count(text)
  local n = tonumber(text or '')
  if not n or n ~= n or n < 0 or n > 2^53 then return 0 end
  return n
end
local function paid(text, most) return math.min(math.max(count(text), now), now + most) end
local function text(n) return string.format('%.0f', n) end
local given, wait = 0, 0
if arg[1] > 0 then
  local each, ahead = 1000000000 / arg[2], arg[3]
  local requests = paid(h[1], ahead)
  given = math.max(0, math.min(arg[1], math.floor((ahead - (requests - now)) / each + 0.001)))
  requests = requests + given * each
  if given == 0 then wait = math.max(1, math.ceil(requests - now + each - ahead)) end
  redis.call('HSET', KEYS[1], 'requests', text(requests))
end
local function charged(text, cost, late)
  local paid = math.min(paid(text, arg[9]) + cost, now + arg[9])
  return math.max(paid, math.min(paid + late, now + arg[16]))
end
local came, went = charged(h[2], arg[4], arg[14]), charged(h[3], arg[5], arg[15])
local day = math.floor(t[1] / 86400)
local served, moved = 0, 0
if count(h[4]) == day then served, moved = count(h[5]), count(h[6]) end
local born = count(h[7])
if born == 0 then born = now end
if arg[10] == day then
  if arg[11] > 0 and arg[11] ~= born then served, moved = math.max(served, arg[12]), math.max(moved, arg[13]) end
  served, moved = math.max(0, served + arg[6]), math.max(0, moved + arg[7])
end
redis.call('HSET', KEYS[1], 'in', text(came), 'out', text(went), 'day', text(day), 'day_requests', text(served), 'day_bytes', text(moved), 'born', text(born))
redis.call('PEXPIRE', KEYS[1], ARGV[8], 'NX')
redis.call('PEXPIRE', KEYS[1], ARGV[8], 'GT')
return {given, wait, came - now, went - now, served, moved, born, now}
`)
