/** Ended deliveries are listed this long. */
const ENDED_KEPT_MS = 3 * 86_400_000

/**
 * Writes what one try of a delivery came to. Does nothing the second time, nor when the endpoint or the delivery is gone.
 *
 * KEYS[1] the endpoint's record, ARGV[2] its id, [3] delivery, [4] tries before this one, or -1: it
 * cannot be read, and goes; [5] `delivered`, `pending` or
 * `failed`, [6] HTTP status or empty, [7] what was wrong or empty, [8] ms until the next try, [9] ms for which the
 * endpoint rests, [10] why the endpoint is to be disabled: `gone`, `failing` (then only if nothing has reached it since
 * the delivery was recorded) or empty, [11] `1`: nothing was sent, so no try is counted.
 * Answers `ok`, or `stale`.
 */
export const HOOK_SETTLE = `
local id, due = ARGV[3], KEYS[1] .. ':due'
local key, status = P .. ':delivery:' .. id, ARGV[5]
local d = redis.call('HMGET', key, 'attempts', 'at', 'endpoint')
if not redis.call('ZSCORE', due, id) then return { 'stale' } end
-- Without its facts there is nothing to send.
if not d[1] or ARGV[4] == '-1' then
  redis.call('ZREM', due, id)
  redis.call('DEL', key)
  add('hooks:withdrawn', 1)
  index_hook(ID)
  return { 'ok' }
end
if d[1] ~= ARGV[4] or d[3] ~= ID then return { 'stale' } end
local now = now_ms()
if ARGV[11] ~= '1' then
  redis.call('HSET', key, 'attempts', int(tonumber(d[1]) + 1), 'lastAt', int(now))
  add(status == 'delivered' and 'hooks:requests:ok' or 'hooks:requests:failed', 1)
  if status == 'delivered' then
    redis.call('HSET', KEYS[1], 'failures', '0', 'lastSuccessAt', int(now))
  else
    redis.call('HINCRBY', KEYS[1], 'failures', 1)
    redis.call('HSET', KEYS[1], 'lastFailureAt', int(now))
  end
end
redis.call('HSET', key, 'status', status)
redis.call('HDEL', key, 'statusCode', 'error', 'nextAt')
if ARGV[6] ~= '' then redis.call('HSET', key, 'statusCode', ARGV[6]) end
if ARGV[7] ~= '' then redis.call('HSET', key, 'error', ARGV[7]) end
if status == 'pending' then
  local at = int(now + tonumber(ARGV[8]))
  redis.call('HSET', key, 'nextAt', at)
  redis.call('ZADD', due, at, id)
else
  redis.call('ZREM', due, id)
  redis.call('HDEL', key, 'metadata')
  redis.call('PEXPIRE', key, '${ENDED_KEPT_MS}')
  add('hooks:' .. status, 1)
end
if tonumber(ARGV[9]) > 0 then redis.call('HSET', KEYS[1], 'restUntil', int(now + tonumber(ARGV[9])))
else redis.call('HDEL', KEYS[1], 'restUntil') end
local seen = tonumber(redis.call('HGET', KEYS[1], 'lastSuccessAt') or 0)
if ARGV[10] == 'gone' or (ARGV[10] == 'failing' and seen < tonumber(d[2])) then
  redis.call('HSET', KEYS[1], 'enabled', '0', 'disabledReason', ARGV[10])
  add('hooks:disabled', 1)
end
index_hook(ID)
return { 'ok' }
`
