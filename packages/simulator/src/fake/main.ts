import { randomUUID } from 'node:crypto'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import { z } from 'zod'
import { createConversation } from './conversation.js'
import { readMisbehaviour } from './misbehaviour.js'
import { createOutput } from './output.js'
import { createSpendLog } from './spend-log.js'
import { FAKE_VERSION } from './wording.js'

const environment = z
  .object({
    FAKE_CLAUDE: z.string().default(''),
    FAKE_CLAUDE_LOG: z.string().optional(),
    FAKE_CLAUDE_PIDS: z.string().optional(),
    CLAUDE_CONFIG_DIR: z.string().optional(),
  })
  .parse(process.env)
// Every flag of claude is taken; those that a turn tells of are read.
const { values: flags } = parseArgs({ strict: false })
const flagOf = (name: string, otherwise: string) => {
  const value = flags[name]
  return typeof value === 'string' ? value : otherwise
}

const TERMINATED = 143
const HUNG_UP = 129

if (flags['version'] === true || flags['v'] === true) process.stdout.write(`${FAKE_VERSION} (Claude Code)\n`)
else await start()

async function start(): Promise<void> {
  const { misbehaviour } = readMisbehaviour(environment.FAKE_CLAUDE)
  const log = createSpendLog(environment.FAKE_CLAUDE_LOG)
  const { pid } = process
  log({ event: 'start', pid, at: Date.now() })
  process.once('exit', (code) => log({ event: 'exit', pid, at: Date.now(), code }))
  let ignoresTerm = () => misbehaviour.ignoresTerm
  process.on('SIGTERM', () => {
    if (!ignoresTerm()) process.exit(TERMINATED)
  })
  process.once('SIGHUP', () => process.exit(HUNG_UP))
  // What was written for a reader that is gone is lost; claude goes on until its stdin ends (measured).
  process.stdout.on('error', () => undefined)
  process.stderr.on('error', () => undefined)
  // Only an explicit end ends it: a turn that hangs has nothing else that keeps the process alive.
  setInterval(() => undefined, 2 ** 30)

  if (misbehaviour.startExit !== undefined) {
    const { code, text } = misbehaviour.startExit
    process.stderr.write(`${text}\n`, () => process.exit(code))
    return
  }
  if (misbehaviour.startDelayMs > 0) await new Promise((resolve) => setTimeout(resolve, misbehaviour.startDelayMs))

  const output = createOutput(process.stdout)
  output.split(misbehaviour.splits)
  const conversation = createConversation(
    {
      host: {
        pid,
        cwd: process.cwd(),
        pidsFile: environment.FAKE_CLAUDE_PIDS,
        stderr: (text) => void process.stderr.write(text),
        async end(how) {
          await output.flushed()
          if ('code' in how) process.exit(how.code)
          process.kill(pid, how.signal)
          return new Promise<never>(() => undefined)
        },
        killParent() {
          if (process.ppid > 1) process.kill(process.ppid, 'SIGKILL')
        },
      },
      output,
      log,
    },
    {
      marks: environment.FAKE_CLAUDE,
      model: flagOf('model', 'claude-opus-5-5'),
      permissionMode: flagOf('permission-mode', 'default'),
      sessionId: flagOf('resume', flagOf('session-id', randomUUID())),
      config: environment.CLAUDE_CONFIG_DIR,
    },
  )
  ignoresTerm = () => conversation.ignoresTerm
  process.on('SIGINT', () => conversation.interruptAndEnd())
  const lines = createInterface({ input: process.stdin })
  lines.on('line', (line) => conversation.line(line))
  lines.once('close', () => conversation.end())
}
