/**
 * Copies the prompt of a job that leaves BullMQ to its record, where a retry finds it. Answers `kept`, or `missing` where
 * there is no record or no prompt.
 */
export const KEEP_PROMPT = `
local data = redis.call('HGET', BULL .. ID, 'data')
if not data or redis.call('EXISTS', JOB) == 0 then return { 'missing' } end
redis.call('HSET', JOB, 'envelope', data)
return { 'kept' }
`
