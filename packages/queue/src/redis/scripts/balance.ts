/** Jobs looked at in one run, so that Redis is never held for long. */
const BATCH = 500

/**
 * Holds what is in BullMQ's list beyond twice the ready window (a second tenant has come, or many delays ended at once), looks
 * again at tenants that could begin nothing, and fills the window: what a crash left undone is done here. KEYS[1] is
 * `{prefix}:backlog`; ARGV[2] is not used.
 *
 * Answers `more` (call again) or `done`.
 */
export const BALANCE = `
if not shared() then return { 'done' } end
local now, more = now_ms(), false
local function set_aside(id, remove)
  local r = redis.call('HMGET', P .. ':job:' .. id, 'tenant', 'state', 'seal')
  if not r[1] or r[3] or r[2] == 'active' then return end
  remove(id)
  redis.call('ZREM', ready_key(r[1]), id)
  redis.call('ZADD', BULL .. 'delayed', int((now + ${5 * 365 * 86_400_000}) * 4096), id)
  hold_share(id, r[1])
end
local wait, over = BULL .. 'wait', redis.call('LLEN', BULL .. 'wait') - window()
if over > window() then
  for _, id in ipairs(redis.call('LRANGE', wait, 0, math.min(over, ${BATCH}) - 1)) do
    set_aside(id, function() redis.call('LREM', wait, 1, id) end)
  end
  more = over > ${BATCH}
end
-- BullMQ takes these only when its list is empty: they would wait for the other tenants' jobs as long as there are any.
local ranked = redis.call('ZRANGE', BULL .. 'prioritized', 0, ${BATCH} - 1)
for _, id in ipairs(ranked) do
  set_aside(id, function() redis.call('ZREM', BULL .. 'prioritized', id) end)
end
more = more or #ranked == ${BATCH}

local function forget_strays(tenant)
  for _, id in ipairs(redis.call('ZRANGE', ready_key(tenant), 0, 49)) do
    if not redis.call('LPOS', wait, id) and not redis.call('LPOS', BULL .. 'active', id)
      and redis.call('SISMEMBER', PROMOTE, id) == 0 and not redis.call('ZSCORE', P .. ':unplaced', id) then
      redis.call('ZREM', ready_key(tenant), id)
    end
  end
end
for _, tenant in ipairs(redis.call('SMEMBERS', CAPPED)) do
  forget_strays(tenant)
  local why = refusal(tenant, now, redis.call('ZCARD', ready_key(tenant)))
  if why == 'money' then
    local ids = redis.call('ZRANGE', share_key(tenant), 0, ${BATCH} - 1)
    for _, id in ipairs(ids) do
      redis.call('ZREM', share_key(tenant), id)
      ID, JOB, LOG = id, P .. ':job:' .. id, P .. ':log:' .. id
      local r = redis.call('HMGET', JOB, 'state', 'seal')
      if r[1] and not r[2] then park_broke(tenant, now) end
    end
    more = more or #ids == ${BATCH}
  end
  if redis.call('EXISTS', share_key(tenant)) == 0 then
    redis.call('SREM', CAPPED, tenant)
  elseif not why then
    freed(tenant)
  end
end
for _, tenant in ipairs(redis.call('SMEMBERS', BROKE)) do
  local _, broke = day_left(tenant, now)
  if not broke then
    local ids = redis.call('ZRANGE', broke_key(tenant), 0, ${BATCH} - 1)
    for _, id in ipairs(ids) do
      redis.call('ZREM', broke_key(tenant), id)
      ID, JOB, LOG = id, P .. ':job:' .. id, P .. ':log:' .. id
      if field('state') == 'parked' then
        move(tenant, 'parked', 'waiting')
        redis.call('HDEL', JOB, 'resumesAt')
        hold_share(id, tenant)
      end
    end
    more = more or #ids == ${BATCH}
  end
  if redis.call('EXISTS', broke_key(tenant)) == 0 then redis.call('SREM', BROKE, tenant) end
end
refill()
return { more and 'more' or 'done' }
`
