/**
 * Moves jobs whose time has come from `delayed` and `parked` to `waiting`. BullMQ promotes its own jobs; this keeps the
 * record in step. KEYS[1] is the due index; ARGV[2] is not used; ARGV[3] jobs at most.
 * Answers how many were moved.
 */
export const RIPEN = `
local ids = redis.call('ZRANGEBYSCORE', P .. ':due', '-inf', int(now_ms()), 'LIMIT', '0', ARGV[3])
for _, id in ipairs(ids) do
  ID, JOB = id, P .. ':job:' .. id
  redis.call('ZREM', P .. ':due', id)
  local r = redis.call('HMGET', JOB, 'tenant', 'state')
  if r[2] == 'delayed' or r[2] == 'parked' then
    move(r[1], r[2], 'waiting')
    redis.call('HDEL', JOB, 'resumesAt', 'dueAt')
  end
end
return { int(#ids) }
`
