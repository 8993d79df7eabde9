/**
 * Lua, for `seal`: what the turn has added to its conversation becomes part of it when the job has completed, and is
 * forgotten otherwise, since claude would send a failed prompt again. An ephemeral job's goes in any case.
 */
export const TRANSCRIPT = `
local function transcript_of(owner) return P .. ':transcript:' .. owner end

-- Back to what it was before the turn.
local function forget_turn(key)
  local known = tonumber(redis.call('HGET', key, 'chunks') or 0)
  if known == 0 then
    redis.call('DEL', key, key .. ':rows')
  else
    redis.call('LTRIM', key .. ':rows', 0, known - 1)
    redis.call('HDEL', key, 'turn', 'turnBytes', 'full')
  end
end

local function end_transcript(session, state, attempt)
  local key = transcript_of(session or ID)
  if redis.call('EXISTS', key) == 0 then return end
  if not session then return redis.call('DEL', key, key .. ':rows') end
  local r = redis.call('HMGET', key, 'turn', 'full', 'turnBytes', 'bytes')
  if r[1] ~= ID then return end
  local record = P .. ':session:' .. session
  local held = redis.call('HGET', record, 'state')
  -- It was closed while the turn went on.
  if not held or held == 'closed' then return redis.call('DEL', key, key .. ':rows') end
  if state ~= 'completed' then return forget_turn(key) end
  if r[2] then
    forget_turn(key)
    return session_fail(session, 'OUTPUT_TOO_LARGE', 'the transcript is longer than a session may have')
  end
  local bytes = tonumber(r[4] or 0) + tonumber(r[3] or 0)
  redis.call('HSET', key, 'chunks', redis.call('LLEN', key .. ':rows'), 'bytes', int(bytes), 'rev', ID .. ':' .. attempt)
  redis.call('HDEL', key, 'turn', 'turnBytes')
  redis.call('HSET', record, 'transcriptBytes', int(bytes))
end
`

/**
 * Adds a chunk of transcript to what the current attempt has mirrored of its turn.
 *
 * ARGV[3] fence, [4] claude's session id, [5] `1`: instead of what was mirrored of this turn before, [6] most bytes that
 * the whole may have, [7] the chunk (none when empty).
 * Answers `ok`, `full` (nothing was added, and nothing of this turn is kept), or `fenced`.
 */
export const MIRROR = `
local r = redis.call('HMGET', JOB, 'fence', 'seal', 'settled', 'session')
if r[1] ~= ARGV[3] or r[2] or r[3] == ARGV[3] then return { 'fenced' } end
local key = transcript_of(r[4] or ID)
if ARGV[5] == '1' and redis.call('EXISTS', key) == 1 then forget_turn(key) end
if ARGV[7] == '' then return { 'ok' } end
local m = redis.call('HMGET', key, 'bytes', 'turnBytes', 'full')
if m[3] then return { 'full' } end
if tonumber(m[1] or 0) + tonumber(m[2] or 0) + #ARGV[7] > tonumber(ARGV[6]) then
  forget_turn(key)
  redis.call('HSET', key, 'turn', ID, 'full', '1')
  return { 'full' }
end
redis.call('RPUSH', key .. ':rows', ARGV[7])
redis.call('HSET', key, 'turn', ID, 'claudeId', ARGV[4])
redis.call('HINCRBY', key, 'turnBytes', #ARGV[7])
return { 'ok' }
`
