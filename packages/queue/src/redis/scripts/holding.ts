/**
 * Lua of every script: holding jobs back and letting them go, and the order of the turns of a session.
 *
 * A held job is in BullMQ as delayed to the far future; its record says by which gate (`hold`), and it stands in
 * `{prefix}:held` by the time it was held. Whoever opens the gate puts it into BullMQ's waiting list in the same script,
 * so there is no moment at which a gate is open and nobody knows. One case is left: the job is on its way into the delayed
 * set just then. Its id goes into `{prefix}:promote`, and whoever put it there asks `PROMOTE` afterwards, else the janitor.
 */
export const HOLDING = `
local enter, line_up, freed
local LIMITS = P .. ':limits'
-- Are there limits of tenants, or several tenants? Else nobody has to be held for another.
local is_shared
local function shared()
  if is_shared == nil then
    is_shared = redis.call('SCARD', P .. ':tenants') > 1 or redis.call('EXISTS', LIMITS) == 1
  end
  return is_shared
end
local HELD, PROMOTE = P .. ':held', P .. ':promote'

local function hold(id, gate, now)
  redis.call('HSET', P .. ':job:' .. id, 'hold', gate)
  redis.call('ZADD', HELD, int(now), id)
end

local function forget_hold(id)
  local r = redis.call('HMGET', P .. ':job:' .. id, 'hold', 'tenant')
  local gate = r[1] or ''
  if gate == 'share' then redis.call('ZREM', P .. ':share:' .. r[2], id) end
  if gate == 'money' then redis.call('ZREM', P .. ':held:money:' .. r[2], id) end
  local name = string.match(gate, '^credential:(.*)$')
  if name then redis.call('ZREM', P .. ':held:credential:' .. name, id) end
  local need = string.match(gate, '^fit:(.*)$')
  if need then
    redis.call('ZREM', P .. ':held:fit:' .. need, id)
    if redis.call('EXISTS', P .. ':held:fit:' .. need) == 0 then redis.call('SREM', P .. ':fits', need) end
  end
  redis.call('HDEL', P .. ':job:' .. id, 'hold')
  redis.call('ZREM', HELD, id)
  redis.call('SREM', PROMOTE, id)
end

-- BullMQ's own promotion, and a delay that is not over yet goes on. false: it is on its way.
local function promote(id)
  if redis.call('ZREM', BULL .. 'delayed', id) == 0 then
    redis.call('SADD', PROMOTE, id)
    return false
  end
  redis.call('SREM', PROMOTE, id)
  local now, due = now_ms(), tonumber(redis.call('HGET', P .. ':job:' .. id, 'dueAt') or 0)
  if due > now then
    redis.call('ZADD', BULL .. 'delayed', int(due * 4096), id)
    redis.call('HSET', BULL .. id, 'delay', int(due - now))
    local first = redis.call('ZRANGE', BULL .. 'delayed', 0, 0, 'WITHSCORES')
    redis.call('ZADD', BULL .. 'marker', int(math.floor(tonumber(first[2]) / 4096)), '1')
    return true
  end
  local priority = tonumber(redis.call('HGET', BULL .. id, 'priority') or 0)
  if shared() then
    line_up(id)
  elseif priority == 0 then
    redis.call('LPUSH', BULL .. 'wait', id)
  else
    local nth = redis.call('INCR', BULL .. 'pc') % 4294967296
    redis.call('ZADD', BULL .. 'prioritized', int(priority * 4294967296 + nth), id)
  end
  redis.call('HSET', BULL .. id, 'delay', '0')
  redis.call('ZADD', BULL .. 'marker', 0, '0')
  return true
end

-- The gate it was held by is open. There may be another.
local function let_go(id)
  forget_hold(id)
  enter(id)
end

local function gate_of(session) return 'session:' .. session end
local function head_of(session) return redis.call('ZRANGE', session_key(session) .. ':turns', 0, 0)[1] end

-- Holds this turn while another is before it.
local function await_turn(session, now)
  if head_of(session) == ID then return false end
  hold(ID, gate_of(session), now)
  return true
end

local function next_turn(session)
  local head = head_of(session)
  if head and redis.call('HGET', P .. ':job:' .. head, 'hold') == gate_of(session) then let_go(head) end
end
`

/**
 * Lets go the jobs that were to go while they were on their way into BullMQ's delayed set. ARGV[2] is not used, [3...] ids,
 * of which those are meant that `{prefix}:promote` has. Answers `ok`.
 */
export const PROMOTE = `
for at = 3, #ARGV do
  local id = ARGV[at]
  if redis.call('SISMEMBER', PROMOTE, id) == 1 then
    local r = redis.call('HMGET', P .. ':job:' .. id, 'tenant', 'seal')
    if not r[1] or r[2] then redis.call('SREM', PROMOTE, id) else promote(id) end
  end
end
return { 'ok' }
`

/**
 * Looks at held jobs again, and lets go those whose gate is open: no script leaves such a job behind, but a Redis that
 * lost its last second may, and so may people. KEYS[1] is the set of held jobs; ARGV[2] is not used, [3] how many were
 * looked at before, [4] how many to look at. Answers where to go on (empty: that was the end) + how many were let go.
 */
export const RECHECK = `
local ids = redis.call('ZRANGE', HELD, ARGV[3], int(tonumber(ARGV[3]) + tonumber(ARGV[4]) - 1))
local gone, freed = 0, 0
for _, id in ipairs(ids) do
  local r = redis.call('HMGET', P .. ':job:' .. id, 'hold', 'seal', 'session')
  if not r[1] or r[2] then
    forget_hold(id)
    gone = gone + 1
  elseif r[3] and r[1] == gate_of(r[3]) and head_of(r[3]) == id then
    let_go(id)
    freed = freed + 1
  end
end
local on = #ids == tonumber(ARGV[4]) and int(tonumber(ARGV[3]) + #ids - gone - freed) or ''
return { on, int(freed) }
`
