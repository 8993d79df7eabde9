import { setTimeout as delay } from 'node:timers/promises'
import { toolResultsIn, type ClaudeSession } from '@claude-fleet/claude'
import type { Claim, Log } from '@claude-fleet/queue'
import type { Redact } from '../redactor.js'

/** claude writes a row some ms after the message that tells of it; looked for this long, this often. */
const WRITTEN_MS = 1_000
const LOOK_MS = 4
const MAX_BACKOFF_MS = 2_000

type Rows = Pick<ClaudeSession, 'newRows'>

/** Brings the rows of a turn to Redis while it runs. One at a time; nothing of the turn waits for it. */
export interface Mirror {
  began(sessionId: string): void
  /** One more tool has ended: what can be resumed from now on is brought over. */
  toolEnded(session: Rows): void
  /** Ends it; resolves when the process's files are no longer read. */
  stop(): Promise<void>
  /**
   * Brings over the whole turn, in one piece. Resolves to whether that is so; tries once, and then until Redis has taken it
   * or the claim is aborted: a worker that shuts down just now has a turn that has ended, and its session remembers it. `isWhole` says of the rows whether they are all there.
   */
  complete(session: Rows, isWhole: (rows: readonly string[]) => boolean): Promise<boolean>
}

/** `known`: what is in Redis of this turn, and stays. What goes there is redacted, for tools may have shown a secret. */
export function createMirror(
  claim: Pick<Claim, 'jobId' | 'attempt' | 'signal' | 'transcript'>,
  { log, redact }: { log: Log; redact: Redact },
  known?: { sessionId: string; rows: readonly string[] },
): Mirror {
  const { jobId, attempt } = claim
  const rows = [...(known?.rows ?? [])]
  let sessionId = known?.sessionId
  /** Rows that Redis has; the first call brings the known ones again, in place of what followed them. */
  let sent = 0
  let anew = true
  let tools = 0
  let seen = 0
  let state: 'open' | 'full' | 'stopped' = 'open'
  let pushing: Promise<void> | undefined

  async function readUntil(session: Rows, there: () => boolean): Promise<void> {
    const late = performance.now() + WRITTEN_MS
    for (;;) {
      const fresh = await session.newRows()
      for (const row of fresh) seen += toolResultsIn(row)
      rows.push(...fresh.map((row) => redactRow(row, redact)))
      if (there() || performance.now() > late) return
      await delay(LOOK_MS)
    }
  }

  async function send(from: number): Promise<'ok' | 'full' | 'fenced'> {
    if (sessionId === undefined) return 'fenced'
    const upTo = rows.length
    const answer = await claim.transcript.append(sessionId, rows.slice(from, upTo), { anew: anew || from === 0 })
    if (answer === 'ok') {
      anew = false
      sent = upTo
    } else if (answer === 'full') state = 'full'
    return answer
  }

  async function push(session: Rows): Promise<void> {
    try {
      let brought: number
      do {
        brought = tools
        await readUntil(session, () => state !== 'open' || seen >= brought)
        if (state === 'open' && rows.length > sent) await send(sent)
      } while (state === 'open' && tools > brought)
    } catch (err) {
      // The next end of a tool brings it too; without, a later attempt has more to do again.
      log.debug({ err, jobId, attempt }, 'the transcript of a turn was not mirrored')
    }
  }

  return {
    began: (id) => void (sessionId = id),
    toolEnded(session) {
      tools += 1
      if (state === 'open') pushing ??= push(session).finally(() => (pushing = undefined))
    },
    async stop() {
      state = 'stopped'
      await pushing
    },
    async complete(session, isWhole) {
      await pushing
      const ended = state
      state = 'stopped'
      if (ended === 'full') return false
      try {
        await readUntil(session, () => isWhole(rows))
      } catch (err) {
        log.error({ err, jobId, attempt }, 'the transcript of a turn could not be read; its session forgets the turn')
        return false
      }
      const whole = isWhole(rows)
      if (!whole) log.warn({ jobId, attempt }, 'the end of a turn is not in its transcript; the session may forget it')
      for (let backoffMs = 100; ; backoffMs = Math.min(2 * backoffMs, MAX_BACKOFF_MS)) {
        try {
          return (await send(0)) === 'ok' && whole
        } catch (err) {
          log.warn({ err, jobId, attempt }, 'the memory of a session could not be written; trying again')
          if (claim.signal.aborted) return false
          await delay(backoffMs, undefined, { signal: claim.signal }).catch(() => undefined)
        }
      }
    },
  }
}

/** Read as JSON, so that no escape hides a secret. A row without one stays as claude wrote it. */
function redactRow(row: string, redact: Redact): string {
  let json: unknown
  try {
    json = JSON.parse(row)
  } catch {
    return redact(row)
  }
  const clean = JSON.stringify(redact(json))
  return clean === JSON.stringify(json) ? row : clean
}
