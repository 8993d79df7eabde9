/**
 * Appends a batch of events of the current attempt and publishes it. A batch that is already there is answered `ok`
 * without doing anything, so a lost reply costs only a resend.
 *
 * ARGV[3] fence, [4] first seq, [5] last seq, [6] JSON array of events, [7] `1` to leave a hole rather than refuse, [8] JSON of
 * `{costUsd, usage, tools}` that the attempt has spent so far (empty: unchanged). No events: [4] above [5], [6] not used.
 * Answers `ok` + last seq + cancel reason or empty + `broke`, if its tenant has spent what it may spend today; `hole` + last seq when events before `first` are missing;
 * `fenced` when another attempt has begun, the job has ended or is gone.
 */
export const APPEND = `
local r = redis.call('HMGET', JOB, 'fence', 'seal', 'seq', 'cancel', 'settled', 'tenant', 'attempt')
if r[1] ~= ARGV[3] or r[2] or r[5] == ARGV[3] then
  add('fenced:append', 1)
  return { 'fenced' }
end
local seq, first, last = tonumber(r[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
if ARGV[8] ~= '' then
  local spent = cjson.decode(ARGV[8])
  spend(r[6], r[7], spent.costUsd, spent.usage, spent.tools)
end
if last >= first and last > seq then
  if first ~= seq + 1 and ARGV[7] ~= '1' then return { 'hole', int(seq) } end
  append(last, ARGV[6])
  seq = last
end
local left, broke
if ARGV[8] ~= '' and shared() then left, broke = day_left(r[6], now_ms()) end
return { 'ok', int(seq), r[4] or '', broke and 'broke' or nil }
`
