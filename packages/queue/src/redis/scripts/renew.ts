/** A rescued job lies at the end of the list from which BullMQ takes; further in it is not looked for. */
const SEARCH_MAX = 1_000

/**
 * Renews the lock of an attempt, or takes it back when it lapsed and nobody has replaced the attempt: the record still
 * has its fence, and the job is in BullMQ's active list, or was put back by the reaper and not yet claimed.
 *
 * ARGV[3] lock token, [4] lock ms, [5] fence. Answers `kept`, `reclaimed`, or `lost`.
 */
export const RENEW = `
local lock = BULL .. ID .. ':lock'
local held = redis.call('GET', lock)
if held and held ~= ARGV[3] then return { 'lost' } end
if not held then
  local r = redis.call('HMGET', JOB, 'fence', 'state')
  if r[1] ~= ARGV[5] or r[2] ~= 'active' then return { 'lost' } end
  local active, wait = BULL .. 'active', BULL .. 'wait'
  if not redis.call('LPOS', active, ID) then
    if not redis.call('LPOS', wait, ID, 'RANK', -1, 'MAXLEN', ${SEARCH_MAX}) then return { 'lost' } end
    redis.call('LREM', wait, -1, ID)
    redis.call('LPUSH', active, ID)
  end
  count('reclaimed')
end
redis.call('SET', lock, ARGV[3], 'PX', ARGV[4])
return { held and 'kept' or 'reclaimed' }
`
