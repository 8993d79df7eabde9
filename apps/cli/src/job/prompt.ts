import { FleetError, LIMITS } from '@claude-fleet/core'
import type { Terminal } from '../terminal.js'

/**
 * The prompt that a command was given: the argument itself, or all of stdin for `-`. Rejects with FleetError
 * `INVALID_REQUEST` when stdin is a terminal or not UTF-8, and `PROMPT_TOO_LONG` past the limit.
 */
export async function readPrompt(argument: string, terminal: Pick<Terminal, 'stdin'>): Promise<string> {
  if (argument !== '-') return argument
  if (terminal.stdin.isTTY)
    throw new FleetError('INVALID_REQUEST', '- reads the prompt from stdin, which is a terminal here')
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of terminal.stdin) {
    const part = Buffer.from(chunk as Buffer)
    bytes += part.length
    if (bytes > LIMITS.promptBytes) {
      throw new FleetError('PROMPT_TOO_LONG', `the prompt on stdin is over ${LIMITS.promptBytes} bytes`)
    }
    chunks.push(part)
  }
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.concat(chunks))
  } catch (cause) {
    throw new FleetError('INVALID_REQUEST', 'the prompt on stdin is not UTF-8 text', { cause })
  }
}
