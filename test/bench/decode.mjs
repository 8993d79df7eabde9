/**
 * What it costs to read claude's lines, measured: `node test/bench/decode.mjs`, after a build. Bytes to checked messages, beside bare
 * `JSON.parse` of the same lines, already cut; the two take turns within one run. Then single lines of 1, 10 and 50 MB.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { createLineDecoder, parseMessage } from '@claude-fleet/claude'

const RECORDINGS = join(import.meta.dirname, '..', '..', 'packages', 'claude', 'fixtures')

decode()
console.log(`\nNode ${process.version}, ${cpus().length} cores (${cpus()[0].model})`)

function decode() {
  const delta = (chars) => {
    const text = 'lorem "ipsum" dolor é '.repeat(Math.ceil(chars / 22)).slice(0, chars)
    const event = { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text } }
    return `${JSON.stringify({ type: 'stream_event', event, session_id: 's'.repeat(36), parent_tool_use_id: null, uuid: 'u'.repeat(36) })}\n`
  }
  const files = readdirSync(RECORDINGS).filter((name) => name.endsWith('.ndjson') && !name.endsWith('.in.ndjson'))
  const recorded = files.map((name) => readFileSync(join(RECORDINGS, name), 'utf8')).join('')
  const inputs = {
    'pieces of 20 characters': delta(20),
    'pieces of 300 characters': delta(300),
    'pieces of 4,000 characters': delta(4_000),
    [`the ${files.length} recordings`]: recorded,
  }
  for (const [name, text] of Object.entries(inputs)) {
    const bytes = Buffer.from(text.repeat(Math.ceil(16e6 / text.length)))
    const lines = linesOf(bytes)
    const [bare, ours] = alternate(9, [() => lines.forEach((line) => JSON.parse(line.toString())), () => read(bytes)])
    console.log(`decode ${name}: ${(bare / ours).toFixed(2)} of bare JSON.parse`)
  }
  const perMb = (mb) => {
    const bytes = Buffer.from(delta(mb * 1e6))
    const [ms] = alternate(3, [() => read(bytes)])
    return ms / mb
  }
  const [one, ten, fifty] = [perMb(1), perMb(10), perMb(50)]
  console.log(
    `decode one line: ms a MB at 1, 10, 50 MB in the ratio 1 : ${(ten / one).toFixed(2)} : ${(fifty / one).toFixed(2)}`,
  )

  function read(bytes) {
    const decoder = createLineDecoder()
    for (let at = 0; at < bytes.length; at += 65_536)
      decoder.push(bytes.subarray(at, at + 65_536)).forEach(parseMessage)
  }
}

function linesOf(bytes) {
  const lines = []
  for (let start = 0, at; (at = bytes.indexOf(10, start)) !== -1; start = at + 1)
    if (at > start) lines.push(bytes.subarray(start, at))
  return lines
}

/** Medians of `rounds` of each arm, ms, in turn, after one round to warm up. */
function alternate(rounds, arms) {
  const times = arms.map(() => [])
  for (let round = 0; round < rounds + 1; round += 1) {
    for (const [index, arm] of arms.entries()) {
      const from = performance.now()
      arm()
      if (round > 0) times[index].push(performance.now() - from)
    }
  }
  return times.map(median)
}

function median(values) {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]
}
