/** A worker's value of a credential counts as there for this long after its last beat, ms. */
const SEEN_MS = 15_000
/** Longer than a usage limit lasts. */
const KEPT_MS = 8 * 86_400_000
/** A job whose value is parked here, while another worker has an open one, is offered again after this, ms. */
const ELSEWHERE_MS = 500

/**
 * Lua, part of the prelude: credentials that have met their usage limit. `{prefix}:credential:NAME` has for each value of it,
 * by the value's fingerprint, until when it is parked (`parked:FINGERPRINT`, JSON) and when a worker last had it (`seen:`).
 * Jobs of a credential with no open value are held in `{prefix}:held:credential:NAME`, by creation.
 */
export const CREDENTIALS = `
local function credential_key(name) return P .. ':credential:' .. name end
local function credential_held(name) return P .. ':held:credential:' .. name end

local function parked_value(name, value, now)
  local json = redis.call('HGET', credential_key(name), 'parked:' .. value)
  local e = json and cjson.decode(json)
  -- A job that waited for that moment itself may come this early: see EARLY_MS of begin.
  if e and e.resumesAt > now + 250 then return e end
end

-- The value that is open first, when all values that workers have are parked. Else nil.
local function closed_by(name, now)
  local h = redis.call('HGETALL', credential_key(name))
  local parked, seen, first = {}, {}, nil
  for at = 1, #h, 2 do
    local kind, value = string.match(h[at], '^(%a+):(.*)$')
    if kind == 'parked' then
      local e = cjson.decode(h[at + 1])
      if e.resumesAt > now then
        parked[value] = e
        if not first or e.resumesAt < first.resumesAt then first = e end
      end
    elseif tonumber(h[at + 1]) > now - ${SEEN_MS} then
      seen[value] = true
    end
  end
  if not first then return nil end
  for value in pairs(seen) do if not parked[value] then return nil end end
  return first
end

-- Holds this job, which is in BullMQ's waiting list or on its way there, until its credential is open.
local function park_job(name, by, now)
  local r = redis.call('HMGET', JOB, 'tenant', 'state', 'seq', 'attempt', 'createdAt')
  if r[2] ~= 'parked' then move(r[1], r[2], 'parked') end
  hold(ID, 'credential:' .. name, now)
  redis.call('ZADD', credential_held(name), r[5], ID)
  redis.call('HSET', JOB, 'resumesAt', int(by.resumesAt))
  local seq, attempt = tonumber(r[3]) + 1, tonumber(r[4])
  local fault = { code = by.code, message = by.message, retryable = true, attempt = attempt, details = { credential = name } }
  append(seq, '[' .. event('parked', attempt, seq, now, { error = fault, resumesAt = by.resumesAt }) .. ']')
end

-- As many as may start soon go on; each that begins lets one more go.
local function let_credential_go(name, count)
  local id, job, log = ID, JOB, LOG
  for _, next_id in ipairs(redis.call('ZRANGE', credential_held(name), 0, count - 1)) do
    ID, JOB, LOG = next_id, P .. ':job:' .. next_id, P .. ':log:' .. next_id
    local r = redis.call('HMGET', JOB, 'tenant', 'state')
    redis.call('ZREM', credential_held(name), ID)
    if r[2] == 'parked' then
      move(r[1], 'parked', 'waiting')
      redis.call('HDEL', JOB, 'resumesAt')
      let_go(ID)
    end
  end
  ID, JOB, LOG = id, job, log
end

local function see_credential(name, value, now)
  redis.call('HSET', credential_key(name), 'seen:' .. value, int(now))
  redis.call('PEXPIRE', credential_key(name), '${KEPT_MS}')
end
`

/** Lua of `BEGIN`: may the job start with this worker's value? Else its answer. */
export const BEGIN_CREDENTIAL = `
local function credential_refusal(name, value, now)
  if (value or '') == '' or not parked_value(name, value, now) then return nil end
  local by = closed_by(name, now)
  if not by then return { 'early', '${ELSEWHERE_MS}' } end
  park_job(name, by, now)
  return { 'held' }
end
`

/**
 * Parks a value of a credential, and then the waiting jobs of that name, a batch at a time. KEYS[1] is the credential's
 * hash; ARGV[2] is not used.
 *
 * ARGV[3] name, [4] fingerprint of the value, [5] until when, ms, [6] error code, [7] message, [8] jobs that were looked at and
 * left where they are, [9] jobs to look at.
 * Answers `open` (another worker has a value that may be used: nothing is held), `done`, or `more` + what to give as [8].
 */
export const PARK = `
local now, name = now_ms(), ARGV[3]
if ARGV[8] == '0' then
  local e = { resumesAt = tonumber(ARGV[5]), code = ARGV[6], message = ARGV[7], since = now }
  redis.call('HSET', KEYS[1], 'parked:' .. ARGV[4], cjson.encode(e))
  see_credential(name, ARGV[4], now)
end
local by = closed_by(name, now)
if not by then return { 'open' } end
local left, count = tonumber(ARGV[8]), tonumber(ARGV[9])
local function park_all(ids, take)
  for _, id in ipairs(ids) do
    ID, JOB, LOG = id, P .. ':job:' .. id, P .. ':log:' .. id
    local r = redis.call('HMGET', JOB, 'credential', 'state', 'seal')
    if r[1] == name and r[2] == 'waiting' and not r[3] then
      take(id)
      redis.call('ZADD', BULL .. 'delayed', int((now + ${5 * 365 * 86_400_000}) * 4096), id)
      park_job(name, by, now)
    else
      left = left + 1
    end
  end
end
local waiting = redis.call('LLEN', BULL .. 'wait')
if left < waiting then
  -- The end of the list is next. Each that is taken out is near it.
  local ids = redis.call('LRANGE', BULL .. 'wait', -left - count, -left - 1)
  park_all(ids, function(id) redis.call('LREM', BULL .. 'wait', -1, id) end)
else
  local ids = redis.call('ZRANGE', BULL .. 'prioritized', left - waiting, left - waiting + count - 1)
  if #ids == 0 then return { 'done' } end
  park_all(ids, function(id) redis.call('ZREM', BULL .. 'prioritized', id) end)
end
return { 'more', int(left) }
`
