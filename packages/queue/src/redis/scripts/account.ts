/**
 * Completes the ledger entry of an attempt that was fenced while it ran: nothing of it may be written any more, but what
 * it cost was paid. Changes no state; does nothing for an attempt that was settled, or when the job is gone.
 *
 * ARGV[3] fence, [4] attempt, [5] JSON of `{costUsd, usage, tools}`. Answers `ok` or `unknown`.
 */
export const ACCOUNT = `
local tenant, e = field('tenant'), entry(ARGV[4])
if not tenant or not e or e.fence ~= ARGV[3] then return { 'unknown' } end
if e.outcome ~= 'running' and e.outcome ~= 'lost' then return { 'unknown' } end
local spent, now = cjson.decode(ARGV[5]), now_ms()
spend(tenant, ARGV[4], spent.costUsd, spent.usage, spent.tools)
close(ARGV[4], 'fenced', 'WORKER_LOST', e.endedAt or now)
count('fenced')
return { 'ok' }
`
