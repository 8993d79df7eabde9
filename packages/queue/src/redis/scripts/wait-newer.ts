/**
 * How long, ms, workers that do not know its version have met a job: since the first of them. KEYS[1] is the record,
 * ARGV[2] its id. Kept with BullMQ's job, and gone with it.
 */
export const WAIT_NEWER = `
local job = BULL .. ID
if redis.call('EXISTS', job) == 0 then return { '0' } end
local now = now_ms()
redis.call('HSETNX', job, 'newerSince', int(now))
return { int(now - redis.call('HGET', job, 'newerSince')) }
`
