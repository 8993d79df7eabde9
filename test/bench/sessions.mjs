/**
 * What a named session saves, measured: `node test/bench/sessions.mjs [starts] [resume]` (both by default), after a build. The
 * model is the simulator and answers at once.
 * `starts`: from the call to the result of one turn, the arms in turn within each of 30 rounds: in the process that has the
 * conversation, resumed from Redis on another worker, and the first turn of a new session in a process started for it.
 * `resume`: a job with five tools whose claude is killed in the fifth: what its second attempt asks the model again, beside
 * that of a job that begins anew.
 */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { median, p95, withSessionFleet } from './session-fleet.mjs'

const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 30)
const all = { starts, resume }
const chosen = process.argv.slice(2)
await withSessionFleet(async (fleet) => {
  for (const [name, measure] of Object.entries(all))
    if (chosen.length === 0 || chosen.includes(name)) await measure(fleet)
})
process.exit()

async function starts({ client, session, worker }) {
  // One that keeps no process resumes every turn; the other keeps what it has had.
  const env = { FLEET_CONCURRENCY: '1', FLEET_SPARES: '0' }
  const warm = await worker('keeps', env)
  const kept = await session()
  const timed = async (id, start, extra = {}) => {
    const askedAt = performance.now()
    const job = await client.enqueue({ prompt: 'x', session: id, ...extra })
    const result = await job.result()
    assert.equal(result.start, start)
    return performance.now() - askedAt
  }
  const times = { 'in its process': [], 'resumed from Redis': [], 'new session, cold': [] }
  await timed(kept, 'cold')
  for (let round = 0; round < ROUNDS; round += 1) times['in its process'].push(await timed(kept, 'reused'))
  // Another system prompt each time: no process is there for it.
  for (let round = 0; round < ROUNDS; round += 1) {
    const fresh = await session({ systemPrompt: `Round ${round}.` })
    times['new session, cold'].push(await timed(fresh, 'cold'))
  }
  warm.kill('SIGTERM')
  await worker('resumes', { ...env, FLEET_SESSION_IDLE_MS: '0' })
  for (let round = 0; round < ROUNDS; round += 1) times['resumed from Redis'].push(await timed(kept, 'cold'))
  const cold = median(times['new session, cold'])
  console.log(`| a turn of a session | median, ms | p95, ms | of the cold start |\n| --- | --- | --- | --- |`)
  for (const [name, values] of Object.entries(times)) {
    console.log(
      `| ${name} | ${median(values).toFixed(0)} | ${p95(values).toFixed(0)} | ${(median(values) / cold).toFixed(2)} |`,
    )
  }
}

async function resume({ client, model, workspace, worker }) {
  await worker('tools', { FLEET_CONCURRENCY: '1', FLEET_SPARES: '0' })
  const spent = {}
  for (const [name, crash] of Object.entries({ 'without a crash': false, 'killed in its fifth tool': true })) {
    const cwd = crash ? 'crash' : 'calm'
    const ran = join(workspace, cwd, 'ran')
    const linesOf = () => (existsSync(ran) ? readFileSync(ran, 'utf8').split('\n').length - 1 : 0)
    const last = crash ? 'echo 5 >> ran; while [ $(wc -l < ran) -lt 6 ]; do sleep 0.1; done' : 'echo 5 >> ran'
    const commands = [1, 2, 3, 4].map((at) => `echo ${at} >> ran; seq 1 500`)
    const tools = [...commands, last].map((command) => `[[tool:Bash:${JSON.stringify({ command })}]]`)
    const prompt = `${name} ${tools.join('')}[[tokens:1000,100]][[text:done]]`
    const job = await client.enqueue({ prompt, cwd, allowedTools: ['Bash'], backoff: { type: 'fixed', delayMs: 10 } })
    if (crash) {
      while (linesOf() < 5) await pause(5)
      // Until what the fourth tool has said is in Redis.
      await pause(500)
      for (const pid of claudesIn(join(workspace, cwd))) process.kill(pid, 'SIGKILL')
    }
    const result = await job.result()
    assert.equal(result.text, 'done')
    assert.equal(linesOf(), crash ? 6 : 5)
    const requests = model.ledger.turns().filter((entry) => entry.prompt.startsWith(name))
    const { usage, attempts = [] } = await job.get()
    spent[name] = {
      requests: requests.length,
      tokens: usage.inputTokens + usage.outputTokens,
      attempts: attempts.length,
    }
    console.log(name, spent[name])
  }
  const [calm, crashed] = Object.values(spent)
  const again = crashed.requests - calm.requests
  // Five were answered before the crash; a plain re-run asks them all once more.
  console.log(
    `sent again after the crash: ${again} of ${calm.requests} model calls, ${crashed.tokens - calm.tokens} tokens; ` +
      `by a plain re-run: ${calm.requests - 1}, ${((calm.requests - 1) * calm.tokens) / calm.requests}`,
  )
}

/** Processes that are claude and work in this folder. */
function claudesIn(folder) {
  return readdirSync('/proc').flatMap((pid) => {
    if (!/^\d+$/.test(pid)) return []
    try {
      const isClaude = readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('--input-format=stream-json')
      return isClaude && readlinkSync(`/proc/${pid}/cwd`) === folder ? [Number(pid)] : []
    } catch {
      return []
    }
  })
}
