import { FleetError } from '@claude-fleet/core'
import type { ChainableCommander, Redis } from 'ioredis'
import { z } from 'zod'
import { ABANDON } from './scripts/abandon.js'
import { ACCOUNT } from './scripts/account.js'
import { APPEND } from './scripts/append.js'
import { BALANCE } from './scripts/balance.js'
import { BEAT } from './scripts/beat.js'
import { BEGIN } from './scripts/begin.js'
import { CANCEL } from './scripts/cancel.js'
import { PARK, RESUME_CREDENTIAL } from './scripts/credentials.js'
import { ENQUEUE, KEY_BATCH } from './scripts/enqueue.js'
import { KEEP_PROMPT } from './scripts/keep-prompt.js'
import { PROMOTE, RECHECK } from './scripts/holding.js'
import { COUNT_REQUEST, PUBLISH_LIMITS, RESERVE } from './scripts/limits.js'
import { MIRROR } from './scripts/mirror.js'
import { NOTE } from './scripts/note.js'
import { PRELUDE } from './scripts/prelude.js'
import { QUARANTINE } from './scripts/quarantine.js'
import { REAP } from './scripts/reap.js'
import { RENEW } from './scripts/renew.js'
import { RIPEN } from './scripts/ripen.js'
import { SCHEDULE_CREATE, SCHEDULE_DELETE, SCHEDULE_UPDATE } from './scripts/schedule.js'
import { SCREEN } from './scripts/screen.js'
import { SETTLE } from './scripts/settle.js'
import { HOOK_DELETE, HOOK_INDEX, HOOK_TEST, HOOK_WRITE } from './scripts/hook.js'
import { HOOK_SETTLE } from './scripts/hook-settle.js'
import { SESSION_CLOSE, SESSION_CREATE, SESSION_REMOVE } from './scripts/sessions.js'
import { TICK, TICK_NOTE } from './scripts/tick.js'
import { TIDE } from './scripts/tide.js'
import { WAIT_NEWER } from './scripts/wait-newer.js'

const SCRIPTS = {
  fleetEnqueue: ENQUEUE,
  fleetKeyBatch: KEY_BATCH,
  fleetReserve: RESERVE,
  fleetPublishLimits: PUBLISH_LIMITS,
  fleetCountRequest: COUNT_REQUEST,
  fleetBalance: BALANCE,
  fleetBegin: BEGIN,
  fleetAppend: APPEND,
  fleetSettle: SETTLE,
  fleetCancel: CANCEL,
  fleetKeepPrompt: KEEP_PROMPT,
  fleetAbandon: ABANDON,
  fleetPark: PARK,
  fleetResumeCredential: RESUME_CREDENTIAL,
  fleetPromote: PROMOTE,
  fleetRecheck: RECHECK,
  fleetRipen: RIPEN,
  fleetBeat: BEAT,
  fleetRenew: RENEW,
  fleetReap: REAP,
  fleetNote: NOTE,
  fleetMirror: MIRROR,
  fleetTide: TIDE,
  fleetAccount: ACCOUNT,
  fleetQuarantine: QUARANTINE,
  fleetScreen: SCREEN,
  fleetWaitNewer: WAIT_NEWER,
  fleetHookWrite: HOOK_WRITE,
  fleetHookDelete: HOOK_DELETE,
  fleetHookTest: HOOK_TEST,
  fleetHookSettle: HOOK_SETTLE,
  fleetHookIndex: HOOK_INDEX,
  fleetScheduleCreate: SCHEDULE_CREATE,
  fleetScheduleUpdate: SCHEDULE_UPDATE,
  fleetScheduleDelete: SCHEDULE_DELETE,
  fleetSessionCreate: SESSION_CREATE,
  fleetSessionClose: SESSION_CLOSE,
  fleetSessionRemove: SESSION_REMOVE,
  fleetTick: TICK,
  fleetTickNote: TICK_NOTE,
} as const
export type ScriptName = keyof typeof SCRIPTS

/**
 * What brings running jobs to their end, or takes something out. It passes when Redis is out of memory; what brings
 * new work in is refused then, and so is the begin of an attempt.
 */
const PASS_FULL: ReadonlySet<ScriptName> = new Set([
  'fleetAppend',
  'fleetSettle',
  'fleetCancel',
  'fleetKeepPrompt',
  'fleetAbandon',
  'fleetPark',
  'fleetResumeCredential',
  'fleetBalance',
  'fleetPromote',
  'fleetRecheck',
  'fleetRipen',
  'fleetBeat',
  'fleetRenew',
  'fleetReap',
  'fleetNote',
  'fleetMirror',
  'fleetTide',
  'fleetAccount',
  'fleetQuarantine',
  'fleetWaitNewer',
  'fleetHookSettle',
] as const)
/**
 * Redis looks at its memory before the first write of a script and never in its midst, so none is done by half. A DEL is
 * always let through, and what follows it too; scripts that say so themselves (`allow-oom`) need Redis 7.
 */
const PASS = `redis.call('DEL', P .. ':none')\n`

/** Makes the fleet's scripts commands of this client. They travel by hash; the text is sent when Redis lacks it. */
export function defineScripts(client: Redis): void {
  for (const [name, lua] of Object.entries(SCRIPTS)) {
    client.defineCommand(name, {
      numberOfKeys: 1,
      lua: PRELUDE + (PASS_FULL.has(name as ScriptName) ? PASS : '') + lua,
    })
  }
}

/** Runs one script and returns its answer: a word, and what belongs to it. */
export async function runScript(
  client: Redis,
  name: ScriptName,
  key: string,
  args: readonly (string | number | Buffer)[],
): Promise<string[]> {
  const commands = client as unknown as Record<ScriptName, ScriptCommand>
  return readReply(name, await commands[name](key, ...args))
}

/** Adds a script to a pipeline. Its raw answer is read with `readReply`. */
export function pipeScript(
  pipeline: ChainableCommander,
  name: ScriptName,
  key: string,
  args: readonly (string | number | Buffer)[],
): void {
  const commands = pipeline as unknown as Record<
    ScriptName,
    (key: string, ...args: (string | number | Buffer)[]) => unknown
  >
  commands[name](key, ...args)
}

type ScriptCommand = (key: string, ...args: (string | number | Buffer)[]) => Promise<unknown>

const replySchema = z.array(z.string())

/** What a script answered, as strings. */
export function readReply(name: ScriptName, reply: unknown): string[] {
  const parsed = replySchema.safeParse(reply)
  if (!parsed.success) throw new FleetError('INTERNAL', `the script ${name} gave an answer of another shape`)
  return parsed.data
}
