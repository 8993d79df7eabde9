/**
 * Writes a new schedule. KEYS[1] is its hash, ARGV[2] its id.
 *
 * ARGV[3] tenant, [4] schedules that the tenant may have, [5...] fields, in pairs.
 * Answers `created`, or `full`.
 */
export const SCHEDULE_CREATE = `
local index = P .. ':schedules:' .. ARGV[3]
if redis.call('ZCARD', index) >= tonumber(ARGV[4]) then return { 'full' } end
local now = int(now_ms())
redis.call('HSET', KEYS[1], 'tenant', ARGV[3], 'createdAt', now, 'updatedAt', now, 'revision', '1', 'timing', '1',
  unpack(ARGV, 5))
redis.call('ZADD', index, now, ID)
redis.call('ZADD', P .. ':schedules', now, ID)
return { 'created' }
`

/**
 * Changes a schedule that nobody else has changed since it was read. KEYS[1] is its hash, ARGV[2] its id.
 *
 * ARGV[3] tenant, [4] revision that was read, [5] `1`: its times change, so that those of before are void, [6...] fields,
 * in pairs. Answers `ok`, `changed` (somebody was faster) or `missing`.
 */
export const SCHEDULE_UPDATE = `
local r = redis.call('HMGET', KEYS[1], 'tenant', 'revision')
if r[1] ~= ARGV[3] then return { 'missing' } end
if r[2] ~= ARGV[4] then return { 'changed' } end
redis.call('HINCRBY', KEYS[1], 'revision', 1)
if ARGV[5] == '1' then redis.call('HINCRBY', KEYS[1], 'timing', 1) end
redis.call('HSET', KEYS[1], 'updatedAt', int(now_ms()), unpack(ARGV, 6))
return { 'ok' }
`

/**
 * Removes a schedule and its history; its jobs stay. KEYS[1] is its hash, ARGV[2] its id, ARGV[3] tenant.
 * Answers `ok` or `missing`.
 */
export const SCHEDULE_DELETE = `
if redis.call('HGET', KEYS[1], 'tenant') ~= ARGV[3] then return { 'missing' } end
redis.call('DEL', KEYS[1], KEYS[1] .. ':runs')
redis.call('ZREM', P .. ':schedules:' .. ARGV[3], ID)
redis.call('ZREM', P .. ':schedules', ID)
return { 'ok' }
`
