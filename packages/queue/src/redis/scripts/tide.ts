/**
 * Counts on, and tells where the count stood when this run of Redis began: what was counted above that, and acknowledged,
 * is gone with what was written beside it. KEYS[1] is the reaper's hash; ARGV[2] is not used.
 *
 * ARGV[3] `1`: the caller has found a loss, [4] jobs of which it knows that they are gone.
 * Answers the count, Redis's run id, and the count when the run began.
 */
export const TIDE = `
local key = KEYS[1]
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)') or ''
local h = redis.call('HMGET', key, 'tide', 'tideRun', 'lossRun')
if h[2] ~= run then redis.call('HSET', key, 'tideRun', run, 'runTide', int(tonumber(h[1] or 0))) end
if ARGV[3] == '1' then
  -- Many processes find one loss; each knows of jobs of its own.
  if h[3] ~= run then
    count('rollbacks')
    redis.call('HSET', key, 'lossRun', run, 'lossAt', int(now_ms()), 'lossJobs', '0')
  end
  redis.call('HINCRBY', P .. ':counters', 'rolledBackJobs', ARGV[4])
  redis.call('HINCRBY', key, 'lossJobs', ARGV[4])
end
return { int(redis.call('HINCRBY', key, 'tide', 1)), run, redis.call('HGET', key, 'runTide') }
`
