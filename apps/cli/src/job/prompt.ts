import { FleetError, LIMITS } from '@claude-fleet/core'
import { EXIT } from '../exit-code.js'
import type { Terminal } from '../terminal.js'

/**
 * The prompt that a command was given: the argument itself, or all of stdin for `-`. Rejects with FleetError
 * `INVALID_REQUEST` when stdin is a terminal or not UTF-8, and `PAYLOAD_TOO_LARGE` past the limit. Ctrl-C
 * ends the process with 130: nothing has been sent.
 */
export async function readPrompt(
  argument: string,
  terminal: Pick<Terminal, 'stdin' | 'onSignal' | 'exit'>,
): Promise<string> {
  if (argument !== '-') return argument
  if (terminal.stdin.isTTY)
    throw new FleetError('INVALID_REQUEST', '- reads the prompt from stdin, which is a terminal here')
  using _ = terminal.onSignal(() => terminal.exit(EXIT.interrupted))
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of terminal.stdin) {
    const part = Buffer.from(chunk as Buffer)
    bytes += part.length
    if (bytes > LIMITS.promptBytes) {
      throw new FleetError('PAYLOAD_TOO_LARGE', `the prompt on stdin is over ${LIMITS.promptBytes} bytes`)
    }
    chunks.push(part)
  }
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.concat(chunks))
  } catch (cause) {
    throw new FleetError('INVALID_REQUEST', 'the prompt on stdin is not UTF-8 text', { cause })
  }
}
