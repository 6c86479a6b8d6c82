-- Sends the request of the file that BENCH_REQUEST names: a line with the
-- method and the path, lines with headers, an empty line, the body.
-- With BENCH_KEYS the "@KEY@" in the headers is a new key for each request.
local thread_count = 0

function setup(thread)
  thread:set("id", thread_count)
  thread_count = thread_count + 1
end

local keys, made, before, after = os.getenv("BENCH_KEYS"), 0, nil, nil

function init(args)
  local file = assert(io.open(os.getenv("BENCH_REQUEST"), "rb"))
  local method, path = file:read("*l"):match("^(%S+) (%S+)$")
  for line in file:lines() do
    if line == "" then break end
    local name, value = line:match("^([^:]+): (.*)$")
    wrk.headers[name == "host" and "Host" or name] = value
  end
  local body = file:read("*a")
  file:close()
  wrk.method, wrk.path = method, path
  if body ~= "" then wrk.body = body end
  if keys then
    local text = wrk.format()
    local from, to = text:find("@KEY@", 1, true)
    before, after = text:sub(1, from - 1), text:sub(to + 1)
  end
end

if keys then
  -- wrk asks for each request only if this exists.
  function request()
    made = made + 1
    return before .. keys .. id .. "x" .. made .. after
  end
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '{"requests": %d, "microseconds": %d, "bytes": %d, "p50": %g, "p99": %g, "p999": %g, "broken": %d, "refused": %d}\n',
    summary.requests, summary.duration, summary.bytes,
    latency:percentile(50), latency:percentile(99), latency:percentile(99.9),
    errors.connect + errors.read + errors.write + errors.timeout, errors.status))
end
