/**
 * Ends a job that nobody runs, or asks its worker to.
 *
 * ARGV[3] tenant, [4] reason, [5] retention ms.
 * Answers `missing`, `ended`, `flagged` (a worker holds it and was told), or `sealed` (it has ended now).
 */
export const CANCEL = `
local r = redis.call('HMGET', JOB, 'tenant', 'seal', 'state', 'seq', 'attempt')
if not r[1] or r[1] ~= ARGV[3] then return { 'missing' } end
if r[2] then return { 'ended' } end
if r[3] == 'active' then
  redis.call('HSETNX', JOB, 'cancel', ARGV[4])
  redis.call('PUBLISH', P .. ':control', cjson.encode({ type = 'cancel', id = ID, reason = ARGV[4] }))
  return { 'flagged' }
end
local now, seq = now_ms(), tonumber(r[4]) + 1
local json = event('cancelled', r[5], seq, now, { reason = ARGV[4] })
append(seq, '[' .. json .. ']')
seal('cancelled', seq, json, now, ARGV[5], '')
return { 'sealed' }
`
