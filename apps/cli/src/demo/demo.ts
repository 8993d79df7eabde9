import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline/promises'
import { FleetClient, type Job } from '@claude-fleet/client'
import { FleetError, SettingsError, type JobResult } from '@claude-fleet/core'
import { startEmbeddedRedis } from '@claude-fleet/queue/embedded'
import { startSimulator } from '@claude-fleet/simulator'
import { EXIT } from '../exit-code.js'
import { startService } from '../service/child.js'
import { createOwned, type Owned } from '../service/owned.js'
import { say, type Terminal } from '../terminal.js'

/** ms a service of the demo has to end before it is killed. */
const STOP_GRACE_MS = 15_000

const SIMULATED = [
  '[[slow:6,120]][[text:Paris is the capital of France, on the Seine.]] What is the capital of France?',
  '[[slow:6,120]][[tool:Bash:{"command":"echo 6 times 7 is $((6*7))","description":"Multiply"}]][[text:6 times 7 is 42, says the shell.]] What is 6 times 7?',
  '[[slow:6,120]][[text:A queue keeps work in order and loses none of it.]] What is a queue for?',
]
const LIVE = [
  'Answer in one short sentence: what is the capital of France?',
  'Answer in one short sentence: what is 6 times 7?',
  'Answer in one short sentence: what is a queue for?',
]

/**
 * `demo`: a whole fleet of its own in a temporary folder: Redis, API, worker, and a simulated model for the real
 * `claude`. Runs three prompts at once and ends everything. With `live` the worker uses the caller's own account, after
 * a question on the terminal. Resolves to the exit code.
 */
export async function demo(flags: { live?: boolean; json?: boolean }, terminal: Terminal): Promise<number> {
  const live = flags.live ?? false
  if (live && !(await confirmed(terminal))) return EXIT.usage
  const interrupted = new AbortController()
  using _ = terminal.onSignal(() => interrupted.abort(new FleetError('CANCELLED', 'the demo was interrupted')))
  let results: JobResult[]
  {
    await using owned = createOwned()
    const url = await startFleet(live, terminal, owned)
    const fleet = owned.add(await FleetClient.connect({ url }), (client) => client.close())
    say(terminal, `three prompts at once on ${url}`)
    const prompts = live ? LIVE : SIMULATED
    const jobs = await Promise.all(
      prompts.map((prompt) => fleet.enqueue({ prompt, allowedTools: ['Bash'], maxTurns: 3 })),
    )
    const { signal } = interrupted
    const print = flags.json === true ? undefined : terminal
    results = await Promise.all(jobs.map((job, index) => follow(job, index + 1, print, signal)))
    signal.throwIfAborted()
  }
  if (flags.json === true) for (const result of results) terminal.stdout.write(`${JSON.stringify(result)}\n`)
  else {
    terminal.stdout.write('\n')
    results.forEach((result, index) => terminal.stdout.write(`${summary(index + 1, result)}\n`))
  }
  say(terminal, 'everything has ended again')
  if (!live) say(terminal, 'with your own account: ANTHROPIC_API_KEY=... npm run demo -- --live')
  return EXIT.ok
}

