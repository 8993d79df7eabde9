/**
 * Which of the jobs that are next in line have data too large to be read? KEYS[1] is BullMQ's list; ARGV[2] is not used.
 *
 * ARGV[3] bytes, [4] jobs looked at in each list, at most. Answers their ids.
 */
export const SCREEN = `
local found = {}
local function look(ids)
  for _, id in ipairs(ids) do
    if redis.call('HSTRLEN', BULL .. id, 'data') > tonumber(ARGV[3]) then found[#found + 1] = id end
  end
end
look(redis.call('LRANGE', BULL .. 'wait', -tonumber(ARGV[4]), -1))
look(redis.call('ZRANGE', BULL .. 'prioritized', 0, tonumber(ARGV[4]) - 1))
return found
`
