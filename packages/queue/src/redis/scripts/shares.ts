/** Jobs that stand in line, for each slot of the live workers. One is enough, since each begin puts the next into the line itself. */
const WINDOW_PER_SLOT = 1
/** Of a fleet of whose workers nothing is known yet. */
const WINDOW_UNKNOWN = 16
/** A worker's slots count for this long after its last beat, ms. */
const SLOTS_SEEN_MS = 30_000
/** A job that is on its way into the queue counts for this long, ms. */
const COMING_MS = 5_000
/** Looked at in one run, so that Redis is never held for long. */
const REFILL_MAX = 100
/** A job without a budget of its own reserves this part of its tenant's day. */
const RESERVED_PART = 100

/**
 * Lua, part of the prelude: limits of tenants, and who is next. `{prefix}:limits` has the limits by tenant, JSON (`*`: of the
 * others). While there is more than one tenant, or limits, no more jobs than the *ready window* are in BullMQ's waiting list;
 * the others are held (`hold` is `share`) in `{prefix}:share:TENANT`, by priority and then in order. `{prefix}:backlog` has the
 * tenants with such jobs by their pass: who has the least is next, and pays 1 / weight for each job (stride scheduling). A tenant
 * that may begin none now is in `{prefix}:capped` instead. `{prefix}:ready:TENANT` are its jobs in the window.
 */
