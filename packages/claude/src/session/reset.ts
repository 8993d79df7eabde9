import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { canonicalJson } from '@claude-fleet/core'
import type { LineProcess } from '../process/process.js'
import { initSchema, rewindReplySchema, transcriptRowSchema, type ClaudeMessage } from '../protocol/message.js'
import type { Control } from './control.js'
import type { SessionFolder } from './folder.js'

/** Watches what a process says outside of its turns, and takes its conversation away. */
export interface Reset {
  /** To be told every line of stdout. */
  line(line: string, message: ClaudeMessage | undefined, inTurn: boolean): void
  /** It spoke although nobody had asked, so it is not known what it does. */
  readonly spoke: boolean
  /**
   * `/clear`, and then what that leaves behind. Resolves to why the process is not proven to be as new; undefined when
   * it is. Never rejects.
   */
  run(): Promise<string | undefined>
}

interface Clearing {
  uuid: string
  wasReset: boolean
  done(): void
}

/** Whatever of these comes while nobody has asked is a turn of claude's own. */
const SPEECH = new Set(['assistant', 'user', 'stream_event', 'result', 'conversation_reset'])
/** A transcript is written a few ms after the event that tells of it. */
const TRANSCRIPT_MS = 250

/**
 * `/clear` alone is not enough: it leaves a note about itself, its own command, which the model would see before the
 * next prompt (measured, 2.1.330). The transcript names that note, and `rewind_conversation` takes back all from it on;
 * as the first row of the conversation, that is everything. The request that follows is then a new process's, byte by
 * byte but for ids.
 */
export function createReset(
  process: Pick<LineProcess, 'send' | 'exited'>,
  control: Control,
  folder: Pick<SessionFolder, 'clean' | 'transcript'>,
  timeoutMs: number,
): Reset {
  let first: string | undefined
  let latest: { sessionId: string; rest: string } | undefined
  let clearing: Clearing | undefined
  let spoke = false

  function line(text: string, message: ClaudeMessage | undefined, inTurn: boolean): void {
    if (message === undefined) return
    if (message.type === 'system' && message.subtype === 'init') {
      latest = readInit(text)
      first ??= latest?.rest
      if (!inTurn && clearing === undefined) spoke = true
      return
    }
    if (inTurn) return
    if (clearing === undefined) {
      if (SPEECH.has(message.type)) spoke = true
      return
    }
    if (message.type === 'conversation_reset') clearing.wasReset = message.user_message_uuid === clearing.uuid
    else if (message.type === 'result') clearing.done()
    else if (message.type === 'assistant' || message.type === 'stream_event') spoke = true
  }

  async function clear(): Promise<string | undefined> {
    const before = latest
    if (before === undefined) return 'its conversation did not begin'
    const uuid = randomUUID()
    const cleared = new Promise<void>((resolve) => (clearing = { uuid, wasReset: false, done: resolve }))
    process.send({
      type: 'user',
      uuid,
      session_id: '',
      parent_tool_use_id: null,
      // Not a person's: else the note before it could not be taken back without it.
      isSynthetic: true,
      message: { role: 'user', content: [{ type: 'text', text: '/clear' }] },
    })
    await cleared
    if (clearing?.wasReset !== true) return 'no reset was told'
    if (latest === undefined || latest.sessionId === before.sessionId) return 'the session id stayed'
    if (latest.rest !== first) return 'what a conversation begins with has changed'

    const note = await findNote(latest.sessionId)
    if (note === undefined) return 'what the reset left behind was not found'
    const reply = await control.request({ subtype: 'rewind_conversation', target_message_uuid: note })
    const rewound = rewindReplySchema.safeParse(reply.ok ? reply.response : undefined)
    if (!rewound.success || !rewound.data.rewound || rewound.data.targetMessageUuid !== note) {
      return 'what the reset left behind could not be taken back'
    }
    await folder.clean()
    return spoke ? 'it spoke unasked' : undefined
  }

  async function findNote(sessionId: string): Promise<string | undefined> {
    const late = performance.now() + TRANSCRIPT_MS
    for (;;) {
      for (const row of await folder.transcript(sessionId)) {
        const parsed = transcriptRowSchema.safeParse(asJson(row))
        if (parsed.success && parsed.data.message.content.startsWith('<local-command-caveat>')) return parsed.data.uuid
      }
      if (performance.now() > late) return undefined
      await delay(2)
    }
  }

  return {
    line,
    get spoke() {
      return spoke
    },
    async run() {
      const late = new AbortController()
      try {
        return await Promise.race([
          clear(),
          process.exited.then(() => 'it ended'),
          delay(timeoutMs, `no reset within ${timeoutMs} ms`, { signal: late.signal }),
        ])
      } catch (error) {
        return `its folders could not be cleaned: ${String(error)}`
      } finally {
        late.abort()
        clearing = undefined
      }
    },
  }
}

function readInit(line: string): { sessionId: string; rest: string } | undefined {
  const init = initSchema.safeParse(asJson(line))
  if (!init.success) return undefined
  const { session_id: sessionId, uuid: _uuid, user_message_uuid: _one, user_message_uuids: _all, ...rest } = init.data
  return { sessionId, rest: canonicalJson(rest) }
}

function asJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
