import { BEGIN_CREDENTIAL, EARLY_MS } from './credentials.js'
import { PLACE } from './place.js'

/** A job that has lost this many workers fails, whatever its attempts allow. */
const LOSSES_MAX = 3
/** How long a job rests that may not begin beside another suspect. */
const APART_MS = 1_000

/**
 * Begins an attempt: gives it its number and makes its fence the only one that may write. Repeated with the same fence
 * it answers the same.
 *
 * A worker that is lost takes all its jobs along, and one of them may be the cause. Losses are counted apart from
 * failures. A job whose next loss would be its last is a suspect: a worker runs one of them at a time, so that the job
 * that kills its workers dies by its last loss without taking along those it had run beside.
 *
 * ARGV[3] fence, [4] worker id, [5] attempts the job may have, [6] retention ms, [7] tenant, [8] lock token, [9] `1`: a
 * suspect may not begin here now, [10] fingerprint of the worker's value of the credential or empty, [11] its name,
 * [12] JSON of the worker's labels, [13] USD that the job may cost, over all attempts, or empty, [14] `1`: the
 * worker lacks the credential.
 * Answers one of
 * - `unlocked`: BullMQ has given the job to another since;
 * - `missing`: no such record for this tenant;
 * - `sealed` + end event: it had ended, or ends now because it was cancelled or lost its last worker;
 * - `early` + ms: it is not due yet, or not for this worker;
 * - `pass`: another worker has the process of its session and is free, or this one lacks what the job needs;
 * - `apart` + ms: it is a suspect;
 * - `held`: another turn of its session is before it, its credential is closed, it waits for a worker that
 *   fits, or its tenant may begin none now;
 * - `run` + attempt, failures, seq, createdAt, queueMs, USD spent before, model round trips of failed attempts,
 *   millionths of a USD that its session may still spend or empty, and that its tenant may still spend today or empty.
 */
