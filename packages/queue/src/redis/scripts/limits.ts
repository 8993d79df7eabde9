/**
 * Makes these the limits of tenants of the whole fleet. KEYS[1] is `{prefix}:limits`; ARGV[2] is not used, [3] their digest, [4]
 * `1`: only where there are none, [5...] tenant and JSON by turns. Answers the digest of what holds now.
 */
export const PUBLISH_LIMITS = `
if ARGV[4] == '1' and redis.call('EXISTS', LIMITS) == 1 then return { redis.call('HGET', LIMITS, '#') or '' } end
redis.call('DEL', LIMITS)
-- No limits at all: then nothing is looked at for them.
if #ARGV > 4 then redis.call('HSET', LIMITS, '#', ARGV[3], unpack(ARGV, 5)) end
return { ARGV[3] }
`

/**
 * Counts a call of a tenant, of which it may make so many in any 60 s. KEYS[1] is `{prefix}:limits`; ARGV[2] is not used, [3]
 * tenant. Answers `ok`, or `wait` + ms + the limit.
 */
export const COUNT_REQUEST = `
local most = limits_of(ARGV[3]).requestsPerMinute
if not most then return { 'ok' } end
if most == 0 then return { 'wait', '60000', '0' } end
local key, now = P .. ':requests:' .. ARGV[3], now_ms()
local oldest = tonumber(redis.call('LINDEX', key, most - 1) or 0)
if oldest > now - 60000 then return { 'wait', int(oldest + 60000 - now), int(most) } end
redis.call('LPUSH', key, int(now))
redis.call('LTRIM', key, 0, most - 1)
redis.call('PEXPIRE', key, 60000)
return { 'ok' }
`

/**
 * Lua of `ENQUEUE`, `TICK` and `RESERVE`: may the tenant put so many jobs more into the queue? Nil, or the answer that says why not:
 * `queue_full` + the limit, or `no_money` + the limit + ms until the next day.
 */
export const ROOM = `
local function queued(tenant)
  local count = 0
  for _, state in ipairs({ 'waiting', 'delayed', 'parked' }) do count = count + redis.call('ZCARD', state_key(tenant, state)) end
  return count
end
-- Places of batches that are being written. Whoever wrote one may have died.
local function batch_places(tenant, now)
  local key, sum = P .. ':places:' .. tenant, 0
  local h = redis.call('HGETALL', key)
  for at = 1, #h, 2 do
    local count, till = string.match(h[at + 1], '^(%d+) (%d+)$')
    if tonumber(till) < now then redis.call('HDEL', key, h[at]) else sum = sum + tonumber(count) end
  end
  return sum
end
local function no_room(tenant, count)
  local limits, now = limits_of(tenant), now_ms()
  if limits.maxQueued and queued(tenant) + batch_places(tenant, now) + count > limits.maxQueued then
    return { 'queue_full', int(limits.maxQueued) }
  end
  if limits.dailyUsd and spent_today(tenant, now) >= limits.dailyUsd then
    return { 'no_money', tostring(limits.dailyUsd), int(next_day(now) - now) }
  end
end
`

/** How long a batch may take to be written, ms. */
const PLACES_MS = 30_000

/**
 * Keeps places for the jobs of a batch. KEYS[1] is `{prefix}:limits`; ARGV[2] batch id, [3] tenant, [4] jobs.
 * Answers `ok`, or as `ENQUEUE` why not.
 */
export const RESERVE = `${ROOM}
local refused = no_room(ARGV[3], tonumber(ARGV[4]))
if refused then return refused end
if limits_of(ARGV[3]).maxQueued then
  local key = P .. ':places:' .. ARGV[3]
  redis.call('HSET', key, ID, ARGV[4] .. ' ' .. int(now_ms() + ${PLACES_MS}))
  redis.call('PEXPIRE', key, ${PLACES_MS})
end
return { 'ok' }
`

/** Lua of `ENQUEUE`: a job of a batch takes one of its places, if some are kept. */
export const TAKE_PLACE = `
local function take_place(tenant, batch)
  local key = P .. ':places:' .. tenant
  local count, till = string.match(redis.call('HGET', key, batch) or '', '^(%d+) (%d+)$')
  if not count then return end
  if count == '1' then redis.call('HDEL', key, batch) else redis.call('HSET', key, batch, int(count - 1) .. ' ' .. till) end
end
`
