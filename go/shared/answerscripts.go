package shared

import "github.com/valkey-io/valkey-go"

// Scripts about answers. An answer is good as long as each of its four scopes
// (everything, its token, its bucket, both together) has the epoch that it had
// when the answer was asked for. An epoch is a random text, made when it is first
// needed. A revocation deletes it, and so may the server, when it expires or is
// evicted: what is older is void then, and never becomes good again.

// epochsOf is the beginning of scripts that look at epochs: KEYS[3] to KEYS[6].
const epochsOf = headOf + `
local function epoch(key)
  local e = redis.pcall('GET', key)
  if type(e) == 'string' and #e == 22 then return e end
  return nil
end
local function epochs()
  local all = ''
  for i = 3, 6 do all = all .. (epoch(KEYS[i]) or '-') end
  return all
end
`

// fieldOf is the beginning of scripts that read values: field() returns a field of
// a hash, nil unless it is there and no longer than most.
const fieldOf = `
local function field(key, name, most)
  local size = redis.pcall('HSTRLEN', key, name)
  if type(size) ~= 'number' or size == 0 or size > most then return nil end
  return redis.call('HGET', key, name)
end
`

// take looks for an answer, or takes the right to ask for it. Nothing is given
// by a server that does not know all revocations that the replica knows. Whoever
// gets the right leaves the mark of the key that its names are made by: who
// revokes and does not have that key can't name these scopes.
//
// KEYS: head, log, four scopes, value, marker, ask-yourself. ARGV: log's
// identity, number and id of the last revocation applied, who, how long the
// marker lasts (ms), an epoch for scopes that have none, how long that lasts at
// least (ms), how long a sealed value may be, the mark.
// -> {"value", now, epochs, sealed}, {"renew", now, epochs, sealed} for a value
// that serves while the asker renews it, {"ask", now, epochs}, {"wait"},
// {"alone"} or {"lost"}.
var take = valkey.NewLuaScript(epochsOf + fieldOf + clock + `
if not follows(head(), KEYS[2], ARGV[1], tonumber(ARGV[2]), ARGV[3]) then return {'lost'} end
local current = epochs()
local sealed = field(KEYS[7], 'epochs', 88) == current and field(KEYS[7], 'sealed', tonumber(ARGV[8])) or nil
local due = sealed and tonumber(field(KEYS[7], 'renew', 20) or '')
if sealed and not (due and due > 0 and due <= now) then return {'value', now, current, sealed} end
local busy = field(KEYS[8], 'epochs', 88) == current
local alone = redis.call('EXISTS', KEYS[9]) == 1
if busy or alone then
  if sealed then return {'value', now, current, sealed} end
  return {alone and 'alone' or 'wait'}
end
current = ''
for i = 3, 6 do
  local e = epoch(KEYS[i])
  if not e then
    e = ARGV[6]
    redis.call('SET', KEYS[i], e)
    redis.call('PEXPIRE', KEYS[i], ARGV[7])
  else
    redis.call('PEXPIRE', KEYS[i], ARGV[7], 'GT')
  end
  current = current .. e
end
redis.call('HSET', KEYS[1], ARGV[9], 1)
redis.call('DEL', KEYS[8])
redis.call('HSET', KEYS[8], 'epochs', current, 'who', ARGV[4])
redis.call('PEXPIRE', KEYS[8], ARGV[5])
if sealed then return {'renew', now, current, sealed} end
return {'ask', now, current}
`)

// put writes the answer of whoever took the right to ask, unless what it was
// asked by has been revoked meanwhile, or the server has lost what the replica
// knows.
//
// KEYS: as take. ARGV: log's identity, number and id of the last revocation
// applied, who, the epochs that take gave, sealed, ttl (ms), when to renew it (ms
// of the server's time, 0: never), how long the scopes last at least (ms).
// -> 1 if it is written.
var put = valkey.NewLuaScript(epochsOf + fieldOf + `
if field(KEYS[8], 'who', 64) ~= ARGV[4] then return 0 end
redis.call('DEL', KEYS[8])
if not follows(head(), KEYS[2], ARGV[1], tonumber(ARGV[2]), ARGV[3]) then return 0 end
if epochs() ~= ARGV[5] then return 0 end
redis.call('DEL', KEYS[7])
redis.call('HSET', KEYS[7], 'epochs', ARGV[5], 'sealed', ARGV[6], 'renew', ARGV[8])
redis.call('PEXPIRE', KEYS[7], ARGV[7])
for i = 3, 6 do redis.call('PEXPIRE', KEYS[i], ARGV[9], 'GT') end
return 1
`)

// drop gives the right to ask back. Others are told for ARGV[2] milliseconds that
// they have to ask for themselves.
//
// KEYS: marker, ask-yourself. ARGV: who, ms.
var drop = valkey.NewLuaScript(`
local who = redis.pcall('HGET', KEYS[1], 'who')
if who ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
redis.call('SET', KEYS[2], '1', 'PX', ARGV[2])
return 1
`)

// look returns a value, whether or not its epochs are over.
//
// KEYS: value. ARGV: how long a sealed value may be.
// -> {"value", now, epochs, sealed} or {"none"}.
var look = valkey.NewLuaScript(fieldOf + clock + `
local epochs, sealed = field(KEYS[1], 'epochs', 88), field(KEYS[1], 'sealed', tonumber(ARGV[1]))
if not epochs or not sealed then return {'none'} end
return {'value', now, epochs, sealed}
`)

// discard drops a value, unless another one has taken its place.
//
// KEYS: value. ARGV: sealed.
var discard = valkey.NewLuaScript(`
if redis.pcall('HGET', KEYS[1], 'sealed') ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
`)

// hold makes a marker, and the scopes that it was made by, last longer.
//
// KEYS: marker, scopes. ARGV: who, ms for the marker, ms for the scopes.
var hold = valkey.NewLuaScript(`
if redis.pcall('HGET', KEYS[1], 'who') ~= ARGV[1] then return 0 end
for i = 2, #KEYS do redis.call('PEXPIRE', KEYS[i], ARGV[3], 'GT') end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
`)

// use counts one use of something that may be used so many times. What can't be
// a count is used up. The count stands under the name that each key of the ring
// gives it, and the highest one counts: it is exact as long as of two replicas one
// has a key that the other one has.
//
// KEYS: counts. ARGV: limit, how long they last (ms).
// -> 1, or 0 past the limit.
var use = valkey.NewLuaScript(`
local used = 0
for _, key in ipairs(KEYS) do
  local n = tonumber(redis.call('GET', key) or '0')
  if not n or n ~= n or n < 0 then return 0 end
  used = math.max(used, n)
end
if used >= tonumber(ARGV[1]) then return 0 end
for _, key in ipairs(KEYS) do redis.call('SET', key, used + 1, 'PX', ARGV[2]) end
return 1
`)
