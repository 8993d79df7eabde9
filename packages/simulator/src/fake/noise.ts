import type { FakeHost } from './host.js'
import type { Misbehaviour } from './misbehaviour.js'
import type { Output } from './output.js'
import { streamLine, systemLine, type Telling } from './wording.js'

const PIECE_BYTES = 64 * 1024
const FLOOD_LINE_BYTES = 1_024

/** Everything between the lines of a turn that should not be there. Rejects with the signal's reason. */
export async function noise(
  misbehaviour: Misbehaviour,
  { host, output, telling }: { host: FakeHost; output: Output; telling: Telling },
  signal: AbortSignal,
): Promise<void> {
  if (misbehaviour.stderr !== '') host.stderr(`${misbehaviour.stderr}\n`)
  if (misbehaviour.stderrBytes > 0) host.stderr('e'.repeat(misbehaviour.stderrBytes))
  for (let count = 0; count < misbehaviour.garbageLines; count += 1) {
    await output.bytes(GARBAGE[count % GARBAGE.length] ?? '\n')
  }
  if (misbehaviour.badBytes) for (const bytes of BAD_BYTES) await output.bytes(bytes)
  if (misbehaviour.lineBytes > 0) {
    const fields = { content: '', level: 'notice' }
    const empty = JSON.stringify(systemLine(telling, 'informational', fields)).length + 1
    const content = 'x'.repeat(Math.max(0, misbehaviour.lineBytes - empty))
    await output.line(systemLine(telling, 'informational', { ...fields, content }))
  }
  for (let left = misbehaviour.openLineBytes; left > 0; left -= PIECE_BYTES) {
    signal.throwIfAborted()
    await output.bytes('x'.repeat(Math.min(left, PIECE_BYTES)))
  }
  const text = 'x'.repeat(FLOOD_LINE_BYTES / 2)
  const delta = { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text } }
  for (let left = misbehaviour.floodBytes; left > 0; left -= FLOOD_LINE_BYTES) {
    signal.throwIfAborted()
    await output.line(streamLine(telling, 'msg_flood', delta))
  }
}

const GARBAGE = [
  'no json at all\n',
  '{"type":"system","subtype"\n',
  '[]\n',
  'null\n',
  '{"no":"type"}\n',
  '\n',
  '"text"\n',
]

/** Bytes that are no UTF-8, half a character, NUL, a byte order mark, a lone surrogate, and a CR before the LF. */
const BAD_BYTES = [
  Buffer.concat([Buffer.from('{"type":"system","subtype":"informational","content":"'), Buffer.from([0xff, 0xc3])]),
  Buffer.from('"}\n'),
  Buffer.from([0x00, 0x0a]),
  Buffer.from('\uFEFF{"type":"keep_alive"}\n'),
  Buffer.from('{"type":"system","subtype":"informational","content":"\\ud800"}\r\n'),
]
