/** A job is passed on by as many workers that do not fit before it is held, for each live worker: all may have slots free. */
const OFFERS_PER_WORKER = 2
const OFFERS_MAX = 50
/** Needs looked at when a worker has room. There are few: one for each credential and set of labels. */
const NEEDS_MAX = 100

/**
 * Lua, part of the prelude: jobs that not every worker can run. What a job needs is its credential and the labels of its
 * session (`NAME|LABELS`, JSON). A worker that does not fit passes the job on at once, about as often as there are live workers. Then
 * it is held in `{prefix}:held:fit:NEED`, by creation, until a worker that fits has room: that worker's beat lets jobs
 * go, as many as it has slots free, and each attempt that ends there lets one more go. `{prefix}:fits` has the needs.
 */
export const FITTING = `
local FITS = P .. ':fits'
local function fit_key(need) return P .. ':held:fit:' .. need end

local function has_all(labels, needed)
  if needed == '[]' then return true end
  local has = {}
  for _, label in ipairs(labels) do has[label] = true end
  for _, label in ipairs(cjson.decode(needed)) do if not has[label] then return false end end
  return true
end

-- lacks: this worker lacks the credential. Else nil when it fits.
local function fit_refusal(credential, lacks, session, labels, now)
  local needed = session and redis.call('HGET', session_key(session), 'labels') or '[]'
  if not lacks and has_all(cjson.decode(labels or '[]'), needed) then return nil end
  local need = credential .. '|' .. needed
  local r = redis.call('HMGET', JOB, 'offers', 'createdAt')
  -- Others wait for such a worker already: there is none with room.
  local most = math.min(${OFFERS_MAX}, ${OFFERS_PER_WORKER} * redis.call('ZCARD', P .. ':workers'))
  if (r[1] or redis.call('EXISTS', fit_key(need)) == 0) and tonumber(r[1] or 0) < most then
    redis.call('HINCRBY', JOB, 'offers', 1)
    return { 'pass' }
  end
  hold(ID, 'fit:' .. need, now)
  redis.call('ZADD', fit_key(need), r[2], ID)
  redis.call('SADD', FITS, need)
  return { 'held' }
end

-- w: what a live worker says of itself; room: jobs it could take.
local function offer_fitting(w, room)
  if room <= 0 or w.pausedReason then return end
  local has = {}
  for _, name in ipairs(w.credentials) do has[name] = true end
  for _, need in ipairs(redis.call('SRANDMEMBER', FITS, ${NEEDS_MAX})) do
    local name, needed = string.match(need, '^([^|]*)|(.*)$')
    if name and has[name] and has_all(w.labels or {}, needed) then
      for _, id in ipairs(redis.call('ZRANGE', fit_key(need), 0, room - 1)) do
        redis.call('HSET', P .. ':job:' .. id, 'offers', '0')
        room = room - 1
        let_go(id)
      end
      if room <= 0 then return end
    end
  end
end

-- A slot of this worker is free.
local function slot_freed(worker)
  if redis.call('EXISTS', FITS) == 0 then return end
  local beat = redis.call('GET', P .. ':worker:' .. worker)
  if beat then offer_fitting(cjson.decode(beat), 1) end
end
`
