import { z } from 'zod'
import { readFault, type PlannedFault } from './fault.js'
import { readMarks } from './mark.js'

export interface ToolUse {
  name: string
  input: unknown
}

/**
 * What the marks of a prompt tell the simulated model to do. A mark is `[[name]]` or `[[name:value]]`; the README lists
 * them. Text beside the marks is what the model echoes.
 */
export interface Script {
  /** The marks that were understood, as they stand in the prompt. */
  marks: string[]
  /** The answer, once all tools have run. */
  text: string
  /** Pieces the answer is streamed in, and ms between them. */
  chunks: number
  chunkMs: number
  /** Tools to use before the answer: one entry a reply, several uses of an entry in parallel. */
  tools: ToolUse[][]
  thinking: string | undefined
  stopReason: 'end_turn' | 'max_tokens' | 'refusal'
  /** Tried in order; the first that is due happens. */
  faults: PlannedFault[]
  /** Faults, delay and slowness wait until the tools have run. */
  late: boolean
  /** Seconds in `retry-after` of an error. */
  retryAfter: number | undefined
  /** ms before the first byte. */
  delayMs: number
  tokens: { input: number; output: number; cacheRead: number; cacheCreation: number }
}

const MAX_BYTES = 256 * 1024 * 1024
const MAX_DELAY_MS = 24 * 3_600_000

const count = z.coerce.number().int().min(0).max(1_000_000)
const tokenCount = z.coerce.number().int().min(0).max(1_000_000_000)
const delay = z.coerce.number().int().min(0).max(MAX_DELAY_MS)
const toolUses = z.array(z.object({ name: z.string().min(1), input: z.looseObject({}) })).min(1)

/** Reads the marks of a prompt. A mark that is not known, or whose value does not fit, is left in the text. */
export function parseScript(prompt: string): Script {
  const script: Script = {
    marks: [],
    text: '',
    chunks: 3,
    chunkMs: 0,
    tools: [],
    thinking: undefined,
    stopReason: 'end_turn',
    faults: [],
    late: false,
    retryAfter: undefined,
    delayMs: 0,
    tokens: { input: 10, output: 20, cacheRead: 0, cacheCreation: 0 },
  }
  const { rest } = readMarks(prompt, (mark) => {
    const known = apply(script, mark.name, mark.value)
    if (known) script.marks.push(mark.text)
    return known
  })
  if (script.text === '') script.text = `Echo: ${rest.trim()}`
  return script
}

/** False: there is no such mark, or its value does not fit. */
function apply(script: Script, name: string, value: string): boolean {
  try {
    const fault = readFault(name, value)
    if (fault !== undefined) script.faults.push(fault)
    else if (Object.hasOwn(MARKS, name)) MARKS[name]?.(script, value)
    else return false
    return true
  } catch (error) {
    if (error instanceof z.ZodError || error instanceof SyntaxError || error instanceof RangeError) return false
    throw error
  }
}

const MARKS: Readonly<Record<string, (script: Script, value: string) => void>> = {
  text(script, value) {
    script.text = value
  },
  bytes(script, value) {
    script.text = 'x'.repeat(z.coerce.number().int().min(1).max(MAX_BYTES).parse(value))
    script.chunks = Math.max(3, Math.ceil(script.text.length / 1_024))
  },
  slow(script, value) {
    const [chunks, ms] = value.split(',')
    const chunkMs = delay.parse(ms)
    script.chunks = Math.max(1, count.parse(chunks))
    script.chunkMs = chunkMs
  },
  tool(script, value) {
    const at = value.indexOf(':')
    const input = JSON.parse(value.slice(at + 1)) as unknown
    script.tools.push(toolUses.parse([{ name: value.slice(0, Math.max(0, at)), input }]))
  },
  tools(script, value) {
    script.tools.push(toolUses.parse(JSON.parse(value)))
  },
  structured(script, value) {
    script.tools.push([{ name: 'StructuredOutput', input: JSON.parse(value) as unknown }])
  },
  thinking(script, value) {
    script.thinking = value
  },
  refusal(script) {
    script.stopReason = 'refusal'
  },
  'max-tokens'(script) {
    script.stopReason = 'max_tokens'
  },
  late(script) {
    script.late = true
  },
  'retry-after'(script, value) {
    script.retryAfter = count.parse(value)
  },
  delay(script, value) {
    script.delayMs = delay.parse(value)
  },
  tokens(script, value) {
    const [input, output, cacheRead = 0, cacheCreation = 0] = value.split(',')
    script.tokens = {
      input: tokenCount.parse(input),
      output: tokenCount.parse(output),
      cacheRead: tokenCount.parse(cacheRead),
      cacheCreation: tokenCount.parse(cacheCreation),
    }
  },
}
