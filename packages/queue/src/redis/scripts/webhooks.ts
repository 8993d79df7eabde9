import { LIMITS } from '@claude-fleet/core'

/** Metadata over this is left out of a webhook: the specification asks for bodies below 20 kB. */
const METADATA_BYTES = 16 * 1_024
/** Longer than any delivery is tried: what nobody looks after any more goes by itself. */
const DELIVERY_KEPT_MS = 7 * 86_400_000
const DISABLED_LOOK_MS = 3_600_000

/**
 * The outbox of webhooks, a part of the prelude. `tell_end` runs in the script that seals a job, so that there is no
 * end without its deliveries and no delivery without its end. A delivery's id is made of job, state and endpoint, and
 * is the `webhook-id` of all its requests. It has no full stop, which the signature scheme forbids.
 */
export const WEBHOOKS = `
-- An endpoint is due when its first delivery is, and not before it may be asked again.
local function index_hook(ep)
  local first = redis.call('ZRANGE', P .. ':hook:' .. ep .. ':due', 0, 0, 'WITHSCORES')
  if not first[2] then return redis.call('ZREM', P .. ':hooks-due', ep) end
  local h = redis.call('HMGET', P .. ':hook:' .. ep, 'restUntil', 'enabled')
  -- One that is disabled is looked at for what has grown too old.
  local rest = h[2] == '1' and tonumber(h[1] or 0) or now_ms() + ${DISABLED_LOOK_MS}
  redis.call('ZADD', P .. ':hooks-due', int(math.max(tonumber(first[2]), rest)), ep)
end

local function deliver(ep, id, now, ...)
  local due, log = P .. ':hook:' .. ep .. ':due', P .. ':hook:' .. ep .. ':log'
  if redis.call('ZCARD', due) >= ${LIMITS.webhookPending} then return add('hooks:dropped', 1) end
  local key = P .. ':delivery:' .. id
  redis.call('HSET', key, 'endpoint', ep, 'status', 'pending', 'attempts', '0', 'at', int(now), ...)
  redis.call('PEXPIRE', key, '${DELIVERY_KEPT_MS}')
  redis.call('ZADD', due, int(now), id)
  redis.call('ZADD', log, int(now), id)
  redis.call('ZREMRANGEBYRANK', log, 0, -${LIMITS.webhookLog + 1})
  index_hook(ep)
  add('hooks:recorded', 1)
  redis.call('PUBLISH', P .. ':hooks-wake', ep)
end

local function tell_end(tenant, state, now, code)
  local endpoints = redis.call('ZRANGE', P .. ':hooks:' .. tenant, 0, -1)
  if #endpoints == 0 then return end
  local r = redis.call('HMGET', JOB, 'webhook', 'createdAt', 'attempt', 'costUsd', 'metadata', 'batch', 'customId')
  local facts = { 'type', 'job.' .. state, 'job', ID, 'state', state, 'finishedAt', int(now), 'createdAt', r[2],
    'attempt', r[3], 'costUsd', r[4] or '0' }
  local function also(name, value)
    if value and value ~= '' then facts[#facts + 1], facts[#facts + 2] = name, value end
  end
  also('code', code)
  also('batch', r[6])
  also('customId', r[7])
  if r[5] and #r[5] <= ${METADATA_BYTES} then also('metadata', r[5]) end
  for _, ep in ipairs(endpoints) do
    local h = redis.call('HMGET', P .. ':hook:' .. ep, 'enabled', 'events')
    local wanted = r[1] == ep or string.find(',' .. (h[2] or '') .. ',', ',job.' .. state .. ',', 1, true)
    if h[1] == '1' and wanted then deliver(ep, ID .. '_' .. state .. '_' .. ep, now, unpack(facts)) end
  end
end
`
