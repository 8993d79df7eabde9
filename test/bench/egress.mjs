// What the proxy that keeps the key costs a stream: the same pieces with and without it, by turns, in one run.
//   node test/bench/egress.mjs [rounds]      (after `npm run build`)
import { once } from 'node:events'
import { createServer, request } from 'node:http'
// oxlint-disable-next-line no-restricted-imports -- a part of the worker that is measured alone, and nobody's to import
import { createEgress } from '../../apps/worker/dist/egress/egress.js'

const ROUNDS = Number(process.argv[2] ?? 40)
const PIECES = 100
const EVERY_MS = 5

const api = createServer((asked, answer) => {
  asked.resume()
  answer.flushHeaders()
  let left = PIECES
  const timer = setInterval(() => {
    answer.write(`${process.hrtime.bigint()}\n`)
    left -= 1
    if (left === 0) {
      clearInterval(timer)
      answer.end()
    }
  }, EVERY_MS)
})
await once(api.listen(0, '127.0.0.1'), 'listening')
const base = `http://127.0.0.1:${api.address().port}`
const log = { debug() {}, info() {}, warn: console.error, error: console.error }
const egress = await createEgress({ log }, { networkEnv: {} })
let env
let exit
const start = egress.keyless(async (spec) => {
  env = spec.env
  return { exited: new Promise((resolve) => (exit = resolve)) }
})
await start({ env: { ANTHROPIC_API_KEY: 'key', ANTHROPIC_BASE_URL: base } }, new AbortController().signal)

const measured = { direct: { head: [], piece: [] }, proxy: { head: [], piece: [] } }
for (let round = 0; round < ROUNDS; round += 1) {
  await stream(base, 'direct')
  await stream(env.ANTHROPIC_BASE_URL, 'proxy')
}
for (const kind of ['head', 'piece']) {
  const [direct, proxy] = ['direct', 'proxy'].map((way) => measured[way][kind].sort((a, b) => a - b))
  for (const share of [0.5, 0.99]) {
    const at = (values) => values[Math.floor((values.length - 1) * share)]
    const row = [kind, `p${share * 100}`, `direct ${at(direct).toFixed(2)} ms`, `proxy ${at(proxy).toFixed(2)} ms`]
    console.log([...row, `+${(at(proxy) - at(direct)).toFixed(2)} ms`, `of ${direct.length}`].join('  '))
  }
}
exit({ code: 0, signal: null, stderrTail: '' })
await egress.close()
api.closeAllConnections()
api.close()

async function stream(url, way) {
  const askedAt = performance.now()
  const asked = request(`${url}/v1/messages`, { method: 'POST', headers: { 'x-api-key': env.ANTHROPIC_API_KEY } })
  asked.end('{}')
  const [answer] = await once(asked, 'response')
  measured[way].head.push(performance.now() - askedAt)
  let rest = ''
  for await (const chunk of answer.setEncoding('utf8')) {
    const now = process.hrtime.bigint()
    const lines = (rest + chunk).split('\n')
    rest = lines.pop()
    for (const line of lines) measured[way].piece.push(Number(now - BigInt(line)) / 1e6)
  }
}
