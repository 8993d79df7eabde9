/**
 * Sessions under fire: `node test/bench/sessions-kill.mjs [SESSIONS] [TURNS] [WORKERS] [KILL_MS]` (50, 20, 3, 5,000), after a build.
 * All turns are enqueued at once; meanwhile a worker is killed with SIGKILL every KILL_MS and another takes its place. At the
 * end, of every session: its turns ended in their order, and every request that the model was sent held exactly the turns
 * before it that had completed, in order, and nothing else. Exits 1 where that is not so, or a turn was lost.
 */
import assert from 'node:assert/strict'
import { setTimeout as pause } from 'node:timers/promises'
import { withSessionFleet } from './session-fleet.mjs'

const seen = new WeakSet()
const [SESSIONS = 50, TURNS = 20, WORKERS = 3, KILL_MS = 5_000] = process.argv.slice(2).map(Number)

await withSessionFleet(async ({ client, model, session, worker }) => {
  /** Requests by prompt: what the conversation was in each, and tokens. */
  const asked = new Map()
  const stop = new AbortController()
  const watching = model.ledger.waitFor((entry) => note(asked, entry), stop.signal).catch(() => undefined)

  const alive = []
  let born = 0
  const start = async () => alive.push(await worker(`w${++born}`, { FLEET_CONCURRENCY: '4', FLEET_SPARES: '0' }))
  await Promise.all(Array.from({ length: WORKERS }, start))

  const beganAt = performance.now()
  const ids = await Promise.all(Array.from({ length: SESSIONS }, () => session()))
  const ends = []
  const jobs = await Promise.all(
    ids.map(async (id, at) => {
      const own = []
      for (let turn = 0; turn < TURNS; turn += 1) {
        const prompt = `s${at}t${turn} `
        const job = await client.enqueue({ prompt, session: id, backoff: { delayMs: 100 } })
        own.push({
          prompt,
          job,
          end: job.result().then(
            (result) => (ends.push(prompt), { prompt, result }),
            (error) => (ends.push(prompt), { prompt, error }),
          ),
        })
      }
      return own
    }),
  )

  const done = new AbortController()
  let kills = 0
  const killing = (async () => {
    for (;;) {
      await pause(KILL_MS, undefined, { signal: done.signal }).catch(() => undefined)
      if (done.signal.aborted) return
      const victim = alive.splice(Math.floor(Math.random() * alive.length), 1)[0]
      victim.kill('SIGKILL')
      kills += 1
      await start()
    }
  })()
  const told = await Promise.all(jobs.map((own) => Promise.all(own.map(({ end }) => end))))
  done.abort()
  const seconds = (performance.now() - beganAt) / 1_000
  await killing
  stop.abort()
  await watching

  const failed = told.flat().filter(({ error }) => error !== undefined)
  let requests = 0
  for (const [at, turns] of told.entries()) {
    const order = ends.filter((prompt) => prompt.startsWith(`s${at}t`))
    assert.deepEqual(
      order,
      turns.map(({ prompt }) => prompt),
      `the turns of session ${at} ended out of order`,
    )
    const before = []
    for (const { prompt, result } of turns) {
      for (const heard of asked.get(prompt.trim()) ?? []) {
        requests += 1
        assert.deepEqual(heard, [...before, prompt.trim()], `session ${at} was told something else`)
      }
      if (result !== undefined) before.push(prompt.trim(), result.text.trim())
    }
  }
  const all = SESSIONS * TURNS
  assert.equal(told.flat().length, all)
  console.log(
    `${SESSIONS} sessions of ${TURNS} turns on ${WORKERS} workers, ${kills} killed, ${seconds.toFixed(0)} s: ${all - failed.length} turns completed, ` +
      `${failed.length} failed (${[...new Set(failed.map(({ error }) => error.code))].join(', ') || 'none'}), 0 without an end, order exact, ` +
      `memory exact in ${requests} requests; ${requests - all} of them sent again (${((100 * (requests - all)) / all).toFixed(1)} %), ` +
      `${(Math.max(0, requests - all) / Math.max(1, kills)).toFixed(2)} a kill`,
  )
})
process.exit()

/** Notes what the person and the model have said in this request, in order. It is told of when it comes and when it is answered. */
function note(asked, entry) {
  if (entry.kind !== 'turn' || seen.has(entry)) return false
  seen.add(entry)
  const at = entry.prompt.trim()
  const list = asked.get(at) ?? []
  asked.set(at, list)
  const heard = entry.body.messages.flatMap(({ role, content }) => {
    const blocks = typeof content === 'string' ? [{ type: 'text', text: content }] : content
    return blocks.flatMap(({ type, text = '' }) =>
      type === 'text' && role !== 'system' && !text.startsWith('<system-reminder>') ? [text.trim()] : [],
    )
  })
  list.push(heard)
  return false
}
