package shared

import "github.com/valkey-io/valkey-go"

// Scripts about the log of revocations. Times are the server's (TIME), never a
// replica's. What can't be read is treated as absent.
//
// A log has an identity, a random text of 22 letters, and belongs to one process
// of the server, for as long as that takes writes: a server that was started
// again, or another one that took over, may have lost the end of the log, so a
// new log begins. Its term is higher than any that is known, so that nobody goes
// back from it. The names of all values and scopes hold the log's identity: with
// a new log they do not exist. Each revocation has a number and an id, random as
// well: numbers alone could be given twice.

// headOf is the beginning of scripts that look at the log: head() returns what
// KEYS[1] says, or nil; follows() whether a log goes on from what somebody has
// seen of it.
const headOf = `
local function count(text)
  local n = tonumber(text or '')
  if not n or n < 0 or n >= 2^40 or n % 1 ~= 0 then return nil end
  return n
end
local function head()
  local h = redis.pcall('HMGET', KEYS[1], 'log', 'number', 'last', 'server', 'term')
  if h.err then return nil end
  local number, term = count(h[2]), count(h[5])
  if not h[1] or #h[1] ~= 22 or not h[3] or #h[3] ~= 22 or not h[4] or not number or not term then return nil end
  return {log = h[1], number = number, last = h[3], server = h[4], term = term}
end
local function follows(h, entries, log, number, last)
  if not h or h.log ~= log or h.number < number then return false end
  if h.number == number then return h.last == last end
  if number == 0 then return true end
  local e = redis.pcall('ZRANGEBYSCORE', entries, number, number)
  return not e.err and #e == 1 and string.sub(e[1], 1, 22) == last
end
`

// clock is the beginning of scripts that know the time and the server's process.
const clock = `
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
`

// The process and what it copies: that changes whenever one begins to take writes.
// It changes, too, when a first copy attaches, or repl-backlog-ttl has passed since
// the last one left: a new log begins then, though nothing was lost. A server that
// does not tell processes apart is of no use.
const process = `
local info = redis.call('INFO', 'server', 'replication')
local run, copies = string.match(info, 'run_id:(%w+)'), string.match(info, 'master_replid:(%w+)')
if not run or not copies then return redis.error_reply('ERR INFO lacks run_id or master_replid') end
local process = run .. ':' .. copies
`

// adopt returns the head of the log; a new log begins where there is none, it
// is another process's, or the caller knows of a later one, or of another one of
// that term. The caller may leave a sealed text there, by which others see whether
// they have the same keyring.
//
// KEYS: head. ARGV: the highest term that is known, and its log, empty if that is
// lost; the identity of a new one; the sealed text.
// -> {log, number, last, term, the sealed text that was there}.
var adopt = valkey.NewLuaScript(headOf + process + `
local h = head()
local term = tonumber(ARGV[1])
if h and h.server == process and (h.term > term or h.term == term and h.log == ARGV[2]) then
  local sealed = redis.call('HGET', KEYS[1], 'sealed') or ''
  if ARGV[4] ~= '' then redis.call('HSET', KEYS[1], 'sealed', ARGV[4]) end
  return {h.log, h.number, h.last, h.term, sealed}
end
if h then term = math.max(term, h.term) end
term = string.format('%d', term + 1)
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'log', ARGV[3], 'number', 0, 'last', ARGV[3], 'server', process, 'term', term, 'sealed', ARGV[4])
return {ARGV[3], 0, ARGV[3], tonumber(term), ''}
`)

