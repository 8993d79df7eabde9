/**
 * A worker's heartbeat. KEYS[1] is the worker's key, ARGV[2] its id.
 *
 * ARGV[3] the process's instance, [4] JSON of what it says of itself (empty: it leaves), [5] how long it counts, ms,
 * [6] JSON of what the process has counted since it began, [7] how long that is remembered, ms, [8]
 * JSON of the fingerprints of its credentials by name, [9] jobs it may run at once.
 * Answers `ok` + `drain` or empty + Redis's time, ms, + name and end (0: none is known) of each of its credentials that is closed, or `taken` + JSON when a live process with another instance has this id.
 */
export const BEAT = `
local key, drain = P .. ':worker:' .. ID, P .. ':drain:' .. ID
-- What was told before is known, so a beat that comes twice, or after an outage, adds each thing once.
local tally = P .. ':tally:' .. ARGV[3]
local told, fresh = cjson.decode(ARGV[6]), {}
for name, total in pairs(told) do
  local more = total - tonumber(redis.call('HGET', tally, name) or 0)
  if more > 0 then
    add(name, int(more))
    fresh[#fresh + 1], fresh[#fresh + 2] = name, int(total)
  end
end
if #fresh > 0 then redis.call('HSET', tally, unpack(fresh)) end
redis.call('PEXPIRE', tally, ARGV[7])
local held = redis.call('GET', key)
if held and cjson.decode(held).instance ~= ARGV[3] then return { 'taken', held } end
if ARGV[4] == '' then
  redis.call('DEL', key, drain)
  redis.call('ZREM', P .. ':workers', ID)
  see_slots(ID, nil, now_ms())
  return { 'ok', '', int(now_ms()) }
end
redis.call('SET', key, ARGV[4], 'PX', ARGV[5])
local now = int(now_ms())
local shut = {}
for name, value in pairs(cjson.decode(ARGV[8] or '{}')) do
  local e = closed_value(name, value)
  if e and e.state ~= 'trying' and closes(e, tonumber(now), 0) then shut[#shut + 1], shut[#shut + 2] = name, int(e.resumesAt or 0) end
  see_credential(name, value, now)
  -- Those that waited for it come in waves, as the slots take them.
  local by, tried = closed_by(name, tonumber(now))
  if not by and redis.call('EXISTS', credential_held(name)) == 1 then
    local room = 2 * tonumber(ARGV[9]) - redis.call('LLEN', BULL .. 'wait') - redis.call('ZCARD', BULL .. 'prioritized')
    if room > 0 then let_credential_go(name, tried and 1 or room) end
  end
end
redis.call('ZADD', P .. ':workers', now, ID)
local w = cjson.decode(ARGV[4])
see_slots(ID, w.pausedReason and '0' or ARGV[9], tonumber(now))
if redis.call('EXISTS', FITS) == 1 then offer_fitting(w, w.limit - w.running) end
refill()
return { 'ok', redis.call('GET', drain) == ARGV[3] and 'drain' or '', now, unpack(shut) }
`
