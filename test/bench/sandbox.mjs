/**
 * What the sandbox of bubblewrap adds to the start of a claude: `node test/bench/sandbox.mjs [ROUNDS]`, after `npm run build`.
 * Both arms in turn, from the spawn until claude is ready for a prompt. Needs bwrap.
 */
import { mkdtemp, mkdir, realpath, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { createSessionStarter, findClaude } from '@claude-fleet/claude'

const ROUNDS = Number(process.argv[2] ?? 20)
const root = join(import.meta.dirname, '..', '..')
const path = '/usr/local/bin:/usr/bin:/bin'
const claude = await findClaude({ path, resolveFrom: [root] })
const folder = await realpath(await mkdtemp(join(tmpdir(), 'bench-')))
const [cwd, home] = [join(folder, 'ws'), join(folder, 'home')]
await mkdir(cwd)
await mkdir(home)
// The bridge to the worker's proxy is part of a start; nothing goes over it here.
const socket = join(folder, 's')
const proxy = createServer().listen(socket)
const profile = join(root, 'deploy', 'sandbox', 'bubblewrap.sh')
const wrapper = (place) => [
  profile,
  cwd,
  place.cwd,
  place.home,
  place.config,
  place.temporary,
  claude.path,
  process.execPath,
  '4567',
  socket,
  '--',
]
const arms = {
  bare: await createSessionStarter({ claude, path }),
  sandbox: await createSessionStarter({ claude, path, spawnWrapper: wrapper }),
}
const spec = {
  tenant: 't',
  cwd,
  home,
  credential: 'default',
  env: { ANTHROPIC_API_KEY: 'none', ANTHROPIC_BASE_URL: 'http://127.0.0.1:9' },
  permissionMode: 'dontAsk',
  trustWorkspace: false,
}
const times = { bare: [], sandbox: [] }
for (let round = -1; round < ROUNDS; round += 1) {
  for (const [name, start] of Object.entries(arms)) {
    const from = performance.now()
    const session = await start(spec, new AbortController().signal)
    const ms = performance.now() - from
    await session.close()
    // The first of each reads claude from the disk.
    if (round >= 0) times[name].push(ms)
  }
}
proxy.close()
await rm(folder, { recursive: true })
const at = (values, share) => values.toSorted((a, b) => a - b)[Math.floor(share * (values.length - 1))]
for (const [name, values] of Object.entries(times))
  console.log(`${name}: p50 ${at(values, 0.5).toFixed(0)} ms, p90 ${at(values, 0.9).toFixed(0)} ms`)
console.log(`sandbox / bare: ${(at(times.sandbox, 0.5) / at(times.bare, 0.5)).toFixed(2)} (p50 of ${ROUNDS} each)`)
console.log(`node ${process.version}, claude ${claude.version}, ${cpus().length} cores (${cpus()[0].model})`)
