-- Replays a list made by typist.py. Requests are built in init(), before wrk's clock starts, so that sending one is
-- an index into a table. One thread: the edits of a draft belong in one order, and one thread is far from its limit.
--
-- wrk -t1 -s wrk.lua URL -- LIST TOKEN OFFSET KEY
--   LIST    "uuid<TAB>body" lines, played in a circle
--   OFFSET  where in the circle to start, so that a measurement goes on where the last one stopped
--   KEY     "-", or the beginning of an Idempotency-Key that a count makes unique

local thread_of_requests

function setup(thread)
  thread_of_requests = thread
end

local heads, bodies, key, at = {}, {}, nil, 0
sent, prepared_after = 0, 0

function init(args)
  local list, token, offset = args[1], args[2], tonumber(args[3])
  if args[4] ~= "-" then key = args[4] .. "-" end
  for line in io.lines(list) do
    local id, body = line:match("^(%S+)\t(.*)$")
    local head = "PATCH /api/v1/tasks/" .. id .. " HTTP/1.1\r\nHost: " .. wrk.headers["Host"]
      .. "\r\nAuthorization: Bearer " .. token .. "\r\nContent-Type: application/json\r\nContent-Length: " .. #body
    if key then
      table.insert(heads, head .. "\r\nIdempotency-Key: " .. key)
      table.insert(bodies, "\r\n\r\n" .. body)
    else
      table.insert(heads, head .. "\r\n\r\n" .. body)
    end
  end
  at = offset % #heads
  collectgarbage("collect")
  prepared_after = os.clock()
end

function request()
  at = at % #heads + 1
  sent = sent + 1
  if key then return heads[at] .. sent .. bodies[at] end
  return heads[at]
end

function done(summary, latency)
  local e, t = summary.errors, thread_of_requests
  io.write(string.format(
    '\n{"seconds": %.6f, "requests": %d, "sent": %d, "cpu_seconds": %.3f, '
      .. '"p50_ms": %.3f, "p90_ms": %.3f, "p99_ms": %.3f, "max_ms": %.3f, '
      .. '"errors": {"connect": %d, "read": %d, "write": %d, "timeout": %d, "status": %d}}\n',
    summary.duration / 1e6, summary.requests, t:get("sent"), os.clock() - t:get("prepared_after"),
    latency:percentile(50) / 1e3, latency:percentile(90) / 1e3, latency:percentile(99) / 1e3, latency.max / 1e3,
    e.connect, e.read, e.write, e.timeout, e.status))
end
