import { JOB_STATES, JOB_TRANSITIONS } from '@claude-fleet/core'
import { LATENCY_BOUNDS_MS } from '../../admin/histogram.js'
import { CREDENTIALS } from './credentials.js'
import { FITTING } from './fitting.js'
import { HOLDING } from './holding.js'
import { SHARES } from './shares.js'
import { TRANSCRIPT } from './mirror.js'
import { SESSIONS } from './sessions.js'
import { WEBHOOKS } from './webhooks.js'

/** Kept of one job's log: entries, about, and bytes of their JSON. What is older is cut, and readers are told of a gap. */
export const LOG_ENTRIES = 100_000
export const LOG_BYTES = 64 * 1_048_576
const STATS_KEPT_MS = 2 * 3_600_000
/** Over a month, so that one can be compared with the last. */
const SPENT_KEPT_MS = 40 * 86_400_000
const TOOL_NAMES_MAX = 500

const legal = JOB_STATES.map((from) => {
  const targets = JOB_TRANSITIONS[from].map((to) => `${to}=1`).join(',')
  return `${from}={${targets}}`
}).join(',')

/**
 * What every script begins with. ARGV[1] prefix, ARGV[2] job id; KEYS[1] is the job's record, and all other keys are
 * derived from the prefix, whose hash tag they share in a Cluster. Times are Redis's own: workers' clocks differ.
 */
