package shared

import "github.com/valkey-io/valkey-go"

// All scripts keep to one rule: what is remembered was born at a number of the
// log of revocations, and is good as long as no revocation of its scopes has a
// higher one. Times are the server's (TIME), never a replica's.

// scopes is the beginning of scripts that look at KEYS[2] to KEYS[5], the four
// scopes of a value: everything, its token, its bucket, both together.
const scopes = `
local function number(key) return tonumber(redis.call('GET', key) or '0') or 0 end
local revoked = 0
for i = 2, 5 do local n = number(KEYS[i]); if n > revoked then revoked = n end end
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
`

// take looks for a value, or takes the right to ask for it.
//
// KEYS: value, four scopes, marker, log's number, ask-yourself.
// ARGV: who, how long the marker lasts (ms), "1" to renew a value that is there.
// -> {"value", sealed, born, now}, {"wait"}, {"alone"} or {"ask", number, now}.
var take = valkey.NewLuaScript(scopes + `
local value = redis.call('HMGET', KEYS[1], 'born', 'sealed')
local born = tonumber(value[1] or '-1') or -1
if born >= revoked and value[2] and ARGV[3] ~= '1' then return {'value', value[2], born, now} end
if redis.call('EXISTS', KEYS[8]) == 1 then return {'alone'} end
local marker = redis.call('HMGET', KEYS[6], 'born', 'who')
local asked = tonumber(marker[1] or '-1') or -1
if asked >= revoked and marker[2] then return {'wait'} end
local n = number(KEYS[7])
redis.call('HSET', KEYS[6], 'born', n, 'who', ARGV[1])
redis.call('PEXPIRE', KEYS[6], ARGV[2])
return {'ask', n, now}
`)

// put writes the answer of whoever took the right to ask, unless what it was
// asked by has been revoked meanwhile.
//
// KEYS: as take. ARGV: who, born, sealed, ttl (ms).
// -> 1 if it is written.
var put = valkey.NewLuaScript(scopes + `
if redis.call('HGET', KEYS[6], 'who') ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[6])
if tonumber(ARGV[2]) < revoked then return 0 end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'born', ARGV[2], 'sealed', ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return 1
`)

// drop gives the right to ask back. With ARGV[2] others are told for so many
// milliseconds that they have to ask for themselves.
//
// KEYS: marker, ask-yourself. ARGV: who, ms or "0".
var drop = valkey.NewLuaScript(`
if redis.call('HGET', KEYS[1], 'who') ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
if ARGV[2] ~= '0' then redis.call('SET', KEYS[2], '1', 'PX', ARGV[2]) end
return 1
`)

// discard drops a value. KEYS: value.
var discard = valkey.NewLuaScript(`return redis.call('DEL', KEYS[1])`)

// hold makes a marker last longer. KEYS: marker. ARGV: who, ms.
var hold = valkey.NewLuaScript(`
if redis.call('HGET', KEYS[1], 'who') ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
`)

// use counts one use of something that may be used so many times.
//
// KEYS: count. ARGV: limit, end (ms of the Unix time).
// -> 1, or 0 past the limit.
var use = valkey.NewLuaScript(`
local n = redis.call('INCR', KEYS[1])
if n == 1 then redis.call('PEXPIREAT', KEYS[1], ARGV[2]) end
if n <= tonumber(ARGV[1]) then return 1 end
redis.call('DECR', KEYS[1])
return 0
`)

// beat says that a replica lives and has applied all revocations up to a
// number, and returns those that came since. A log that is behind what the
// replica has seen was lost (a failover, an empty start): it goes on from
// there, and everything that is older is void.
//
// KEYS: log, log's number, scope of everything, replicas.
// ARGV: who, applied (-1: new), highest seen, after how many ms of silence
// replicas are gone, how many entries the log keeps.
// -> {number, replicas, {entry, ...}}, entries with their numbers in front.
var beat = valkey.NewLuaScript(`
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local n = tonumber(redis.call('GET', KEYS[2]) or '0') or 0
local seen = tonumber(ARGV[3])
if n < seen then
  n = seen + 1
  redis.call('SET', KEYS[2], n)
  redis.call('SET', KEYS[3], n)
  redis.call('ZADD', KEYS[1], n, n .. ' ')
end
local applied = tonumber(ARGV[2])
if applied < 0 then applied = n end
redis.call('HSET', KEYS[4], ARGV[1], now .. ' ' .. applied)
local replicas = redis.call('HGETALL', KEYS[4])
local alive = 0
for i = 1, #replicas, 2 do
  local last = tonumber(string.match(replicas[i + 1], '^%d+') or '0') or 0
  if now - last > tonumber(ARGV[4]) then redis.call('HDEL', KEYS[4], replicas[i]) else alive = alive + 1 end
end
redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -1 - tonumber(ARGV[5]))
return {n, alive, redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. applied, '+inf')}
`)

// revoke adds to the log of revocations.
//
// KEYS: log, log's number, channel, and the scopes that are revoked. ARGV:
// sealed entry, how long the scopes' number is kept (ms; 0: for ever).
// -> the number.
var revoke = valkey.NewLuaScript(`
local n = redis.call('INCR', KEYS[2])
for i = 4, #KEYS do
  redis.call('SET', KEYS[i], n)
  if ARGV[2] ~= '0' then redis.call('PEXPIRE', KEYS[i], ARGV[2]) end
end
redis.call('ZADD', KEYS[1], n, n .. ' ' .. ARGV[1])
redis.call('PUBLISH', KEYS[3], n)
return n
`)

// behind counts the replicas that have not applied a number yet, if the log
// still has the entry that was given that number.
//
// KEYS: replicas, log. ARGV: number, sealed entry.
// -> how many, or -1 if the entry is lost.
var behind = valkey.NewLuaScript(`
local kept = redis.call('ZSCORE', KEYS[2], ARGV[1] .. ' ' .. ARGV[2])
if not kept then return -1 end
local n = 0
local replicas = redis.call('HVALS', KEYS[1])
for i = 1, #replicas do
  if (tonumber(string.match(replicas[i], ' (%d+)$') or '0') or 0) < tonumber(ARGV[1]) then n = n + 1 end
end
return n
`)
