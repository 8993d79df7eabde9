/** A job may begin this much before its time: clocks of Redis and of a worker tick apart. */
const EARLY_MS = 250

/**
 * Begins an attempt: gives it its number and makes its fence the only one that may write. Repeated with the same fence
 * it answers the same.
 *
 * ARGV[3] fence, [4] worker id, [5] attempts the job may have, [6] retention ms, [7] tenant, [8] lock token.
 * Answers one of
 * - `unlocked`: BullMQ has given the job to another since;
 * - `missing`: no such record for this tenant;
 * - `sealed` + end event: it had ended, or ends now because it was cancelled or lost its last worker;
 * - `early` + ms: it is not due yet;
 * - `run` + attempt, failures, seq, createdAt, queueMs, USD spent before.
 */
export const BEGIN = `
local r = redis.call('HMGET', JOB, 'tenant', 'state', 'fence', 'seal', 'cancel', 'attempt', 'failures', 'seq', 'dueAt',
  'createdAt', 'delayMs', 'worker')
local tenant, state, attempt, failures, seq = r[1], r[2], tonumber(r[6]), tonumber(r[7]), tonumber(r[8])
if not tenant or tenant ~= ARGV[7] then return { 'missing' } end
if r[4] then return { 'sealed', r[4] } end
local function run()
  return { 'run', int(attempt), int(failures), int(seq), r[10], field('queueMs'), field('costUsd') or '0' }
end
if r[3] == ARGV[3] and state == 'active' then return run() end
-- A worker that slept between claim and begin must not end the attempt that took its place.
if redis.call('GET', BULL .. ID .. ':lock') ~= ARGV[8] then return { 'unlocked' } end
local now, retention = now_ms(), ARGV[6]
if r[5] then
  local json = event('cancelled', attempt, seq + 1, now, { reason = r[5] })
  append(seq + 1, '[' .. json .. ']')
  seal('cancelled', seq + 1, json, now, retention)
  return { 'sealed', json }
end
if (state == 'delayed' or state == 'parked') and r[9] and tonumber(r[9]) > now + ${EARLY_MS} then
  return { 'early', int(tonumber(r[9]) - now) }
end
if state == 'active' then
  -- Nobody settled the attempt before this one: its worker is gone.
  failures = failures + 1
  local final = failures >= tonumber(ARGV[5])
  local fault = { code = 'WORKER_LOST', message = 'the worker was lost while it ran the job', retryable = true,
    attempt = attempt, details = { worker = r[12] } }
  redis.call('HSET', JOB, 'failures', int(failures))
  if final then
    local json = event('failed', attempt, seq + 1, now, { error = fault })
    append(seq + 1, '[' .. json .. ']')
    seal('failed', seq + 1, json, now, retention)
    return { 'sealed', json }
  end
  seq = seq + 1
  append(seq, '[' .. event('retry', attempt, seq, now, { error = fault, nextAttempt = attempt + 1, delayMs = 0 }) .. ']')
end
attempt = attempt + 1
move(tenant, state, 'active')
redis.call('HSET', JOB, 'fence', ARGV[3], 'worker', ARGV[4], 'attempt', int(attempt))
redis.call('HSETNX', JOB, 'startedAt', int(now))
redis.call('HSETNX', JOB, 'queueMs', int(math.max(0, now - tonumber(r[10]) - tonumber(r[11] or 0))))
redis.call('HDEL', JOB, 'resumesAt', 'dueAt')
redis.call('ZREM', P .. ':due', ID)
redis.call('ZREM', P .. ':unplaced', ID)
return run()
`