export const PRELUDE = `
local P, ID = ARGV[1], ARGV[2]
local JOB, LOG = P .. ':job:' .. ID, P .. ':log:' .. ID
local BULL = P .. ':prompts:'
local LEGAL = {${legal}}

local function int(n) return string.format('%.0f', n) end
local function field(name) return redis.call('HGET', JOB, name) end
local function state_key(tenant, state) return P .. ':jobs:' .. tenant .. ':' .. state end
local function now_ms()
  local t = redis.call('TIME')
  return tonumber(t[1]) * 1000 + math.floor(tonumber(t[2]) / 1000)
end

-- What happened, for operators.
local function count(what) redis.call('HINCRBY', P .. ':counters', what, 1) end

-- The sums of the whole fleet since the beginning: see admin/metrics.ts.
local METRICS = P .. ':metrics'
local function add(what, amount) redis.call('HINCRBY', METRICS, what, amount) end

local BOUNDS = {${LATENCY_BOUNDS_MS.join(',')}}
local function bucket_of(ms)
  local at = 0
  while at < #BOUNDS and ms > BOUNDS[at + 1] do at = at + 1 end
  return at
end

-- One value of a distribution. Buckets go by their upper bound, which means the same in every version.
local function observe(name, ms)
  ms = tonumber(ms)
  if not ms or ms < 0 then return end
  add(name .. ':' .. (BOUNDS[bucket_of(ms) + 1] or 'inf'), 1)
  add(name .. ':sum', int(ms))
end

${SESSIONS}
${HOLDING}
${FITTING}
-- The only writer of a job's state.
local function move(tenant, from, to)
  if not LEGAL[from][to] then error('a job cannot go from ' .. from .. ' to ' .. to) end
  redis.call('ZREM', state_key(tenant, from), ID)
  redis.call('ZADD', state_key(tenant, to), field('createdAt'), ID)
  redis.call('HSET', JOB, 'state', to)
  if from == 'active' and to ~= 'active' and shared() then
    redis.call('HDEL', P .. ':reserved:' .. tenant, ID)
    freed(tenant)
  end
  if from == 'active' and to ~= 'active' then slot_freed(field('worker') or '') end
  local session = field('session')
  if session then session_follow(session, to) end
end

-- The log holds no more than its bytes: the oldest entries go first, some more than need be so as to go less often.
local function cut_log(held)
  local cut
  for _, entry in ipairs(redis.call('XRANGE', LOG, '-', '+', 'COUNT', 64)) do
    if held <= ${LOG_BYTES} * 0.95 then break end
    held = held - #entry[2][2]
    cut = entry[1]
  end
  if cut then redis.call('XTRIM', LOG, 'MINID', (string.match(cut, '^%d+') + 1) .. '-0') end
  redis.call('HSET', JOB, 'logBytes', int(held))
end

local function append(last, json)
  redis.call('XADD', LOG, 'MAXLEN', '~', '${LOG_ENTRIES}', int(last) .. '-0', 'e', json)
  redis.call('HSET', JOB, 'seq', int(last))
  redis.call('PUBLISH', P .. ':events:' .. ID, json)
  local held = redis.call('HINCRBY', JOB, 'logBytes', #json)
  if held > ${LOG_BYTES} then cut_log(held) end
end

local function event(kind, attempt, seq, now, extra)
  local e = { jobId = ID, attempt = tonumber(attempt), seq = tonumber(seq), ts = now, type = kind }
  for k, v in pairs(extra) do e[k] = v end
  return cjson.encode(e)
end

${CREDENTIALS}
${SHARES}
local function bucket(key, name, ms)
  ms = tonumber(ms)
  if not ms or ms < 0 then return end
  redis.call('HINCRBY', key, name .. ':' .. bucket_of(ms), 1)
end

${WEBHOOKS}
${TRANSCRIPT}
-- Nothing follows a seal: it is the end event, and the state read from it is final. code: the error's, or empty.
local function seal(state, seq, json, now, retention, code, first_text)
  local r = redis.call('HMGET', JOB, 'tenant', 'state', 'createdAt', 'delayMs', 'queueMs', 'batch', 'session')
  local tenant = r[1]
  move(tenant, r[2], state)
  redis.call('HSET', JOB, 'seal', json, 'finishedAt', int(now))
  redis.call('HDEL', JOB, 'cancel', 'resumesAt', 'dueAt')
  redis.call('ZREM', P .. ':due', ID)
  redis.call('ZREM', P .. ':unplaced', ID)
  redis.call('ZADD', P .. ':ended', int(now), ID .. '|' .. tenant .. '|' .. (r[6] or '') .. '|' .. (r[7] or ''))
  redis.call('PEXPIRE', JOB, retention)
  redis.call('PEXPIRE', LOG, retention)
  redis.call('PEXPIRE', P .. ':attempts:' .. ID, retention)
  local key = P .. ':stats:' .. tenant .. ':' .. int(math.floor(now / 60000))
  redis.call('HINCRBY', key, state, 1)
  bucket(key, 'q', r[5])
  bucket(key, 'f', first_text)
  local total = now - tonumber(r[3]) - tonumber(r[4] or 0)
  bucket(key, 't', total)
  redis.call('PEXPIRE', key, '${STATS_KEPT_MS}')
  tell_end(tenant, state, now, code)
  end_transcript(r[7], state, int(tonumber(field('attempt'))))
  if r[7] then session_leave(r[7], state, now) end
  forget_hold(ID)
  if r[7] then next_turn(r[7]) end
  if shared() then has_gone(ID, tenant) end
  refill()
  add('ended:' .. state .. ':' .. code, 1)
  observe('firstText', first_text)
  observe('total', total)
end

-- The ledger of a job: what each attempt came to and cost. An entry is absolute; sums get the difference.
local LEDGER = P .. ':attempts:' .. ID
local function entry(attempt)
  local json = redis.call('HGET', LEDGER, int(tonumber(attempt)))
  return json and cjson.decode(json)
end
local function note(e) redis.call('HSET', LEDGER, int(e.attempt), cjson.encode(e)) end
local function close(attempt, outcome, code, now)
  local e = entry(attempt)
  if not e then return nil end
  e.outcome, e.code, e.endedAt = outcome, code ~= '' and code or nil, now
  -- The fleet's sums get it only now: what was said while it ran may have been too much, and a counter never falls.
  local told = e.told or { costUsd = 0, usage = {} }
  for name, amount in pairs(e.usage) do
    local more = amount - (told.usage[name] or 0)
    if more > 0 then add('tokens:' .. name, int(more)) end
  end
  local usd = e.costUsd - told.costUsd
  if usd > 0 then redis.call('HINCRBYFLOAT', METRICS, 'costUsd', string.format('%.10f', usd)) end
  e.told = { costUsd = e.costUsd, usage = e.usage }
  note(e)
  return e
end

-- What an attempt has cost so far: put into its entry, and added to the job and to the tenant's totals.
local function spend(tenant, attempt, cost, usage, tools)
  local session, session_usd, session_usage = field('session'), nil, {}
  local e = entry(attempt) or { attempt = tonumber(attempt), outcome = 'running', costUsd = 0, usage = {}, tools = {} }
  local totals = P .. ':totals:' .. tenant
  for name, amount in pairs(usage) do
    local more = amount - (e.usage[name] or 0)
    if more ~= 0 then
      session_usage[name] = more
      redis.call('HINCRBY', JOB, name, int(more))
      redis.call('HINCRBY', totals, name, int(more))
    end
  end
  local more = tonumber(cost) - e.costUsd
  if more ~= 0 then
    credential_proved()
    local usd = string.format('%.10f', more)
    session_usd = usd
    redis.call('HINCRBYFLOAT', JOB, 'costUsd', usd)
    redis.call('HINCRBYFLOAT', totals, 'costUsd', usd)
    local now = now_ms()
    local minute = P .. ':stats:' .. tenant .. ':' .. int(math.floor(now / 60000))
    redis.call('HINCRBYFLOAT', minute, 'costUsd', usd)
    redis.call('PEXPIRE', minute, '${STATS_KEPT_MS}')
    local day = P .. ':spent:' .. tenant .. ':' .. int(math.floor(now / 86400000))
    redis.call('INCRBYFLOAT', day, usd)
    redis.call('PEXPIRE', day, '${SPENT_KEPT_MS}')
    use_reserve(tenant, more)
  end
  for name, times in pairs(tools) do
    local f, again = 'tool:' .. name, times - (e.tools[name] or 0)
    -- Tools of MCP servers can have any name; the hash must not grow without end.
    if again ~= 0 and (redis.call('HLEN', totals) < ${TOOL_NAMES_MAX} or redis.call('HEXISTS', totals, f) == 1) then
      redis.call('HINCRBY', totals, f, int(again))
    end
  end
  if session then session_spend(session, session_usd, session_usage) end
  e.costUsd, e.usage, e.tools = tonumber(cost), usage, tools
  note(e)
  return e
end
`
