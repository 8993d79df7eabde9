import { auditLineSchema, hashOf, NO_LINE, type AuditLine } from './line.js'

export interface AuditVerdict {
  lines: number
  /** Runs of processes. */
  chains: number
  /** Hash of the last line: kept elsewhere, it shows later whether the end was cut off. */
  head: string
  /** What is wrong, each with the number of its line. */
  faults: { line: number; fault: string }[]
}

/**
 * Reads an audit log line by line. What was changed, taken out, put in or moved is a fault, and so is a line that is not
 * whole, as a crash leaves it. Lines that are missing at the end are missed only by who knows the head: `expected`,
 * which must be the hash of one of the lines.
 */
export async function verifyAudit(
  lines: AsyncIterable<string> | Iterable<string>,
  expected?: string,
): Promise<AuditVerdict> {
  const chains = new Map<string, AuditLine>()
  const hashes = new Set<string>([NO_LINE])
  const verdict: AuditVerdict = { lines: 0, chains: 0, head: NO_LINE, faults: [] }
  for await (const text of lines) {
    if (text === '') continue
    verdict.lines += 1
    const fault = faultOf(text)
    if (fault !== undefined) verdict.faults.push({ line: verdict.lines, fault })
  }
  verdict.chains = chains.size
  if (expected !== undefined && !hashes.has(expected)) {
    verdict.faults.push({ line: verdict.lines, fault: 'the line with the expected hash is not there' })
  }
  return verdict

  function faultOf(text: string): string | undefined {
    const parsed = auditLineSchema.strict().safeParse(parse(text))
    if (!parsed.success) return 'it is not a whole line of an audit log'
    const line = parsed.data
    const before = chains.get(line.chain)
    const known = hashes.has(line.prev)
    chains.set(line.chain, line)
    hashes.add(line.hash)
    verdict.head = line.hash
    if (hashOf(line) !== line.hash) return 'it was changed'
    if (before === undefined && line.seq === 1) {
      return known ? undefined : 'it follows a line that is not there'
    }
    if (before === undefined) return 'lines of its chain before it are missing'
    if (line.seq !== before.seq + 1) return `lines of its chain before it are missing: ${before.seq}, then ${line.seq}`
    return line.prev === before.hash ? undefined : 'it does not follow the line before it in its chain'
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
