/** BullMQ keeps about as many of its own events. */
const BULL_EVENTS = 10_000

/**
 * One tick of the reaper: gives jobs whose lock has lapsed back to the queue. KEYS[1] is the reaper's hash; ARGV[2] is
 * not used.
 *
 * Every worker ticks, and each tick notes Redis's time and its run id. Where the notes show a gap (nobody was served
 * for longer than the gap allows, another run of Redis, a clock that was set back) nothing is rescued for one lock time,
 * in which the owners take their locks back. Only the worker with the lease rescues. The lease, the rest, the lock and
 * the move are looked at in this one script, so neither two reapers nor one that slept can rescue a job twice.
 *
 * ARGV[3] worker instance, [4] rest ms, [5] gap ms, [6] lease ms, [7] jobs looked at, at most, [8] where in the active
 * list to begin.
 * Answers `other` (another has the lease), `rest` + ms left + `new` when the gap was seen now, or `reaped` + where to
 * go on (empty: the list is done) + rescued ids.
 */
export const REAP = `
local key, now = KEYS[1], now_ms()
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)') or ''
local h = redis.call('HMGET', key, 'seenAt', 'run', 'restUntil', 'leader', 'leaseUntil')
local seen, rest = tonumber(h[1]), tonumber(h[3] or 0)
local gap = not seen or h[2] ~= run or now < seen or now - seen > tonumber(ARGV[5])
-- A clock that was set back must not make the rest endless.
if gap or rest > now + tonumber(ARGV[4]) then rest = now + tonumber(ARGV[4]) end
redis.call('HSET', key, 'seenAt', int(now), 'run', run, 'restUntil', int(rest), 'gapMs', ARGV[5])
local lease = tonumber(h[5] or 0)
if h[4] and h[4] ~= ARGV[3] and lease > now and lease <= now + tonumber(ARGV[6]) then return { 'other' } end
redis.call('HSET', key, 'leader', ARGV[3], 'leaseUntil', int(now + tonumber(ARGV[6])))
if rest > now then return { 'rest', int(rest - now), gap and 'new' or '' } end
local active, from = BULL .. 'active', tonumber(ARGV[8])
local ids = redis.call('LRANGE', active, int(from), int(from + tonumber(ARGV[7]) - 1))
local reply = { 'reaped', '' }
for _, id in ipairs(ids) do
  if redis.call('EXISTS', BULL .. id .. ':lock') == 0 then
    redis.call('LREM', active, -1, id)
    redis.call('RPUSH', BULL .. 'wait', id)
    redis.call('ZADD', BULL .. 'marker', 0, '0')
    redis.call('XADD', BULL .. 'events', 'MAXLEN', '~', ${BULL_EVENTS}, '*', 'event', 'stalled', 'jobId', id)
    count('rescued')
    reply[#reply + 1] = id
  end
end
if #ids == tonumber(ARGV[7]) then reply[2] = int(from + #ids - (#reply - 2)) end
return reply
`