export const BEGIN = `${BEGIN_CREDENTIAL}${PLACE}
local function begin()
local r = redis.call('HMGET', JOB, 'tenant', 'state', 'fence', 'seal', 'cancel', 'attempt', 'failures', 'seq', 'dueAt',
  'createdAt', 'delayMs', 'worker', 'losses', 'begunSeq', 'session')
local tenant, state, attempt, failures, seq = r[1], r[2], tonumber(r[6]), tonumber(r[7]), tonumber(r[8])
local losses, attempts = tonumber(r[13] or 0), tonumber(ARGV[5])
if not tenant or tenant ~= ARGV[7] then return { 'missing' } end
if r[4] then return { 'sealed', r[4] } end
local budget = r[15] and session_budget(r[15])
local function run()
  return { 'run', int(attempt), int(failures), int(seq), r[10], field('queueMs'), field('costUsd') or '0',
    field('turns') or '0', r[15] and budget and int(math.floor(budget * 1e6)) or '', field('dayLeft') or nil }
end
if r[3] == ARGV[3] and state == 'active' then return run() end
-- A worker that slept between claim and begin must not end the attempt that took its place.
if redis.call('GET', BULL .. ID .. ':lock') ~= ARGV[8] then return { 'unlocked' } end
-- Changes nothing, and is refused where there is no memory: an attempt would take more of it. An end that was asked for may come.
if not r[5] then redis.call('SETRANGE', P .. ':none', 0, '') end
local now, retention = now_ms(), ARGV[6]
if shared() then has_gone(ID, tenant) end
local ran
if state == 'active' then
  -- Nobody settled the attempt before this one: its worker is gone.
  losses = losses + 1
  redis.call('HSET', JOB, 'losses', int(losses))
  ran = close(attempt, 'lost', 'WORKER_LOST', now)
  count('lost')
end
if r[5] then
  local json = event('cancelled', attempt, seq + 1, now, { reason = r[5] })
  append(seq + 1, '[' .. json .. ']')
  seal('cancelled', seq + 1, json, now, retention, '')
  return { 'sealed', json }
end
if (state == 'delayed' or state == 'parked') and r[9] and tonumber(r[9]) > now + ${EARLY_MS} then
  return { 'early', int(tonumber(r[9]) - now) }
end
if state == 'active' then
  -- An attempt that wrote nothing had not begun to spend, so the caller's own limit does not count it.
  local limit = seq == tonumber(r[14] or -1) and ${LOSSES_MAX} or math.min(attempts, ${LOSSES_MAX})
  local final = losses >= limit
  local details = { worker = r[12], losses = losses }
  if ran and next(ran.tools) then details.toolsRun = ran.tools end
  local fault = { code = 'WORKER_LOST', message = 'the worker was lost while it ran the job', retryable = true,
    attempt = attempt, details = details }
  seq = seq + 1
  if final then
    local json = event('failed', attempt, seq, now, { error = fault })
    append(seq, '[' .. json .. ']')
    seal('failed', seq, json, now, retention, 'WORKER_LOST')
    return { 'sealed', json }
  end
  add('retry:WORKER_LOST', 1)
  append(seq, '[' .. event('retry', attempt, seq, now, { error = fault, nextAttempt = attempt + 1, delayMs = 0 }) .. ']')
  move(tenant, state, 'waiting')
  redis.call('HSET', JOB, 'fence', '')
  state = 'waiting'
end
if ARGV[9] == '1' and losses > 0 and losses + 1 >= math.min(attempts, ${LOSSES_MAX}) then return { 'apart', '${APART_MS}' } end
local refused = r[15] and session_fault(tenant, r[15], true)
if refused or (budget and budget <= 0) then
  local fault = { code = refused and 'SESSION_CLOSED' or 'MAX_BUDGET', retryable = false, attempt = attempt,
    message = refused and 'the session takes no further turns' or 'the session has spent its budget',
    details = { session = r[15] } }
  seq = seq + 1
  local json = event('failed', attempt, seq, now, { error = fault })
  append(seq, '[' .. json .. ']')
  seal('failed', seq, json, now, retention, fault.code)
  return { 'sealed', json }
end
if r[15] and await_turn(r[15], now) then return { 'held' } end
local unfit = fit_refusal(ARGV[11], ARGV[14] == '1', r[15], ARGV[12], now) or credential_refusal(ARGV[11], ARGV[10], now)
if unfit then return unfit end
if r[15] and better_elsewhere(r[15], ARGV[4], now) then return { 'pass' } end
local own = (ARGV[13] or '') ~= '' and math.max(0, tonumber(ARGV[13] or 0) - tonumber(field('costUsd') or 0)) or nil
local left = take_share(tenant, now, own)
if left == true then return { 'held' } end
forget_hold(ID)
if left then redis.call('HSET', JOB, 'dayLeft', int(math.floor(left * 1e6))) else redis.call('HDEL', JOB, 'dayLeft') end
begin_credential(ARGV[11], ARGV[10])
attempt = attempt + 1
move(tenant, state, 'active')
if r[15] then redis.call('HSET', session_key(r[15]), 'worker', ARGV[4]) end
redis.call('HSET', JOB, 'fence', ARGV[3], 'worker', ARGV[4], 'attempt', int(attempt), 'begunSeq', int(seq))
note({ attempt = attempt, worker = ARGV[4], startedAt = now, outcome = 'running', costUsd = 0, usage = {}, tools = {},
  fence = ARGV[3] })
redis.call('HSETNX', JOB, 'startedAt', int(now))
add('attempts', 1)
local waited = math.max(0, now - tonumber(r[10]) - tonumber(r[11] or 0))
if redis.call('HSETNX', JOB, 'queueMs', int(waited)) == 1 then observe('queue', waited) end
redis.call('HDEL', JOB, 'resumesAt', 'dueAt', 'offers')
redis.call('ZREM', P .. ':due', ID)
redis.call('ZREM', P .. ':unplaced', ID)
return run()
end
local answer = begin()
-- It has left the list of those who wait, whatever follows.
refill()
return answer
`
