/** KEYS[1] is the endpoint's record and ARGV[2] its id, in all of these. */

/**
 * Creates an endpoint, or changes one. ARGV[3] tenant, [4] endpoints a tenant may have, or empty: it must exist, [5] what its
 * `secrets` must be for it to be changed, or empty, [6...] fields in pairs. An endpoint that is enabled forgets why it was
 * not. Answers `ok`, `full`, `missing` or `changed`.
 */
export const HOOK_WRITE = `
local tenant, index = ARGV[3], P .. ':hooks:' .. ARGV[3]
local now = now_ms()
if ARGV[4] == '' then
  local r = redis.call('HMGET', KEYS[1], 'tenant', 'secrets')
  if r[1] ~= tenant then return { 'missing' } end
  if ARGV[5] ~= '' and r[2] ~= ARGV[5] then return { 'changed' } end
else
  if redis.call('ZCARD', index) >= tonumber(ARGV[4]) then return { 'full' } end
  redis.call('HSET', KEYS[1], 'tenant', tenant, 'createdAt', int(now))
  redis.call('ZADD', index, int(now), ID)
end
redis.call('HSET', KEYS[1], 'updatedAt', int(now), unpack(ARGV, 6))
for at = 6, #ARGV, 2 do
  local woken = ARGV[at] == 'enabled' and ARGV[at + 1] == '1'
  if woken then redis.call('HDEL', KEYS[1], 'disabledReason') end
  -- Another address, or a second chance: what is known of the old one says nothing.
  if woken or ARGV[at] == 'url' then
    redis.call('HDEL', KEYS[1], 'failures', 'restUntil')
    index_hook(ID)
    redis.call('PUBLISH', P .. ':hooks-wake', ID)
  end
end
return { 'ok' }
`

/** Removes an endpoint and all that waits for it. ARGV[3] tenant. Answers `ok` or `missing`. */
export const HOOK_DELETE = `
if redis.call('HGET', KEYS[1], 'tenant') ~= ARGV[3] then return { 'missing' } end
add('hooks:withdrawn', redis.call('ZCARD', KEYS[1] .. ':due'))
redis.call('DEL', KEYS[1], KEYS[1] .. ':due', KEYS[1] .. ':log')
redis.call('ZREM', P .. ':hooks:' .. ARGV[3], ID)
redis.call('ZREM', P .. ':hooks-due', ID)
return { 'ok' }
`

/** Records a test event. ARGV[3] tenant, [4] its id. Answers `ok`, `missing` or `disabled`. */
export const HOOK_TEST = `
local r = redis.call('HMGET', KEYS[1], 'tenant', 'enabled')
if r[1] ~= ARGV[3] then return { 'missing' } end
if r[2] ~= '1' then return { 'disabled' } end
deliver(ID, ARGV[4], now_ms(), 'type', 'webhook.test')
return { 'ok' }
`

/** Puts the endpoint where it belongs among those that are due. ARGV[3] ms for which it rests first. Answers `ok`. */
export const HOOK_INDEX = `
if tonumber(ARGV[3]) > 0 and redis.call('EXISTS', KEYS[1]) == 1 then
  redis.call('HSET', KEYS[1], 'restUntil', int(now_ms() + tonumber(ARGV[3])))
end
if redis.call('EXISTS', KEYS[1]) == 1 then index_hook(ID) else redis.call('ZREM', P .. ':hooks-due', ID) end
return { 'ok' }
`