/** Starts the fleet, all of it owned by `owned`. Resolves to the API's address. */
async function startFleet(live: boolean, terminal: Terminal, owned: Owned): Promise<string> {
  const folder = owned.add(await mkdtemp(join(tmpdir(), 'claude-fleet-demo-')), (path) => rm(path, { recursive: true }))
  const cacheDir = join(terminal.home, '.cache', 'claude-fleet')
  const redis = owned.add(await startEmbeddedRedis({ dataDir: join(folder, 'redis'), cacheDir }), (server) =>
    server.stop(),
  )
  say(terminal, 'a private Redis is up')
  const account = live ? liveAccount(terminal) : await simulatedAccount(terminal, owned)
  const env = {
    PATH: terminal.env['PATH'],
    HOME: folder,
    TMPDIR: terminal.env['TMPDIR'],
    CLAUDE_FLEET_TEST_RUN: terminal.env['CLAUDE_FLEET_TEST_RUN'],
    CLAUDE_BIN: terminal.env['CLAUDE_BIN'],
    NODE_EXTRA_CA_CERTS: terminal.env['NODE_EXTRA_CA_CERTS'],
    REDIS_URL: redis.url,
    FLEET_JOB_KEY: randomBytes(32).toString('hex'),
    FLEET_API_PORT: '0',
    FLEET_CONCURRENCY: '3',
    FLEET_WORKSPACE_ROOT: join(folder, 'workspaces'),
    FLEET_STATE_DIR: join(folder, 'state'),
  }
  const onOutput = (line: string) => {
    const version = /"claudeVersion":"([^"]+)"/.exec(line)?.[1]
    if (version !== undefined) say(terminal, `claude ${version}`)
    if (/"level":(50|60)/.test(line)) say(terminal, line)
  }
  const [api] = await Promise.all([
    startService('api', terminal, { env, onOutput }).then((service) =>
      owned.add(service, (one) => one.stop(STOP_GRACE_MS)),
    ),
    startService('worker', terminal, { env: { ...env, ...account }, onOutput }).then((service) =>
      owned.add(service, (one) => one.stop(STOP_GRACE_MS)),
    ),
  ])
  if (api.ready.url === undefined) throw new FleetError('INTERNAL', 'the API did not say where it listens')
  return api.ready.url
}

async function simulatedAccount(terminal: Terminal, owned: Owned): Promise<Record<string, string>> {
  const model = owned.add(await startSimulator(), (simulator) => simulator.close())
  say(terminal, 'a simulated model answers; nothing is paid for')
  return { ANTHROPIC_BASE_URL: model.url, ANTHROPIC_API_KEY: 'simulated' }
}

const ACCOUNT_VARIABLES =
  /^(ANTHROPIC_|CLAUDE_CODE_OAUTH_TOKEN|CLAUDE_CODE_USE_|AWS_|GOOGLE_|CLOUD_ML_|HTTPS?_PROXY|NO_PROXY)/

function liveAccount(terminal: Terminal): Record<string, string | undefined> {
  return Object.fromEntries(Object.entries(terminal.env).filter(([name]) => ACCOUNT_VARIABLES.test(name)))
}

/** Asks on the terminal before money is spent. Throws where there is no terminal to ask on, or no account. */
async function confirmed(terminal: Terminal): Promise<boolean> {
  if (!terminal.stdin.isTTY || !terminal.stderr.isTTY) {
    throw new FleetError('INVALID_REQUEST', '--live spends money, so it asks first and needs a terminal')
  }
  const account = liveAccount(terminal)
  if (!account['ANTHROPIC_API_KEY'] && !account['CLAUDE_CODE_OAUTH_TOKEN'] && !account['ANTHROPIC_AUTH_TOKEN']) {
    throw new SettingsError(
      'ANTHROPIC_API_KEY',
      'is not set; --live needs your account, by it or CLAUDE_CODE_OAUTH_TOKEN',
    )
  }
  const questions = createInterface({ input: terminal.stdin, output: terminal.stderr })
  const answer = await questions.question(
    'This sends three short prompts to the real API on your account. Go on? [y/N] ',
  )
  questions.close()
  return /^y(es)?$/i.test(answer.trim())
}

/** Prints a job's text as it arrives, each piece a line behind the job's number. */
async function follow(
  job: Job,
  place: number,
  terminal: Terminal | undefined,
  signal: AbortSignal,
): Promise<JobResult> {
  const line = (text: string) => terminal?.stdout.write(`[${place}] ${text}\n`)
  for await (const event of job.events({ signal })) {
    if (event.type === 'text') line(event.text)
    if (event.type === 'tool_use') line(`(uses ${event.name})`)
    if (event.type === 'retry') line(`(again after ${event.error.code})`)
  }
  return job.result({ signal })
}

function summary(place: number, result: JobResult): string {
  const { inputTokens, outputTokens } = result.usage
  const cost = result.costUsd.toFixed(6)
  return `[${place}] ${result.text}\n    ${result.start} start, ${result.durationMs} ms, ${inputTokens} tokens in, ${outputTokens} out, ${cost} USD`
}
