/** A worker's value of a credential counts as there for this long after its last beat, ms. */
export const CREDENTIAL_SEEN_MS = 15_000
/** Longer than a usage limit lasts. */
const KEPT_MS = 8 * 86_400_000
/** A job that waited for a reset itself may begin this much before it, ms: clocks of Redis and of a worker tick apart. */
export const EARLY_MS = 250
/** A job whose value is closed here, while another worker has an open one, is offered again after this, ms. */
const ELSEWHERE_MS = 500

/** What a value of a credential may become: `open` is a value of which nothing is kept. */
const CREDENTIAL_TRANSITIONS = {
  open: ['parked', 'broken'],
  parked: ['open', 'parked', 'broken'],
  broken: ['broken', 'trying'],
  trying: ['open', 'parked', 'broken', 'trying'],
} as const
const legal = Object.entries(CREDENTIAL_TRANSITIONS)
  .map(([from, to]) => `${from}={${to.map((state) => `${state}=1`).join(',')}}`)
  .join(',')

/**
 * Lua, part of the prelude: credentials that cannot be used. `{prefix}:credential:NAME` has for each value of it, by the
 * value's fingerprint, when a worker last had it (`seen:FINGERPRINT`) and what closes it (`closed:FINGERPRINT`, JSON with
 * its `state`): `parked` until its usage limit resets; `broken` until an operator resumes it, since the API refuses it;
 * `trying`, when it was resumed, until one job has been answered with it. `{prefix}:credentials` has their names. Jobs of a
 * credential with no open value are held in `{prefix}:held:credential:NAME`, by creation.
 */
export const CREDENTIALS = `
local CREDENTIAL_LEGAL = {${legal}}
local function credential_key(name) return P .. ':credential:' .. name end
local function credential_held(name) return P .. ':held:credential:' .. name end

-- The only writer of a value's state. e: what closes it, or nil: it is open.
local function credential_move(name, value, e)
  local json = redis.call('HGET', credential_key(name), 'closed:' .. value)
  local from, to = json and cjson.decode(json).state or 'open', e and e.state or 'open'
  if not CREDENTIAL_LEGAL[from][to] then return false end
  -- Whoever has it beats at once: to pause, or to let jobs go.
  if from ~= to then redis.call('PUBLISH', P .. ':control', cjson.encode({ type = 'credential', name = name })) end
  if e then
    redis.call('HSET', credential_key(name), 'closed:' .. value, cjson.encode(e))
  else
    redis.call('HDEL', credential_key(name), 'closed:' .. value)
  end
  return true
end

-- May no job begin with a value of which this is kept? A job that waited for that moment itself may come early ms before it.
local function closes(e, now, early)
  if e.state == 'parked' then return e.resumesAt > now + early end
  if e.state == 'broken' then return true end
  return e.job ~= nil and e.job ~= ID and redis.call('HGET', P .. ':job:' .. e.job, 'state') == 'active'
end

local function closed_value(name, value)
  local json = redis.call('HGET', credential_key(name), 'closed:' .. value)
  return json and cjson.decode(json) or nil
end

-- What closes the value that is open first, when all values that workers have are closed. Else nil, and whether one is tried.
local function closed_by(name, now)
  local h = redis.call('HGETALL', credential_key(name))
  local shut, seen, first, tried = {}, {}, nil, false
  for at = 1, #h, 2 do
    local kind, value = string.match(h[at], '^(%a+):(.*)$')
    if kind == 'closed' then
      local e = cjson.decode(h[at + 1])
      if e.state == 'trying' then tried = true end
      if closes(e, now, 0) then
        shut[value] = e
        if not first or (e.resumesAt or math.huge) < (first.resumesAt or math.huge) then first = e end
      end
    elseif kind == 'seen' and tonumber(h[at + 1]) > now - ${CREDENTIAL_SEEN_MS} then
      seen[value] = true
    end
  end
  if not first then return nil, tried end
  for value in pairs(seen) do if not shut[value] then return nil, tried end end
  return first, tried
end

-- Holds this job, which is in BullMQ's waiting list or on its way there, until its credential is open.
local function park_job(name, by, now)
  local r = redis.call('HMGET', JOB, 'tenant', 'state', 'seq', 'attempt', 'createdAt')
  if r[2] ~= 'parked' then move(r[1], r[2], 'parked') end
  hold(ID, 'credential:' .. name, now)
  redis.call('ZADD', credential_held(name), r[5], ID)
  if by.resumesAt then redis.call('HSET', JOB, 'resumesAt', int(by.resumesAt)) else redis.call('HDEL', JOB, 'resumesAt') end
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
  redis.call('SADD', P .. ':credentials', name)
  redis.call('HSET', credential_key(name), 'seen:' .. value, int(now))
  redis.call('PEXPIRE', credential_key(name), '${KEPT_MS}')
end

-- This job was answered by the API: the value that it was to try is good.
local function credential_proved()
  local r = redis.call('HMGET', JOB, 'trial', 'credential')
  if not r[1] then return end
  redis.call('HDEL', JOB, 'trial')
  local e = closed_value(r[2], r[1])
  if e and e.state == 'trying' and credential_move(r[2], r[1], nil) then let_credential_go(r[2], 1) end
end
`

