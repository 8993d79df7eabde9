import { LIMITS } from '@claude-fleet/core'
import { CREATE_JOB } from './enqueue.js'
import { ROOM } from './limits.js'

/** Lua: the history of a schedule, newest first. A time that came by itself is in it once. */
const HISTORY = `
local function run_of(runs, at)
  for _, json in ipairs(redis.call('LRANGE', runs, 0, -1)) do
    local run = cjson.decode(json)
    if run.trigger == 'cron' and run.at == at then return run end
  end
end
local function push_run(runs, run)
  redis.call('LPUSH', runs, cjson.encode(run))
  redis.call('LTRIM', runs, 0, ${LIMITS.scheduleRuns - 1})
  add('ticks:' .. run.outcome, 1)
end
`

/**
 * One time of a schedule: looks whether a job is to be made, makes its record and writes both down, all or nothing. KEYS[1]
 * is the record of the new job. Repeated for the same time, it makes nothing and says what was made.
 *
 * ARGV[3] tenant, [4] delay ms of the job, [5] its session or empty, [6] schedule, [7] the time, ms, [8] `cron` or
 * `manual`, [9] which times of the schedule this is one of (`timing`; manual: empty), [10...] further fields of the job's
 * record, in pairs.
 * Answers `created` + the job that is to be cancelled for it or empty + `held` or empty; `known` + the same: it was dealt with; `skipped` +
 * the job that has not ended;
 * `void`: the schedule was paused or has other times now; `gone`; or why the session takes no further turn, or that there is no
 * room, as `ENQUEUE` does.
 */
export const TICK = `${CREATE_JOB}${ROOM}${HISTORY}
local schedule = P .. ':schedule:' .. ARGV[6]
local runs = schedule .. ':runs'
local r = redis.call('HMGET', schedule, 'tenant', 'enabled', 'timing', 'overlap', 'lastJob')
if r[1] ~= ARGV[3] then return { 'gone' } end
local run = { at = tonumber(ARGV[7]), recordedAt = now_ms(), trigger = ARGV[8] }
if ARGV[8] == 'cron' then
  local before = run_of(runs, run.at)
  if before then return { 'known', before.replaced or '' } end
  if r[2] ~= '1' or r[3] ~= ARGV[9] then return { 'void' } end
end
local last = r[5] and redis.call('HMGET', P .. ':job:' .. r[5], 'tenant', 'seal')
if last and last[1] and not last[2] then
  if r[4] == 'skip' then
    run.outcome, run.jobId = 'skipped', r[5]
    push_run(runs, run)
    return { 'skipped', r[5] }
  end
  if r[4] == 'replace' then run.replaced = r[5] end
end
local refused = ARGV[5] ~= '' and session_fault(ARGV[3], ARGV[5])
if refused then return { refused } end
local full = no_room(ARGV[3], 1)
if full then return full end
local held = create_job(ARGV[3], tonumber(ARGV[4]), '', ARGV[5], 10)
redis.call('HSET', JOB, 'schedule', ARGV[6])
redis.call('HSET', schedule, 'lastJob', ID, 'lastRunAt', int(run.recordedAt))
run.outcome, run.jobId = 'enqueued', ID
push_run(runs, run)
return { 'created', run.replaced or '', held and 'held' or '' }
`

/**
 * Writes down a time of a schedule of which no job came. KEYS[1] is the schedule, ARGV[2] its id.
 *
 * ARGV[3] tenant, [4] the time, ms, [5] `cron` or `manual`, [6] outcome, [7] JSON of the error or empty.
 * Answers `ok`, or `gone`.
 */
export const TICK_NOTE = `${HISTORY}
if redis.call('HGET', KEYS[1], 'tenant') ~= ARGV[3] then return { 'gone' } end
local runs, at = KEYS[1] .. ':runs', tonumber(ARGV[4])
if ARGV[5] == 'cron' and run_of(runs, at) then return { 'ok' } end
local run = { at = at, recordedAt = now_ms(), trigger = ARGV[5], outcome = ARGV[6] }
if ARGV[7] ~= '' then run.error = cjson.decode(ARGV[7]) end
push_run(runs, run)
return { 'ok' }
`
