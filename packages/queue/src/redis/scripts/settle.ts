/**
 * Writes what an attempt came to: its last events, the state, the sums; for an end the seal and the statistics too.
 * Repeated with the same fence it answers `ok` without doing anything.
 *
 * ARGV[3] fence, [4] next state, [5] first seq, [6] last seq, [7] JSON array of events (empty: none), [8] JSON of the
 * end event (empty: the job goes on), [9] retention ms, [10] `1` to leave a hole, [11] cost USD, [12] JSON of
 * `{usage, tools}`, [13] ms to the first text or empty, [14] `1` counts a failure, [15] delay ms, [16] resumesAt or empty,
 * [17] what the ledger says of the attempt, [18] its error code or empty, [19] model round trips of one that failed.
 * Answers `ok`, `hole` + last seq, `cancelled` + reason (it was to go on, but its end was asked for), `sealed` + end
 * event, or `fenced`.
 */
export const SETTLE = `
local r = redis.call('HMGET', JOB, 'fence', 'seal', 'seq', 'cancel', 'settled', 'tenant', 'state', 'attempt')
if r[5] == ARGV[3] then return { 'ok' } end
if r[2] then return { 'sealed', r[2] } end
if r[1] ~= ARGV[3] then
  add('fenced:settle', 1)
  return { 'fenced' }
end
local seq, first, last, ends = tonumber(r[3]), tonumber(ARGV[5]), tonumber(ARGV[6]), ARGV[8] ~= ''
if not ends and r[4] then return { 'cancelled', r[4] } end
if ARGV[7] ~= '' and first ~= seq + 1 and ARGV[10] ~= '1' then return { 'hole', int(seq) } end
local now, tenant, sums = now_ms(), r[6], cjson.decode(ARGV[12])
if ARGV[7] ~= '' then append(last, ARGV[7]) end
spend(tenant, r[8], ARGV[11], sums.usage, sums.tools)
if ARGV[4] == 'completed' then credential_proved() end
close(r[8], ARGV[17], ARGV[18], now)
redis.call('HSET', JOB, 'settled', ARGV[3])
if ends then
  seal(ARGV[4], last, ARGV[8], now, ARGV[9], ARGV[18], ARGV[13])
  return { 'ok' }
end
if ARGV[14] == '1' then
  redis.call('HINCRBY', JOB, 'failures', 1)
  redis.call('HINCRBY', JOB, 'turns', ARGV[19])
end
if ARGV[18] ~= '' then add((ARGV[16] ~= '' and 'parked:' or 'retry:') .. ARGV[18], 1) end
move(tenant, r[7], ARGV[4])
local delay = tonumber(ARGV[15])
if delay > 0 then
  redis.call('HSET', JOB, 'dueAt', int(now + delay))
  redis.call('ZADD', P .. ':due', int(now + delay), ID)
end
if ARGV[16] ~= '' then redis.call('HSET', JOB, 'resumesAt', ARGV[16]) end
refill()
return { 'ok' }
`
