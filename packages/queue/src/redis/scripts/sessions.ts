import { LIMITS, SESSION_STATES, SESSION_TRANSITIONS } from '@claude-fleet/core'

const legal = SESSION_STATES.map((from) => {
  const targets = SESSION_TRANSITIONS[from].map((to) => `${to}=1`).join(',')
  return `${from}={${targets}}`
}).join(',')

/**
 * Part of the prelude: a job's place among the turns of its session. A session follows the state of its jobs, so `move`
 * and `seal` call these, and nobody else changes its state but `SESSION_CLOSE` and what puts it into `error`.
 */
export const SESSIONS = `
local SESSION_LEGAL = {${legal}}
local function session_key(id) return P .. ':session:' .. id end
local function session_move(id, from, to)
  if not SESSION_LEGAL[from][to] then error('a session cannot go from ' .. from .. ' to ' .. to) end
  redis.call('HSET', session_key(id), 'state', to)
  redis.call('HINCRBY', P .. ':session-counts', from, -1)
  redis.call('HINCRBY', P .. ':session-counts', to, 1)
end
local function session_fail(id, code, message)
  local from = redis.call('HGET', session_key(id), 'state')
  if not from or not SESSION_LEGAL[from].error then return end
  session_move(id, from, 'error')
  redis.call('HSET', session_key(id), 'error', cjson.encode({ code = code, message = message }))
end
-- It is kept for its time from now on.
local function session_touch(id, now)
  local key = session_key(id)
  local till = now + tonumber(redis.call('HGET', key, 'ttlMs'))
  redis.call('HSET', key, 'updatedAt', int(now), 'expiresAt', int(till))
  redis.call('ZADD', P .. ':sessions-expiry', int(till), id)
end
-- Why it takes no further turn of this tenant, or nil. known: the turn is one that it has taken already.
local function session_fault(tenant, id, known)
  local s = redis.call('HMGET', session_key(id), 'tenant', 'state')
  if s[1] ~= tenant then return 'no_session' end
  if s[2] == 'closed' then return 'session_closed' end
  if s[2] == 'error' then return 'session_error' end
  if not known and redis.call('ZCARD', session_key(id) .. ':turns') >= ${LIMITS.sessionTurns} then return 'session_full' end
end
-- The job takes its place behind all that were enqueued before it.
local function session_join(id, now)
  local order = redis.call('HINCRBY', session_key(id), 'order', 1)
  redis.call('ZADD', session_key(id) .. ':turns', order, ID)
  session_touch(id, now)
end
-- The job goes from one state to another. A session that is closed or gone meanwhile stays as it is.
local function session_follow(id, to)
  local key = session_key(id)
  local s = redis.call('HMGET', key, 'state', 'job')
  if to == 'active' then
    if s[1] ~= 'idle' and s[1] ~= 'running' then return end
    session_move(id, s[1], 'running')
    redis.call('HSET', key, 'job', ID)
  elseif s[2] == ID then
    redis.call('HDEL', key, 'job')
    if s[1] == 'running' then session_move(id, 'running', 'idle') end
  end
end
-- The job has ended.
local function session_leave(id, state, now)
  local key = session_key(id)
  redis.call('ZREM', key .. ':turns', ID)
  local held = redis.call('HGET', key, 'state')
  if not held or held == 'closed' then return end
  if state == 'completed' and held ~= 'error' then redis.call('HINCRBY', key, 'turns', 1) end
  session_touch(id, now)
end
-- What its jobs cost. It may be gone: a job can outlive it.
local function session_spend(id, usd, usage)
  local key = session_key(id)
  if redis.call('EXISTS', key) == 0 then return end
  if usd then redis.call('HINCRBYFLOAT', key, 'costUsd', usd) end
  for name, more in pairs(usage) do redis.call('HINCRBY', key, name, int(more)) end
end
-- USD that the next turn may cost, or nil for any.
local function session_budget(id)
  local s = redis.call('HMGET', session_key(id), 'maxBudgetUsd', 'costUsd')
  return s[1] and tonumber(s[1]) - tonumber(s[2] or 0)
end
`

/**
 * Writes a new session. KEYS[1] is its hash, ARGV[2] its id.
 *
 * ARGV[3] tenant, [4] sessions that the tenant may have, [5] hash of the idempotency key or empty, [6] hash of what was
 * asked for, [7] how long the key is kept, ms, [8] session whose memory it begins with or empty, [9] ttl ms, [10...] fields, in
 * pairs.
 * Answers `created` + id, `known` + id, `mismatch` + id, `full`, or of the session to be forked `no_session`, `session_closed`,
 * `session_error` or `session_running`.
 */
