import { createLineDecoder } from '../protocol/decoder.js'
import { parseMessage } from '../protocol/message.js'
import type { ExitFacts, TurnFacts, TurnMessage, TurnStop } from '../types.js'
import { createTurnReader } from './reader.js'
import { totalCost } from './spend.js'

export interface ReplayedTurn {
  messages: TurnMessage[]
  facts: TurnFacts
}

/**
 * Reads a recording of claude's stdout through the same reader as a live process: one turn up to each result, and one
 * more if lines of an unfinished turn follow. `prompts` are the uuids the prompts were sent with, where they had any;
 * `stop` and `exit` are what the recording itself does not show.
 */
export function replay(
  recording: Uint8Array,
  options: { prompts?: readonly string[]; wantsStructuredOutput?: boolean; exit?: ExitFacts; stop?: TurnStop } = {},
): ReplayedTurn[] {
  const decoder = createLineDecoder()
  const lines = [...decoder.push(recording), decoder.end()].filter((line) => line !== undefined)
  const turns: ReplayedTurn[] = []
  let costBefore = 0
  let backgroundTasks = 0
  let turn = open()

  function open() {
    const reader = createTurnReader({
      promptUuid: options.prompts?.[turns.length] ?? '',
      wantsStructuredOutput: options.wantsStructuredOutput ?? false,
      costBefore,
      backgroundTasks,
      toolOutputBytes: 64 * 1024,
    })
    if (options.stop !== undefined) reader.stopping()
    return { reader, messages: [] as TurnMessage[] }
  }

  function close(exit: ExitFacts | undefined): void {
    const facts = turn.reader.facts({ exit, stop: options.stop, stderrTail: exit?.stderrTail ?? '' })
    turns.push({ messages: turn.messages, facts })
    costBefore = facts.result === undefined ? costBefore : (totalCost(facts.result) ?? costBefore)
    backgroundTasks = facts.backgroundTasks
    turn = open()
  }

  for (const line of lines) {
    const message = parseMessage(line)
    turn.messages.push(...(message === undefined ? turn.reader.log('stdout', line) : turn.reader.read(message)))
    if (turn.reader.result !== undefined) close(undefined)
  }
  if (turn.messages.length > 0 || turns.length === 0) close(options.exit)
  return turns
}
