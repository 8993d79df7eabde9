/**
 * What is left of a claude and its daemons after each kind of end, by each way of ending them, and what that costs.
 *
 *   node test/bench/process-care.mjs [--runs N] [--only close,worker-frozen | --only costs]
 *
 * The claude is the simulator's fake one, deaf to SIGTERM and to the end of stdin, with four daemons that ignore SIGTERM:
 * one in its group, one in a session of its own, one started twice, one started twice with an empty environment in `/`.
 * `group` and `pdeathsig` are done here, as a plain worker would; the rungs are the product's. Linux only.
 */
import { fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, readlink, rm } from 'node:fs/promises'
import { cpus, release, tmpdir, totalmem } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { createProcessCare, createSessionStarter, detectProcessCare, findClaude } from '@claude-fleet/claude'
import { installFakeClaude } from '@claude-fleet/simulator'

const PATH = process.env.PATH
const RUNGS = ['cgroup', 'namespace', 'sweep']
const WAYS = ['group', 'pdeathsig', ...RUNGS]
const ENDS = ['close', 'claude-killed', 'worker-killed', 'worker-frozen']
/** How long is waited for the dead, ms: what is promised, and for a frozen worker the lock time. */
const WATCH_MS = { close: 5_000, 'claude-killed': 5_000, 'worker-killed': 5_000, 'worker-frozen': 20_000 }
const never = new AbortController().signal

if (process.send !== undefined) await work(JSON.parse(process.argv[2]))
else await main()

async function main() {
  const { values } = parseArgs({ options: { runs: { type: 'string', default: '3' }, only: { type: 'string' } } })
  const runs = Number(values.runs)
  const { rung, refused } = await detectProcessCare({ path: PATH })
  console.log(
    `Linux ${release()}, Node ${process.version}, ${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GiB, `,
  )
  console.log(
    `uid ${process.getuid()}; chosen here: ${rung}${refused.map((one) => `; not ${one.rung}: ${one.why}`).join('')}\n`,
  )
  const ways = []
  for (const way of WAYS) {
    const why = RUNGS.includes(way) ? await cannot(way) : undefined
    if (why === undefined) ways.push(way)
    else console.log(`skipped: ${way}: ${why}`)
  }
  await ends(
    ways,
    ENDS.filter((end) => values.only === undefined || values.only.split(',').includes(end)),
    runs,
  )
  await costs(['process', 'pdeathsig', ...ways.filter((way) => RUNGS.includes(way))], Math.max(runs, 5))
}

async function cannot(rung) {
  return detectProcessCare({ path: PATH, rung }).then(
    () => undefined,
    (error) => error.message,
  )
}

async function ends(ways, kinds, runs) {
  console.log(`Left of 5 processes, ${runs} runs each; ms until all were dead, median (most)\n`)
  console.log(`| ends by | ${ways.join(' | ')} |\n|---|${ways.map(() => '---|').join('')}`)
  for (const end of kinds) {
    // Beside each other, since most of it is waiting.
    const cells = await Promise.all(
      ways.map(async (way) => {
        const results = []
        for (let run = 0; run < runs; run += 1) results.push(await endOnce(way, end))
        const left = Math.max(...results.map((one) => one.left))
        if (left > 0) return `**${left} left**`
        const times = results.map((one) => Math.round(one.ms))
        return `0 left, ${median(times)} (${Math.max(...times)})`
      }),
    )
    console.log(`| ${end} | ${cells.join(' | ')} |`)
  }
}

