/**
 * Ends a job that nobody can run any more: its data is broken, or it never reached the queue.
 *
 * ARGV[3] error code, [4] message, [5] retention ms, [6] JSON of the error's details, [7] `1`: only while it was never
 * begun and is not placed in the queue.
 * Answers `missing`, `sealed` + end event (also when it had ended before), or `kept`.
 */
export const ABANDON = `
local r = redis.call('HMGET', JOB, 'tenant', 'seal', 'seq', 'attempt', 'state')
if not r[1] then
  redis.call('ZREM', P .. ':unplaced', ID)
  return { 'missing' }
end
if r[2] then return { 'sealed', r[2] } end
if ARGV[7] == '1' then
  if r[5] == 'active' or tonumber(r[4]) > 0 or redis.call('EXISTS', P .. ':prompts:' .. ID) == 1 then
    redis.call('ZREM', P .. ':unplaced', ID)
    return { 'kept' }
  end
end
if ARGV[3] == 'INVALID_JOB' then count('invalid') end
local now, seq, attempt = now_ms(), tonumber(r[3]) + 1, tonumber(r[4])
local fault = { code = ARGV[3], message = ARGV[4], retryable = false, attempt = attempt, details = cjson.decode(ARGV[6]) }
local json = event('failed', attempt, seq, now, { error = fault })
append(seq, '[' .. json .. ']')
seal('failed', seq, json, now, ARGV[5], ARGV[3])
return { 'sealed', json }
`
