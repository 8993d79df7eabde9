/**
 * Takes a job out of BullMQ whole, to `{prefix}:quarantine:{id}`: its lists and its lock, whatever state it is in there.
 *
 * ARGV[3] how long it is kept, ms, [4] `1`: it is forged. Answers `ok`.
 */
export const QUARANTINE = `
for _, list in ipairs({ 'active', 'wait', 'paused' }) do redis.call('LREM', BULL .. list, 0, ID) end
for _, set in ipairs({ 'prioritized', 'delayed' }) do redis.call('ZREM', BULL .. set, ID) end
redis.call('SREM', BULL .. 'stalled', ID)
redis.call('DEL', BULL .. ID .. ':lock')
if redis.call('EXISTS', BULL .. ID) == 1 then
  redis.call('RENAME', BULL .. ID, P .. ':quarantine:' .. ID)
  redis.call('PEXPIRE', P .. ':quarantine:' .. ID, ARGV[3])
end
count('quarantined')
if ARGV[4] == '1' then count('forged') end
return { 'ok' }
`
