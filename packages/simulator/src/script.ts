import { z } from 'zod'

/**
 * What the marks of a prompt tell the simulated model to do. A mark is `[[name]]` or `[[name:value]]`; the README lists
 * them. Text beside the marks is what the model echoes.
 */
export interface Script {
  /** The answer, once all tools have run. */
  text: string
  /** Pieces the answer is streamed in, and ms between them. */
  chunks: number
  chunkMs: number
  /** Tools to use before the answer, one a request. */
  tools: { name: string; input: unknown }[]
  thinking: string | undefined
  /** HTTP status to answer with instead; `times` undefined: always. */
  status: { code: number; times: number | undefined } | undefined
  /** Seconds in `retry-after`. */
  retryAfter: number | undefined
  /** Seconds until a usage limit resets; answers 429 with the unified rate-limit headers. */
  usageLimit: number | undefined
  /** Never answers. */
  hang: boolean
  /** Drops the connection after this many pieces; `times` undefined: always. */
  cut: { after: number; times: number | undefined } | undefined
  /** ms before the first byte. */
  delayMs: number
  tokens: { input: number; output: number }
}

const MARK = /\[\[([a-z-]+)(?::((?:(?!\]\])[\s\S])*\]?))?\]\]/g
const MAX_BYTES = 256 * 1024 * 1024
const MAX_DELAY_MS = 24 * 3_600_000

const count = z.coerce.number().int().min(0).max(1_000_000)
const delay = z.coerce.number().int().min(0).max(MAX_DELAY_MS)

/** Reads the marks of a prompt. A mark that is not known, or whose value does not fit, is left in the text. */
export function parseScript(prompt: string): Script {
  const script: Script = {
    text: '',
    chunks: 3,
    chunkMs: 0,
    tools: [],
    thinking: undefined,
    status: undefined,
    retryAfter: undefined,
    usageLimit: undefined,
    hang: false,
    cut: undefined,
    delayMs: 0,
    tokens: { input: 10, output: 20 },
  }
  const rest = prompt.replaceAll(MARK, (mark: string, name: string, value: string | undefined) => {
    try {
      return apply(script, name, value ?? '') ? '' : mark
    } catch {
      return mark
    }
  })
  if (script.text === '') script.text = `Echo: ${rest.trim()}`
  return script
}

/** Throws where the value does not fit; false: no such mark. */
function apply(script: Script, name: string, value: string): boolean {
  const [first = '', second] = value.split(',')
  const times = () => (second === undefined ? 1 : count.parse(second))
  switch (name) {
    case 'text':
      script.text = value
      return true
    case 'bytes':
      script.text = 'x'.repeat(z.coerce.number().int().min(1).max(MAX_BYTES).parse(value))
      script.chunks = Math.max(3, Math.ceil(script.text.length / 1_024))
      return true
    case 'slow':
      script.chunks = Math.max(1, count.parse(first))
      script.chunkMs = delay.parse(second)
      return true
    case 'tool': {
      const at = value.indexOf(':')
      script.tools.push({ name: value.slice(0, at), input: JSON.parse(value.slice(at + 1)) as unknown })
      return at > 0
    }
    case 'structured':
      script.tools.push({ name: 'StructuredOutput', input: JSON.parse(value) as unknown })
      return true
    case 'thinking':
      script.thinking = value
      return true
    case 'status':
    case 'status-once':
      script.status = {
        code: z.coerce.number().int().min(400).max(599).parse(first),
        times: name === 'status' ? undefined : times(),
      }
      return true
    case 'retry-after':
      script.retryAfter = count.parse(value)
      return true
    case 'usage-limit':
      script.usageLimit = count.parse(value)
      return true
    case 'hang':
      script.hang = true
      return true
    case 'cut':
    case 'cut-once':
      script.cut = { after: count.parse(first), times: name === 'cut' ? undefined : times() }
      return true
    case 'delay':
      script.delayMs = delay.parse(value)
      return true
    case 'tokens':
      script.tokens = { input: count.parse(first), output: count.parse(second) }
      return true
    default:
      return false
  }
}
