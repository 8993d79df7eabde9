/**
 * Notes that Redis serves, for a process that rescues nothing: while no worker lives, the reaper of the next one need not
 * take that for a gap. A gap is left for the reaper to see. KEYS[1] is the reaper's hash; ARGV[2] is not used.
 *
 * Answers `ok`.
 */
export const NOTE = `
local h, now = redis.call('HMGET', KEYS[1], 'seenAt', 'run', 'gapMs'), now_ms()
local seen, gap = tonumber(h[1]), tonumber(h[3])
if not seen or not gap or now < seen or now - seen > gap then return { 'ok' } end
if h[2] ~= string.match(redis.call('INFO', 'server'), 'run_id:(%w+)') then return { 'ok' } end
redis.call('HSET', KEYS[1], 'seenAt', int(now))
return { 'ok' }
`