export const SESSION_CREATE = `
local tenant = ARGV[3]
if ARGV[5] ~= '' then
  local known = redis.call('GET', P .. ':idem:' .. tenant .. ':' .. ARGV[5])
  if known then
    local id, hash = string.match(known, '^(%S+) (%S+)$')
    return { hash == ARGV[6] and 'known' or 'mismatch', id }
  end
end
local parent = ARGV[8]
if parent ~= '' then
  local s = redis.call('HMGET', session_key(parent), 'tenant', 'state')
  if s[1] ~= tenant then return { 'no_session' } end
  if s[2] ~= 'idle' then return { 'session_' .. s[2] } end
end
if redis.call('ZCARD', P .. ':sessions:' .. tenant) >= tonumber(ARGV[4]) then return { 'full' } end
local now = now_ms()
redis.call('HSET', KEYS[1], 'tenant', tenant, 'state', 'idle', 'createdAt', int(now), 'turns', '0', 'costUsd', '0',
  'ttlMs', ARGV[9], unpack(ARGV, 10))
if parent ~= '' then
  redis.call('HSET', KEYS[1], 'parent', parent)
  for _, name in ipairs({ 'turns', 'transcriptBytes' }) do
    local value = redis.call('HGET', session_key(parent), name)
    if value then redis.call('HSET', KEYS[1], name, value) end
  end
  local from, to = transcript_of(parent), transcript_of(ID)
  if redis.call('COPY', from, to) == 1 then
    redis.call('COPY', from .. ':rows', to .. ':rows')
    -- Of a turn that waits for its next attempt nothing is kept.
    forget_turn(to)
  end
end
-- An imported memory was written before, to go by itself.
redis.call('PERSIST', transcript_of(ID))
redis.call('PERSIST', transcript_of(ID) .. ':rows')
redis.call('ZADD', P .. ':sessions:' .. tenant, int(now), ID)
redis.call('HINCRBY', P .. ':session-counts', 'idle', 1)
redis.call('SADD', P .. ':tenants', tenant)
session_touch(ID, now)
if ARGV[5] ~= '' then
  redis.call('SET', P .. ':idem:' .. tenant .. ':' .. ARGV[5], ID .. ' ' .. ARGV[6], 'PX', ARGV[7])
end
return { 'created', ID }
`

/** Jobs that one run of `SESSION_CLOSE` ends. */
const CLOSE_BATCH = 100

/**
 * Closes a session: its memory goes, the turn that runs is cancelled, those that wait fail with `SESSION_CLOSED`. KEYS[1] is its
 * hash, ARGV[2] its id.
 *
 * ARGV[3] tenant, [4] retention ms, for which the closed session and its jobs are still told of, [5] the reason.
 * Answers `missing`; or `done` or `more` (call again: many wait) + the ids of the jobs that ended now.
 */
export const SESSION_CLOSE = `
local session = ID
local key = session_key(session)
local s = redis.call('HMGET', key, 'tenant', 'state')
if s[1] ~= ARGV[3] then return { 'missing' } end
local now = now_ms()
if s[2] ~= 'closed' then
  session_move(session, s[2], 'closed')
  redis.call('DEL', transcript_of(session), transcript_of(session) .. ':rows')
  redis.call('HDEL', key, 'transcriptBytes')
  redis.call('HSET', key, 'updatedAt', int(now), 'expiresAt', int(now + ARGV[4]))
end
local ended = {}
local ids = redis.call('ZRANGE', key .. ':turns', 0, ${CLOSE_BATCH - 1})
for _, id in ipairs(ids) do
  ID, JOB, LOG, LEDGER = id, P .. ':job:' .. id, P .. ':log:' .. id, P .. ':attempts:' .. id
  local r = redis.call('HMGET', JOB, 'state', 'seal', 'seq', 'attempt')
  if not r[1] or r[2] then
    redis.call('ZREM', key .. ':turns', id)
  elseif r[1] == 'active' then
    redis.call('HSETNX', JOB, 'cancel', ARGV[5])
    redis.call('PUBLISH', P .. ':control', cjson.encode({ type = 'cancel', id = id, reason = ARGV[5] }))
  else
    local seq, attempt = tonumber(r[3]) + 1, tonumber(r[4])
    local fault = { code = 'SESSION_CLOSED', message = ARGV[5], retryable = false, attempt = attempt,
      details = { session = session } }
    local json = event('failed', attempt, seq, now, { error = fault })
    append(seq, '[' .. json .. ']')
    seal('failed', seq, json, now, ARGV[4], 'SESSION_CLOSED')
    ended[#ended + 1] = id
  end
end
local more = #ids == ${CLOSE_BATCH} and #ended > 0
-- Until all that waited have ended the janitor looks at it at once: whoever closes it may die in between.
local till = more and now or redis.call('HGET', key, 'expiresAt')
redis.call('ZADD', P .. ':sessions-expiry', till, session)
return { more and 'more' or 'done', unpack(ended) }
`

/**
 * Removes a session whose time has come, with its memory. KEYS[1] is its hash, ARGV[2] its id.
 * Answers `gone`, `closing` + tenant (it is closed, and jobs wait that are to be ended), or `kept`.
 */
export const SESSION_REMOVE = `
local s = redis.call('HMGET', KEYS[1], 'tenant', 'state', 'expiresAt')
local now = now_ms()
if s[1] then
  if redis.call('ZCARD', KEYS[1] .. ':turns') > 0 then
    if s[2] == 'closed' then return { 'closing', s[1] } end
    -- Its turns are still to come.
    session_touch(ID, now)
    return { 'kept' }
  end
  if tonumber(s[3]) > now then
    redis.call('ZADD', P .. ':sessions-expiry', s[3], ID)
    return { 'kept' }
  end
  redis.call('HINCRBY', P .. ':session-counts', s[2], -1)
  redis.call('ZREM', P .. ':sessions:' .. s[1], ID)
end
redis.call('DEL', KEYS[1], KEYS[1] .. ':turns', transcript_of(ID), transcript_of(ID) .. ':rows')
redis.call('ZREM', P .. ':sessions-expiry', ID)
return { 'gone' }
`
