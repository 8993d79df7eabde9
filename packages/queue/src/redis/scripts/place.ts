/** How often a turn is passed on to the worker that has its conversation, at most. */
const PASSES_MAX = 10
/**
 * Lua, for `begin`: a turn of a session had better run where its last turn did while that worker still keeps the process,
 * has a slot free and claims. A claim elsewhere is then passed on, a few times and at once, so that nobody ever waits
 * for that worker.
 */
export const PLACE = `
local function better_elsewhere(session, worker, now)
  local s = redis.call('HMGET', session_key(session), 'worker', 'updatedAt')
  if not s[1] or s[1] == worker or not s[2] then return false end
  local beat = redis.call('GET', P .. ':worker:' .. s[1])
  if not beat then return false end
  local w = cjson.decode(beat)
  if w.pausedReason or w.running >= w.limit or tonumber(s[2]) + (w.keepsMs or 0) <= now then return false end
  return redis.call('HINCRBY', JOB, 'passes', 1) <= ${PASSES_MAX}
end
`