export const SHARES = `
local BACKLOG, CAPPED, BROKE = P .. ':backlog', P .. ':capped', P .. ':broke'
local PASSES, SLOTS, WINDOW, COMING = P .. ':passes', P .. ':slots', P .. ':window', P .. ':coming'
local function share_key(tenant) return P .. ':share:' .. tenant end
local function ready_key(tenant) return P .. ':ready:' .. tenant end
local function broke_key(tenant) return P .. ':held:money:' .. tenant end
local function reserved_key(tenant) return P .. ':reserved:' .. tenant end

local known_limits = {}
local function limits_of(tenant)
  if not known_limits[tenant] then
    local r = redis.call('HMGET', LIMITS, tenant, '*')
    known_limits[tenant] = cjson.decode(r[1] or r[2] or '{}')
  end
  return known_limits[tenant]
end

local DAY_MS = 86400000
local function next_day(now) return (math.floor(now / DAY_MS) + 1) * DAY_MS end
local function spent_today(tenant, now)
  return tonumber(redis.call('GET', P .. ':spent:' .. tenant .. ':' .. int(math.floor(now / DAY_MS))) or 0)
end
local function day_left(tenant, now)
  local daily = limits_of(tenant).dailyUsd
  if not daily then return nil end
  local left, spent = daily, spent_today(tenant, now)
  for _, usd in ipairs(redis.call('HVALS', reserved_key(tenant))) do left = left - tonumber(usd) end
  return left - spent, spent >= daily
end

-- Why the tenant may begin no job now, or nil. ready: jobs of it that are on their way.
local function refusal(tenant, now, ready)
  local most = limits_of(tenant).maxConcurrent
  if most and redis.call('ZCARD', state_key(tenant, 'active')) + ready >= most then return 'cap' end
  local left, broke = day_left(tenant, now)
  if broke then return 'money' end
  if left and left <= 0 then return 'cap' end
end

local function window() return tonumber(redis.call('GET', WINDOW) or ${WINDOW_UNKNOWN}) end
local function waiting_now() return redis.call('LLEN', BULL .. 'wait') + redis.call('ZCARD', BULL .. 'prioritized') end

local function score_of(id)
  local r = redis.call('HMGET', P .. ':job:' .. id, 'priority', 'order')
  return tonumber(r[1] or 0) * 1e14 + tonumber(r[2] or 0)
end

-- Who had none waiting begins where the others are now: what it did not use is not saved up.
local function join(tenant)
  if redis.call('ZSCORE', BACKLOG, tenant) or redis.call('SISMEMBER', CAPPED, tenant) == 1 then return end
  local r = redis.call('HMGET', PASSES, '*', tenant)
  redis.call('ZADD', BACKLOG, string.format('%.6f', math.max(tonumber(r[1] or 0), tonumber(r[2] or 0))), tenant)
end
local function leave(tenant)
  local pass = redis.call('ZSCORE', BACKLOG, tenant)
  if not pass then return end
  redis.call('HSET', PASSES, tenant, pass)
  redis.call('ZREM', BACKLOG, tenant)
end
-- It may begin jobs again.
freed = function(tenant)
  if redis.call('SREM', CAPPED, tenant) == 1 then join(tenant) end
end

local function hold_share(id, tenant)
  redis.call('HSET', P .. ':job:' .. id, 'hold', 'share')
  redis.call('ZADD', share_key(tenant), int(score_of(id)), id)
  join(tenant)
end

-- Into the window, before those of its own tenant that come after it.
line_up = function(id)
  local tenant, wait, score = redis.call('HGET', P .. ':job:' .. id, 'tenant'), BULL .. 'wait', int(score_of(id))
  redis.call('HSET', BULL .. id, 'priority', '0')
  redis.call('LPUSH', wait, id)
  redis.call('ZREM', COMING, id)
  local moved = id
  for _, later in ipairs(redis.call('ZRANGEBYSCORE', ready_key(tenant), '(' .. score, '+inf')) do
    local at = redis.call('LPOS', wait, later)
    if at then
      redis.call('LSET', wait, at, moved)
      moved = later
    end
  end
  if moved ~= id then redis.call('LSET', wait, 0, moved) end
  redis.call('ZADD', ready_key(tenant), score, id)
end

local function comes(id, now)
  redis.call('ZADD', COMING, int(now), id)
  redis.call('PEXPIRE', COMING, '${COMING_MS}')
end
-- It is in the line no more.
local function has_gone(id, tenant)
  redis.call('ZREM', ready_key(tenant), id)
  redis.call('ZREM', COMING, id)
end

-- May a new job go into BullMQ's list straight away? Others that are on their way there count.
local function goes_straight(tenant, now)
  if redis.call('EXISTS', BACKLOG) == 1 or redis.call('EXISTS', share_key(tenant)) == 1 then return false end
  local score = score_of(ID)
  if score >= 1e14 or redis.call('ZRANGEBYSCORE', ready_key(tenant), '(' .. int(score), '+inf', 'LIMIT', 0, 1)[1] then return false end
  if waiting_now() + redis.call('ZCARD', P .. ':unplaced') > window() then return false end
  if refusal(tenant, now, redis.call('ZCARD', ready_key(tenant))) then return false end
  redis.call('ZADD', ready_key(tenant), int(score), ID)
  comes(ID, now)
  return true
end

-- Fills the window: the tenants take turns, by weight. Whoever took a job out of it, or ended one, calls this.
local function refill()
  if not shared() or redis.call('EXISTS', BACKLOG) == 0 then return end
  local now = now_ms()
  -- Those that are on their way into BullMQ. Whoever brings one may have died, and must not keep a place for long.
  redis.call('ZREMRANGEBYSCORE', COMING, '-inf', int(now - ${COMING_MS}))
  local room = window() - waiting_now() - redis.call('ZCARD', COMING)
  local id, job, log = ID, JOB, LOG
  for _ = 1, ${REFILL_MAX} do
    if room <= 0 then break end
    local first = redis.call('ZRANGE', BACKLOG, 0, 0, 'WITHSCORES')
    local tenant = first[1]
    if not tenant then break end
    local next_id = redis.call('ZRANGE', share_key(tenant), 0, 0)[1]
    if not next_id then
      leave(tenant)
    elseif refusal(tenant, now, redis.call('ZCARD', ready_key(tenant))) then
      leave(tenant)
      redis.call('SADD', CAPPED, tenant)
    else
      ID, JOB, LOG = next_id, P .. ':job:' .. next_id, P .. ':log:' .. next_id
      redis.call('ZREM', share_key(tenant), ID)
      redis.call('HDEL', JOB, 'hold')
      local r = redis.call('HMGET', JOB, 'credential', 'state', 'seal')
      local by = r[2] == 'waiting' and not r[3] and closed_by(r[1] or '', now)
      if by then
        park_job(r[1], by, now)
      elseif r[2] and not r[3] then
        if not promote(ID) then comes(ID, now) end
        redis.call('ZADD', ready_key(tenant), int(score_of(ID)), ID)
        room = room - 1
        redis.call('HSET', PASSES, '*', first[2])
        redis.call('ZINCRBY', BACKLOG, string.format('%.6f', 1 / (limits_of(tenant).weight or 1)), tenant)
      end
    end
  end
  ID, JOB, LOG = id, job, log
  if redis.call('EXISTS', BACKLOG) == 0 and redis.call('EXISTS', CAPPED) == 0 then redis.call('DEL', PASSES) end
end

enter = function(id)
  local r = redis.call('HMGET', P .. ':job:' .. id, 'tenant', 'dueAt')
  if not shared() or not r[1] or tonumber(r[2] or 0) > now_ms() then return promote(id) end
  hold_share(id, r[1])
  refill()
end

-- Until the tenant has money again: the day of it is over, or its limit was raised.
local function park_broke(tenant, now)
  local r = redis.call('HMGET', JOB, 'state', 'seq', 'attempt', 'createdAt')
  if r[1] ~= 'parked' then move(tenant, r[1], 'parked') end
  redis.call('HSET', JOB, 'hold', 'money', 'resumesAt', int(next_day(now)))
  redis.call('ZADD', broke_key(tenant), r[4], ID)
  redis.call('SADD', BROKE, tenant)
  local seq, attempt = tonumber(r[2]) + 1, tonumber(r[3])
  local fault = { code = 'MAX_BUDGET', message = 'the tenant has spent what it may spend in a day', retryable = true,
    attempt = attempt, details = { dailyUsd = limits_of(tenant).dailyUsd } }
  append(seq, '[' .. event('parked', attempt, seq, now, { error = fault, resumesAt = next_day(now) }) .. ']')
end

-- Before an attempt of this job. true: it is held. Else USD that its tenant's day leaves it, of which some are reserved, or nil.
local function take_share(tenant, now, own_usd)
  if not shared() then return nil end
  local why = refusal(tenant, now, 0)
  if why == 'money' then
    park_broke(tenant, now)
    return true
  elseif why then
    hold_share(ID, tenant)
    return true
  end
  local left = day_left(tenant, now)
  if not left then return nil end
  local wanted = own_usd or limits_of(tenant).dailyUsd / ${RESERVED_PART}
  redis.call('HSET', reserved_key(tenant), ID, string.format('%.10f', math.max(0, math.min(left, wanted))))
  return left
end

-- What was spent is not reserved any more.
local function use_reserve(tenant, usd)
  local held = shared() and redis.call('HGET', reserved_key(tenant), ID)
  if not held then return end
  redis.call('HSET', reserved_key(tenant), ID, string.format('%.10f', math.max(0, tonumber(held) - usd)))
end

local function see_slots(worker, slots, now)
  if not slots then
    redis.call('HDEL', SLOTS, worker)
  else
    redis.call('HSET', SLOTS, worker, slots .. ' ' .. int(now))
  end
  local sum, h = 0, redis.call('HGETALL', SLOTS)
  for at = 1, #h, 2 do
    local count, seen = string.match(h[at + 1], '^(%d+) (%d+)$')
    if not seen or tonumber(seen) < now - ${SLOTS_SEEN_MS} then
      redis.call('HDEL', SLOTS, h[at])
    else
      sum = sum + tonumber(count)
    end
  end
  if sum > 0 then
    redis.call('SET', WINDOW, int(sum * ${WINDOW_PER_SLOT}), 'PX', ${SLOTS_SEEN_MS})
  end
end
`