// beat says that a replica lives and has applied all revocations up to one, and
// returns those that came since: none if they are more than it could be sent.
//
// A replica is a member of two sets: one by what it has applied, which also
// knows since when it has all of them ("born"), one by when it was last heard
// of. Who was silent for long is removed; it seems so, too, when the clock is set
// forward, so from then on the set has to prove itself again.
//
// A set that has just begun lacks replicas that live, and whoever took it for whole
// would take for itself what is theirs. So until it is as old as a replica counts that
// is silent ("begun"), and has had the time to hear of everybody since some were
// removed, the number of replicas is the largest that any of them knows.
//
// KEYS: head, log, applied, heard. ARGV: log's identity, number and id of the last
// revocation applied, who, after how many ms of silence replicas are gone, how
// long the keys are kept (ms), how many entries and bytes are sent, how many entries
// the log keeps, how many replicas it knows of, within how many ms each is heard. Who
// has missed more than those entries can't tell that the log goes on from what it
// knows, and is sent none.
// -> {"lost"}, or {"ok", number, last, replicas, {entry, ...}}.
var beat = valkey.NewLuaScript(headOf + clock + process + `
local h = head()
local applied = tonumber(ARGV[2])
if not h or h.server ~= process or h.log ~= ARGV[1] then return {'lost'} end
if applied > h.number - tonumber(ARGV[9]) and not follows(h, KEYS[2], ARGV[1], applied, ARGV[3]) then return {'lost'} end
redis.call('ZADD', KEYS[3], applied, ARGV[4])
redis.call('ZADD', KEYS[4], now, ARGV[4])
local gone = redis.call('ZRANGEBYSCORE', KEYS[4], '-inf', now - tonumber(ARGV[5]), 'LIMIT', 0, 100)
for _, who in ipairs(gone) do
  redis.call('ZREM', KEYS[3], who)
  redis.call('ZREM', KEYS[4], who)
end
if #gone > 0 then redis.call('ZADD', KEYS[3], now, 'born') end
local replicas, born = redis.call('ZCARD', KEYS[4]), tonumber(redis.call('ZSCORE', KEYS[3], 'born') or '')
local seen = redis.call('HMGET', KEYS[1], 'begun', 'replicas')
local begun = tonumber(seen[1] or '')
if not born or redis.call('ZCARD', KEYS[3]) ~= replicas + 1 then
  redis.call('DEL', KEYS[3], KEYS[4]) -- one of the two was lost, so both begin again: each beat would find them unequal
  redis.call('ZADD', KEYS[3], now, 'born', applied, ARGV[4])
  redis.call('ZADD', KEYS[4], now, ARGV[4])
  replicas, born, begun = 1, now, nil
end
if not begun or begun > now then
  begun = now
  redis.call('HSET', KEYS[1], 'begun', now)
end
if now - begun >= tonumber(ARGV[5]) and now - born >= tonumber(ARGV[11]) then
  redis.call('HDEL', KEYS[1], 'replicas')
else
  replicas = math.max(replicas, tonumber(ARGV[10]), count(seen[2]) or 0)
  redis.call('HSET', KEYS[1], 'replicas', replicas)
end
for i = 2, 4 do redis.call('PEXPIRE', KEYS[i], ARGV[6]) end
local entries = {}
if h.number > applied and h.number - applied <= tonumber(ARGV[7]) then
  entries = redis.call('ZRANGEBYSCORE', KEYS[2], applied + 1, h.number)
  local size = 0
  for _, entry in ipairs(entries) do size = size + #entry end
  if size > tonumber(ARGV[8]) then entries = {} end
end
return {'ok', h.number, h.last, replicas, entries}
`)

// revoke adds to the log, and makes the scopes' epochs void: that of everything,
// too, if answers are named by keys that the caller does not have.
//
// Nothing is written a second time: whoever tries again may have been heard before.
//
// KEYS: head, log, channel, the scope of everything, and the scopes that are
// revoked. ARGV: log's identity, the entry's id, the sealed entry, how many are
// kept, for how long (ms), and the marks of the caller's keys.
// -> {"lost"}, or {"ok", number}.
var revoke = valkey.NewLuaScript(headOf + process + `
local h = head()
if not h or h.server ~= process or h.log ~= ARGV[1] then return {'lost'} end
local there = redis.call('ZSCORE', KEYS[2], ARGV[2] .. ARGV[3])
if there then return {'ok', tonumber(there)} end
local n = h.number + 1
redis.call('HSET', KEYS[1], 'number', n, 'last', ARGV[2])
redis.call('ZADD', KEYS[2], n, ARGV[2] .. ARGV[3])
redis.call('ZREMRANGEBYRANK', KEYS[2], 0, -1 - tonumber(ARGV[4]))
redis.call('PEXPIRE', KEYS[2], ARGV[5])
for i = 5, #KEYS do redis.call('DEL', KEYS[i]) end
local ours = {}
for i = 6, #ARGV do ours[ARGV[i]] = true end
for _, mark in ipairs(redis.call('HKEYS', KEYS[1])) do
  if string.sub(mark, 1, 4) == 'key:' and not ours[mark] then
    redis.call('DEL', KEYS[4])
    redis.call('HDEL', KEYS[1], mark)
  end
end
redis.call('PUBLISH', KEYS[3], h.log .. n)
return {'ok', n}
`)

// behind counts the replicas that have not applied a revocation yet. It can't
// know before the set of those that have is old enough to have them all.
//
// KEYS: head, log, applied. ARGV: log's identity, number and id of the
// revocation, how old the set has to be (ms).
// -> how many, -1 if the log has lost the entry, -2 if that is not known.
var behind = valkey.NewLuaScript(headOf + clock + process + `
local h = head()
local number = tonumber(ARGV[2])
if not h or h.server ~= process or not follows(h, KEYS[2], ARGV[1], number, ARGV[3]) then return -1 end
local born = redis.pcall('ZSCORE', KEYS[3], 'born')
born = type(born) ~= 'table' and tonumber(born or '')
if not born or now - born < tonumber(ARGV[4]) then return -2 end
return redis.call('ZCOUNT', KEYS[3], '-inf', '(' .. number)
`)

// leave takes a replica out of those that are waited for.
//
// KEYS: applied, heard. ARGV: who.
var leave = valkey.NewLuaScript(`
redis.call('ZREM', KEYS[1], ARGV[1])
return redis.call('ZREM', KEYS[2], ARGV[1])
`)
