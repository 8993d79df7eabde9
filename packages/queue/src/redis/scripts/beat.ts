/**
 * A worker's heartbeat. KEYS[1] is the worker's key, ARGV[2] its id.
 *
 * ARGV[3] the process's instance, [4] JSON of what it says of itself (empty: it leaves), [5] how long it counts, ms.
 * Answers `ok` + `drain` or empty, or `taken` + JSON when a live process with another instance has this id.
 */
export const BEAT = `
local key, drain = P .. ':worker:' .. ID, P .. ':drain:' .. ID
local held = redis.call('GET', key)
if held and cjson.decode(held).instance ~= ARGV[3] then return { 'taken', held } end
if ARGV[4] == '' then
  redis.call('DEL', key, drain)
  redis.call('ZREM', P .. ':workers', ID)
  return { 'ok', '' }
end
redis.call('SET', key, ARGV[4], 'PX', ARGV[5])
redis.call('ZADD', P .. ':workers', int(now_ms()), ID)
return { 'ok', redis.call('GET', drain) == ARGV[3] and 'drain' or '' }
`