/** One worker, one claude with daemons, one end. */
async function endOnce(way, end) {
  const folder = await mkdtemp(join(tmpdir(), 'care-'))
  const pidFile = join(folder, 'pids')
  const bin = await installFakeClaude({ folder, marks: '[[ignore-term]][[ignore-eof]]', pids: pidFile })
  const worker = fork(fileURLToPath(import.meta.url), [JSON.stringify({ way, folder, bin })], { env: { PATH } })
  try {
    const [{ claude, supervisor }] = await once(worker, 'message')
    const daemons = await outside(claude, pidFile, 4)
    const watched = await Promise.all([claude, ...daemons].map(identify))
    const begun = performance.now()
    if (end === 'close') worker.send('close')
    else if (end === 'claude-killed') process.kill(claude, 'SIGKILL')
    else worker.kill(end === 'worker-killed' ? 'SIGKILL' : 'SIGSTOP')
    let left = watched
    while (left.length > 0 && performance.now() - begun < WATCH_MS[end]) {
      await delay(5)
      left = (await Promise.all(left.map(async (one) => ((await lives(one)) ? [one] : [])))).flat()
    }
    const ms = performance.now() - begun
    worker.kill('SIGCONT')
    worker.kill('SIGKILL')
    for (const { pid } of left) process.kill(pid, 'SIGKILL')
    if (supervisor !== undefined) while (await lives(await identify(supervisor))) await delay(20)
    return { left: left.length, ms }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** The worker of a run: starts a claude the way it is told, has it leave its daemons, and ends it when told, or dead. */
async function work({ way, folder, bin }) {
  const spec = specOf(folder)
  if (RUNGS.includes(way)) {
    const care = await createProcessCare({ path: PATH, rung: way })
    const start = await createSessionStarter({ claude: { file: bin, args: [] }, path: PATH, care })
    const session = await start(spec, never)
    process.on('message', () => void session.close())
    void session.exited.then(() => session.close())
    void drain(session.turn('[[daemons:stubborn]]', { signal: never, timeoutMs: 100_000, idleTimeoutMs: 100_000 }))
    process.send({ claude: session.pid, supervisor: care.supervisorPid })
  } else {
    const command = way === 'group' ? [bin] : ['setpriv', '--pdeathsig', 'TERM', '--', bin]
    const child = spawn(command[0], command.slice(1), { cwd: folder, env: { PATH }, detached: way === 'group' })
    const kill = (signal) => {
      try {
        process.kill(way === 'group' ? -Number(child.pid) : Number(child.pid), signal)
      } catch {
        // Nothing is left of it.
      }
    }
    process.on('message', () => {
      kill('SIGTERM')
      setTimeout(() => kill('SIGKILL'), 3_000)
    })
    child.on('exit', () => kill('SIGKILL'))
    const content = [{ type: 'text', text: '[[daemons:stubborn]]' }]
    child.stdin.write(`${JSON.stringify({ type: 'user', message: { role: 'user', content } })}\n`)
    child.stdout.resume()
    process.send({ claude: child.pid })
  }
  setInterval(() => {}, 1_000)
}

/** What a way costs: with the pinned claude, since the fake one starts sooner. Interleaved, so that a load hits all. */
async function costs(ways, runs) {
  const folder = await mkdtemp(join(tmpdir(), 'care-'))
  const claude = await findClaude({ path: PATH, resolveFrom: [fileURLToPath(new URL('../..', import.meta.url))] })
  const cares = new Map()
  const times = new Map(ways.map((way) => [way, { start: [], close: [] }]))
  for (const way of ways) {
    const rung = way === 'pdeathsig' ? 'process' : way
    const care = await createProcessCare({ path: PATH, rung })
    const spawnWrapper = way === 'pdeathsig' ? ['setpriv', '--pdeathsig', 'TERM', '--'] : []
    cares.set(way, { care, start: await createSessionStarter({ claude, path: PATH, care, spawnWrapper }) })
  }
  for (let run = 0; run <= runs; run += 1) {
    for (const way of ways) {
      const begun = performance.now()
      const session = await cares.get(way).start(specOf(folder), never)
      const started = performance.now()
      await session.close()
      // The first is for the caches.
      if (run === 0) continue
      times.get(way).start.push(started - begun)
      times.get(way).close.push(performance.now() - started)
    }
  }
  const base = median(times.get('process').start)
  console.log(`\nclaude ${claude.version}, ${runs} starts each in turn; \`process\` is claude with nothing before it\n`)
  console.log('| | ready, ms | ratio | close, ms |\n|---|---|---|---|')
  for (const [way, { start, close }] of times) {
    const ready = median(start)
    console.log(`| ${way} | ${ready.toFixed(0)} | ${(ready / base).toFixed(2)} | ${median(close).toFixed(0)} |`)
  }
  const { supervisorPid } = cares.get(ways.at(-1)).care
  // Once all it needs is loaded and what it needed to start is given back.
  await delay(2_000)
  const before = await usage(supervisorPid)
  await delay(10_000)
  const after = await usage(supervisorPid)
  const cpu = ((after.ticks - before.ticks) * 10) / 10_000
  console.log(
    `\nSupervisor, one a worker: ${after.rss} MiB resident, ${after.own} MiB of it private, ${(cpu * 100).toFixed(1)} % of a core`,
  )
  for (const { care } of cares.values()) await care.close()
  await rm(folder, { recursive: true, force: true })
}

function specOf(folder) {
  const common = { tenant: 't', cwd: folder, home: folder, credential: 'default', permissionMode: 'dontAsk' }
  return {
    ...common,
    env: { ANTHROPIC_API_KEY: 'fake', ANTHROPIC_BASE_URL: 'http://127.0.0.1:9' },
    trustWorkspace: false,
  }
}

async function drain(turn) {
  for await (const message of turn) if (message.type === 'end') return
}

/** The pids here of the daemons of `claude` that are named in `file` by their pids where they live. */
async function outside(claude, file, count) {
  for (;;) {
    const lines = (await read(file)).split('\n').slice(0, -1)
    const named = lines.map((line) => JSON.parse(line).pid)
    // What stands first in its namespace is a child of the process that was started.
    const below = (await read(`/proc/${claude}/task/${claude}/children`)).trim().split(' ')[0]
    const namespaces = await Promise.all([claude, below].map(namespaceOf))
    const found = []
    for (const name of named.length < count ? [] : await readdir('/proc')) {
      const [status, command] = await Promise.all(['status', 'cmdline'].map((one) => read(`/proc/${name}/${one}`)))
      const inside = Number(/^NSpid:.*\s(\d+)$/m.exec(status)?.[1])
      if (!named.includes(inside) || command !== 'sleep\x00300\x00') continue
      if (namespaces.includes(await namespaceOf(name))) found.push(Number(name))
    }
    if (found.length === count) return found
    await delay(20)
  }
}

function namespaceOf(pid) {
  return readlink(`/proc/${pid}/ns/pid`).catch(() => 'gone')
}

async function identify(pid) {
  return { pid, startTicks: (await stat(pid))?.[19] }
}

async function lives({ pid, startTicks }) {
  const fields = await stat(pid)
  return fields !== undefined && fields[19] === startTicks && !/[ZX]/.test(fields[0])
}

async function usage(pid) {
  const [rollup, fields] = await Promise.all([read(`/proc/${pid}/smaps_rollup`), stat(pid)])
  const of = (name) => Math.round(Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(rollup)?.[1]) / 1_024)
  return {
    rss: of('Rss'),
    own: of('Private_Clean') + of('Private_Dirty'),
    ticks: Number(fields[11]) + Number(fields[12]),
  }
}

async function stat(pid) {
  const text = await read(`/proc/${pid}/stat`)
  return text === '' ? undefined : text.slice(text.lastIndexOf(')') + 2).split(' ')
}

function read(file) {
  return readFile(file, 'utf8').catch(() => '')
}

function median(numbers) {
  return numbers.toSorted((a, b) => a - b)[Math.floor((numbers.length - 1) / 2)]
}
