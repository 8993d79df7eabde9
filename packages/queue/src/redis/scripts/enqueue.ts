import { ROOM, TAKE_PLACE } from './limits.js'

/**
 * Lua: writes the record of a new job with its `queued` event and its index entries, for `ENQUEUE` and `TICK`.
 * `from`: where in ARGV its further fields begin, in pairs. It returns whether the job is held, and its place
 * in the order of all jobs.
 */
export const CREATE_JOB = `
local function create_job(tenant, delay, batch, session, from)
  local now = now_ms()
  local state = delay > 0 and 'delayed' or 'waiting'
  local order = int(redis.call('HINCRBY', P .. ':reaper', 'tide', 1))
  redis.call('HSET', JOB, 'tenant', tenant, 'state', state, 'createdAt', int(now), 'delayMs', int(delay),
    'attempt', '0', 'failures', '0', 'order', order, unpack(ARGV, from))
  redis.call('ZADD', P .. ':jobs:' .. tenant, int(now), ID)
  redis.call('ZADD', state_key(tenant, state), int(now), ID)
  if batch ~= '' then
    redis.call('HSET', JOB, 'batch', batch)
    redis.call('ZADD', P .. ':jobs:' .. tenant .. ':batch:' .. batch, int(now), ID)
  end
  if session ~= '' then
    redis.call('HSET', JOB, 'session', session)
    redis.call('ZADD', P .. ':jobs:' .. tenant .. ':session:' .. session, int(now), ID)
    session_join(session, now)
  end
  if delay > 0 then
    redis.call('HSET', JOB, 'dueAt', int(now + delay))
    redis.call('ZADD', P .. ':due', int(now + delay), ID)
  end
  redis.call('ZADD', P .. ':unplaced', int(now), ID)
  redis.call('SADD', P .. ':tenants', tenant)
  append(1, '[' .. event('queued', 0, 1, now, {}) .. ']')
  if session ~= '' and await_turn(session, now) then return true, order end
  local by = delay == 0 and closed_by(field('credential') or '', now)
  if by then
    park_job(field('credential'), by, now)
  elseif delay == 0 and shared() and not goes_straight(tenant, now) then
    hold_share(ID, tenant)
    refill()
    by = true
  end
  return by and true, order
end
`

/**
 * Creates the record of a job with its `queued` event, its index entries and its idempotency key, all or nothing.
 *
 * ARGV[3] tenant, [4] delay ms, [5] hash of the idempotency key or empty, [6] hash of the spec, [7] how long the
 * idempotency key is kept, ms, [8] batch or empty, [9] session or empty, [10...] further fields of the record, in pairs.
 * Answers `created` + job id + the count of the tide + `held` or empty + `over` or empty
 * (more jobs wait in BullMQ than the ready window), or `known` + job id when the key had already made a job, or `mismatch` + job id when it was made
 * from another spec; or why the session takes no further turn: `no_session`, `session_closed`, `session_error`, `session_full`;
 * or `queue_full` or `no_money`, as `ROOM` says.
 */
export const ENQUEUE = `${CREATE_JOB}${ROOM}${TAKE_PLACE}
local tenant, delay, batch, session = ARGV[3], tonumber(ARGV[4]), ARGV[8], ARGV[9]
if ARGV[5] ~= '' then
  local key = P .. ':idem:' .. tenant .. ':' .. ARGV[5]
  local known = redis.call('GET', key)
  if known then
    local id, hash = string.match(known, '^(%S+) (%S+)$')
    return { hash == ARGV[6] and 'known' or 'mismatch', id }
  end
end
local refused = session ~= '' and session_fault(tenant, session)
if refused then return { refused } end
if batch ~= '' then
  -- Looked at for all its jobs at once: see RESERVE.
  take_place(tenant, batch)
else
  local full = no_room(tenant, 1)
  if full then return full end
end
if ARGV[5] ~= '' then
  redis.call('SET', P .. ':idem:' .. tenant .. ':' .. ARGV[5], ID .. ' ' .. ARGV[6], 'PX', ARGV[7])
end
local held, order = create_job(tenant, delay, batch, session, 10)
-- The caller remembers the order with the job: see scripts/tide.
return { 'created', ID, order, held and 'held' or '',
  shared() and waiting_now() > 2 * window() and 'over' or '' }
`

/**
 * Gives an idempotency key of a batch its batch id. KEYS[1] is the key's entry; ARGV[2] is the new batch id, [3] hash of
 * the jobs, [4] how long the key is kept, ms. Answers as `ENQUEUE` does, with a batch id.
 */
export const KEY_BATCH = `
local known = redis.call('GET', KEYS[1])
if known then
  local id, hash = string.match(known, '^(%S+) (%S+)$')
  return { hash == ARGV[3] and 'known' or 'mismatch', id }
end
redis.call('SET', KEYS[1], ID .. ' ' .. ARGV[3], 'PX', ARGV[4])
return { 'created', ID }
`
