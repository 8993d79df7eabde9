import { FleetError } from '@claude-fleet/core'
import type { Cage } from '../care/cage.js'
import { OWNER_VARIABLE } from '../process/owner.js'
import type { Launch } from '../process/process.js'
import type { SessionFolder } from '../session/folder.js'
import type { SessionSpec } from '../types.js'

/** What a wrapper of the command may have to know: absolute paths of the session's folders, and whose it is. */
export interface SpawnPlace {
  tenant: string
  cwd: string
  home: string
  /** Below `home`, of this process alone. */
  config: string
  /** TMPDIR, of this process alone. */
  temporary: string
}

/**
 * The words that are put right before the command, such as a sandbox: it starts what follows them, with the same stdin, stdout,
 * environment and exit code, and ends when that ends.
 */
export type SpawnWrapper = (place: SpawnPlace) => readonly string[]

export interface LaunchOptions {
  /** The executable, as `findClaude` found it. */
  claude: { file: string; args: readonly string[] }
  spawnWrapper: SpawnWrapper
  /** PATH of claude and its tools. */
  path: string
  timeZone?: string | undefined
}

/** The transcript is kept, in the process's own config folder: a reset finds in it what `/clear` leaves behind. */
const ARGS = [
  '-p',
  '--input-format=stream-json',
  '--output-format=stream-json',
  '--verbose',
  '--include-partial-messages',
  '--strict-mcp-config',
] as const

/**
 * Never of use here: sessions would message each other, and a wake-up would come after the process has ended. A message
 * or a wake-up starts a turn that nobody asked for.
 */
const NO_TOOLS = ['ListAgents', 'SendMessage', 'CronCreate', 'CronDelete', 'CronList', 'ScheduleWakeup'] as const

/** Each closes a hole or a wait that was measured with claude 2.1.330. */
const CLOSED = {
  // `see @/etc/hostname` in a prompt puts the file into the request without any tool call.
  CLAUDE_CODE_DISABLE_ATTACHMENTS: '1',
  // A background shell outlives its turn and starts another when it ends.
  CLAUDE_CODE_DISABLE_BACKGROUND_TASKS: '1',
  // The default of 10 makes a bad key take three minutes. Two still cover a dropped connection, in two seconds.
  CLAUDE_CODE_MAX_RETRIES: '2',
  CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
  DISABLE_TELEMETRY: '1',
  DISABLE_AUTOUPDATER: '1',
} as const

/** Variables that make claude, or what it starts, run code from elsewhere (`BUN_OPTIONS=--preload x.js` was measured). */
const CODE_VARIABLES = /^(BUN_.*|LD_.*|DYLD_.*|NODE_OPTIONS|BASH_ENV|ENV)$/

/**
 * The hermetic launch of a session: fixed flags, an environment built from nothing, the prompt nowhere in it. Values are
 * always `--flag=value`, since a lone value that begins with `-` is a flag.
 *
 * Sessions that share a HOME see each other through its config folder and through sockets below TMPDIR, and write one
 * `.claude.json`. So each process has a folder of its own for both; it costs no measurable time.
 *
 * Throws FleetError `FORBIDDEN` for an environment that would run code inside claude.
 */
export function createLaunch(
  spec: SessionSpec,
  own: {
    folder: Pick<SessionFolder, 'config' | 'temporary'>
    cage: Pick<Cage, 'wrapper' | 'mark'>
    /** The transcript in its folder that it goes on with. */
    resume?: { sessionId: string; interrupted: boolean } | undefined
  },
  options: LaunchOptions,
): Launch {
  const injecting = Object.keys(spec.env).find((name) => CODE_VARIABLES.test(name))
  if (injecting !== undefined) throw new FleetError('FORBIDDEN', `the variable ${injecting} may not be set for claude`)

  const folders = { config: own.folder.config, temporary: own.folder.temporary }
  const [file, ...args] = [
    ...own.cage.wrapper,
    ...options.spawnWrapper({ tenant: spec.tenant, cwd: spec.cwd, home: spec.home, ...folders }),
    options.claude.file,
    ...options.claude.args,
    ...sessionArgs(spec),
    ...(own.resume === undefined ? [] : [`--resume=${own.resume.sessionId}`]),
  ] as [string, ...string[]]
  return {
    file,
    args,
    cwd: spec.cwd,
    env: {
      LANG: 'C.UTF-8',
      ...(options.timeZone === undefined ? {} : { TZ: options.timeZone }),
      ...spec.env,
      PATH: options.path,
      HOME: spec.home,
      CLAUDE_CONFIG_DIR: own.folder.config,
      TMPDIR: own.folder.temporary,
      ...CLOSED,
      [OWNER_VARIABLE]: own.cage.mark.value,
      // Without it a resumed claude waits for a prompt, and takes the turn that was cut off for one that was given up.
      ...(own.resume?.interrupted === true ? { CLAUDE_CODE_RESUME_INTERRUPTED_TURN: '1' } : {}),
    },
  }
}

/** The flags that follow from a spec. What may be long or begin with anything goes over stdin instead. */
export function sessionArgs(spec: SessionSpec): string[] {
  const disallowed = [...NO_TOOLS, ...(spec.disallowedTools ?? [])]
  return [
    ...ARGS,
    // A workspace's settings are code: they run hooks and send the key to a URL of theirs.
    `--setting-sources=${spec.trustWorkspace ? 'project' : ''}`,
    `--permission-mode=${spec.permissionMode}`,
    ...(spec.model === undefined ? [] : [`--model=${spec.model}`]),
    ...(spec.allowedTools === undefined || spec.allowedTools.length === 0
      ? []
      : [`--allowed-tools=${spec.allowedTools.join(',')}`]),
    `--disallowed-tools=${disallowed.join(',')}`,
  ]
}

/** The `initialize` request: what a conversation begins with. Only the first of a process counts (measured). */
export function initializeRequest(spec: SessionSpec): Record<string, unknown> {
  return {
    subtype: 'initialize',
    ...(spec.systemPrompt === undefined ? {} : { systemPrompt: [spec.systemPrompt] }),
    ...(spec.appendSystemPrompt === undefined ? {} : { appendSystemPrompt: spec.appendSystemPrompt }),
    ...(spec.outputSchema === undefined ? {} : { jsonSchema: spec.outputSchema }),
  }
}
