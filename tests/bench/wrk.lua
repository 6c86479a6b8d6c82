-- Sends the request of the file that BENCH_REQUEST names: a line with method and
-- path, lines with headers, an empty line, the body.
--
-- With BENCH_KEYS each request has a new access key where the text says @KEY@:
-- the signature of a request doesn't depend on the key's name, only on its secret.
-- With BENCH_SIGNATURES, and one thread, each differs in what the file of that name
-- says. Its first line has names, such as NAME SIGNATURE, and each other line, for one
-- request, what stands for @NAME@ and so on. Its end is the end of the load; wrk knows no other way to end
-- early than Ctrl-C, and until it has noticed, the last request goes on.

local ffi = require("ffi")
ffi.cdef("int kill(int pid, int signal); int getpid(void);")
local SIGINT = 2

local threads = 0

function setup(thread)
  thread:set("id", threads)
  threads = threads + 1
end

local keys = os.getenv("BENCH_KEYS")
local signatures = os.getenv("BENCH_SIGNATURES")
local text, lines, columns, last, made = nil, nil, {}, nil, 0

function init(args)
  local file = assert(io.open(os.getenv("BENCH_REQUEST"), "rb"))
  wrk.method, wrk.path = file:read("*l"):match("^(%S+) (%S+)$")
  for line in file:lines() do
    if line == "" then break end
    local name, value = line:match("^([^:]+): (.*)$")
    wrk.headers[name == "host" and "Host" or name] = value
  end
  local body = file:read("*a")
  file:close()
  if body ~= "" then wrk.body = body end
  text = wrk.format()
  if signatures then
    lines = assert(io.open(signatures))
    for column in lines:read("*l"):gmatch("%S+") do columns[#columns + 1] = column end
  end
end

if keys or signatures then
  -- wrk asks for every single request only if there is such a function.
  function request()
    made = made + 1
    local values = {}
    if keys then values.KEY = keys .. id .. "x" .. made end
    if lines then
      local line = lines:read("*l")
      if not line then
        ffi.C.kill(ffi.C.getpid(), SIGINT)
        return last
      end
      local column = 0
      for value in line:gmatch("%S+") do
        column = column + 1
        values[columns[column]] = value
      end
    end
    last = text:gsub("@(%u+)@", values)
    return last
  end
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '{"requests": %d, "microseconds": %d, "p50": %g, "p99": %g, "p999": %g, "broken": %d, "refused": %d}\n',
    summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(99), latency:percentile(99.9),
    errors.connect + errors.read + errors.write + errors.timeout, errors.status))
end