/** Lua of `BEGIN`: may the job start with this worker's value? Else its answer. */
export const BEGIN_CREDENTIAL = `
local function credential_refusal(name, value, now)
  local e = (value or '') ~= '' and closed_value(name, value) or nil
  if not e or not closes(e, now, ${EARLY_MS}) then return nil end
  local by = closed_by(name, now)
  if not by then return { 'early', '${ELSEWHERE_MS}' } end
  park_job(name, by, now)
  return { 'held' }
end

-- It begins: the first with a value that was resumed tries it, and lets no other go before it was answered.
local function begin_credential(name, value)
  local e = (value or '') ~= '' and closed_value(name, value) or nil
  if e and e.state == 'trying' then
    e.job = ID
    credential_move(name, value, e)
    redis.call('HSET', JOB, 'trial', value)
  elseif name then
    let_credential_go(name, 1)
  end
end
`

/**
 * Parks a value of a credential, or opens its breaker, and then holds the waiting jobs of that name, a batch at a time. KEYS[1] is the credential's
 * hash; ARGV[2] is not used.
 *
 * ARGV[3] name, [4] fingerprint of the value, [5] until when, ms, or empty: until it is resumed, [6] error code, [7] message, [8] jobs that were looked at and
 * left where they are, [9] jobs to look at.
 * Answers `open` (another worker has a value that may be used: nothing is held), `done`, or `more` + what to give as [8].
 */
export const PARK = `
local now, name = now_ms(), ARGV[3]
if ARGV[8] == '0' then
  local e = { state = ARGV[5] == '' and 'broken' or 'parked', resumesAt = tonumber(ARGV[5]), code = ARGV[6], message = ARGV[7],
    since = now }
  -- What was refused stays refused, whatever an attempt that ran meanwhile has met.
  credential_move(name, ARGV[4], e)
  see_credential(name, ARGV[4], now)
end
local by = closed_by(name, now)
if not by then return { 'open' } end
local left, count = tonumber(ARGV[8]), tonumber(ARGV[9])
local function park_all(ids, take)
  for _, id in ipairs(ids) do
    ID, JOB, LOG = id, P .. ':job:' .. id, P .. ':log:' .. id
    local r = redis.call('HMGET', JOB, 'credential', 'state', 'seal', 'tenant')
    if r[1] == name and r[2] == 'waiting' and not r[3] then
      take(id)
      has_gone(id, r[4])
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

/**
 * Takes an operator's word that a credential is good again: what a usage limit parked is open, and what was broken is tried
 * with one job, whose answer opens it or breaks it again. KEYS[1] is the credential's hash; ARGV[2] is not used, [3] name.
 * Answers `ok`, or `missing` when no worker has had it.
 */
export const RESUME_CREDENTIAL = `
local now, name = now_ms(), ARGV[3]
local h = redis.call('HGETALL', KEYS[1])
if #h == 0 then return { 'missing' } end
for at = 1, #h, 2 do
  local kind, value = string.match(h[at], '^(%a+):(.*)$')
  if kind == 'closed' then
    local e = cjson.decode(h[at + 1])
    if e.state == 'broken' then
      e.state, e.job = 'trying', nil
      credential_move(name, value, e)
    elseif e.state == 'parked' then
      credential_move(name, value, nil)
    end
  end
end
if not closed_by(name, now) then let_credential_go(name, 1) end
return { 'ok' }
`
