/**
 * Appends a batch of events of the current attempt and publishes it. A batch that is already there is answered `ok`
 * without doing anything, so a lost reply costs only a resend.
 *
 * ARGV[3] fence, [4] first seq, [5] last seq, [6] JSON array of events, [7] `1` to leave a hole rather than refuse.
 * Answers `ok` + last seq + cancel reason or empty; `hole` + last seq when events before `first` are missing;
 * `fenced` when another attempt has begun, the job has ended or is gone.
 */
export const APPEND = `
local r = redis.call('HMGET', JOB, 'fence', 'seal', 'seq', 'cancel', 'settled')
if r[1] ~= ARGV[3] or r[2] or r[5] == ARGV[3] then return { 'fenced' } end
local seq, first, last = tonumber(r[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
if last > seq then
  if first ~= seq + 1 and ARGV[7] ~= '1' then return { 'hole', int(seq) } end
  append(last, ARGV[6])
  seq = last
end
return { 'ok', int(seq), r[4] or '' }
`
