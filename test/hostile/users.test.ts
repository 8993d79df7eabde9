import { execFileSync } from 'node:child_process'
import { chmod, chown, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startFleet, TEST_TENANT, type TestFleet } from '../support/fleet.js'
import { baseEnv, CLAUDE_FLEET, type RunningProcess } from '../support/service.js'
import { createHostileTally } from './tally.js'

/** Of nobody. */
const UIDS = { [TEST_TENANT]: 64_201, other: 64_202 }
const asUser = (uid: number) => ['setpriv', `--reuid=${uid}`, `--regid=${uid}`, '--clear-groups', '--']
const why = whyNoUsers()
if (why !== undefined) console.warn(`workers of their own users are not tried here: ${why}`)
const tally = createHostileTally('what a worker of another user has')

let fleet: TestFleet
let root: string
beforeAll(async () => {
  fleet = await startFleet()
  // Not below the run's own folder, which is for one user.
  root = await mkdtemp('/tmp/fleet-users-')
  await chmod(root, 0o711)
})
afterAll(async () => {
  tally.write()
  await fleet[Symbol.asyncDispose]()
  await rm(root, { recursive: true, force: true })
})

const folderOf = (tenant: string) => join(root, tenant)

/** As deploy/systemd would start it: folders, a credential and a user of its own. */
async function workerOf(tenant: string, uid: number): Promise<RunningProcess> {
  const folder = folderOf(tenant)
  const credentials = join(folder, 'credentials.json')
  const env = { ANTHROPIC_API_KEY: `sk-canary-of-${tenant}`, ANTHROPIC_BASE_URL: fleet.model.url }
  const folders = ['home', 'workspaces', `workspaces/${tenant}`, 'tmp'].map((name) => join(folder, name))
  for (const path of [folder, ...folders]) {
    await mkdir(path, { recursive: true, mode: 0o700 })
    await chown(path, uid, uid)
  }
  for (const [path, text] of Object.entries({
    [credentials]: JSON.stringify({ [tenant]: { env } }),
    [join(folder, 'workspaces', tenant, 'secret')]: 'secret',
  })) {
    await rm(path, { force: true })
    await writeFile(path, text, { mode: 0o600 })
    await chown(path, uid, uid)
  }
  return fleet.worker(
    `w-${tenant}`,
    {
      HOME: join(folder, 'home'),
      TMPDIR: join(folder, 'tmp'),
      FLEET_WORKSPACE_ROOT: join(folder, 'workspaces'),
      FLEET_STATE_DIR: join(folder, 'state'),
      FLEET_CREDENTIALS_FILE: credentials,
      FLEET_SPARES: '0',
      ANTHROPIC_API_KEY: '',
      ANTHROPIC_BASE_URL: '',
    },
    { cwd: folder, enter: asUser(uid) },
  )
}

/** So many of the ways are files, which come first. */
const FILES = 5

/** Each is a command of a shell that succeeds where the job gets at it. */
function waysTo(tenant: string, worker: RunningProcess): Record<string, string> {
  const folder = folderOf(tenant)
  return {
    'its workspace': `cat ${folder}/workspaces/${tenant}/secret`,
    'what its workspace has': `ls ${folder}/workspaces/${tenant}`,
    'its credentials': `cat ${folder}/credentials.json`,
    'a file by a link': `ln -sf ${folder}/credentials.json link && cat link`,
    'a file put into its HOME': `touch ${folder}/home/.bashrc`,
    'the environment of its worker': `grep -aq REDIS_URL /proc/${worker.pid}/environ`,
    'the memory of its worker': `test -n "$(head -c 64 /proc/${worker.pid}/maps)"`,
    'a file by the root of its worker': `cat /proc/${worker.pid}/root${folder}/credentials.json`,
    'a signal to its worker': `kill -0 ${worker.pid}`,
  }
}

/** Has real claude try them all with its Bash tool; the names of those that were there to be had. */
async function hadBy(ways: Record<string, string>): Promise<string[]> {
  const script = Object.values(ways).map((way, at) => `if ( ${way} ) >/dev/null 2>&1; then echo "had ${at}"; fi`)
  const own = join(folderOf(TEST_TENANT), 'workspaces', TEST_TENANT)
  await writeFile(join(own, 'ways.sh'), script.join('\n'), { mode: 0o644 })
  const job = await fleet.http.enqueue({
    prompt: '[[tool:Bash:{"command":"bash ways.sh; echo done"}]] take it',
    allowedTools: ['Bash'],
    credential: TEST_TENANT,
  })
  let output = ''
  for await (const event of job.events()) if (event.type === 'tool_result') output += event.output
  expect(await job.get()).toMatchObject({ state: 'completed', worker: `w-${TEST_TENANT}` })
  expect(output).toContain('done')
  const names = Object.keys(ways)
  return [...output.matchAll(/^had (\d+)$/gm)].map(([, at]) => names[Number(at)] ?? '')
}

test.skipIf(why !== undefined)(
  'a job of a worker with a user of its own has nothing of the worker of another tenant beside it',
  async () => {
    const other = await workerOf('other', UIDS.other)
    const ways = waysTo('other', other)
    // With one user for both the files are to be had: else it would prove nothing. Processes are hidden by the PID namespace too.
    const same = await workerOf(TEST_TENANT, UIDS.other)
    expect(await hadBy(ways)).toEqual(expect.arrayContaining(Object.keys(ways).slice(0, FILES)))
    await same.stop()
    await rm(folderOf(TEST_TENANT), { recursive: true })
    await workerOf(TEST_TENANT, UIDS[TEST_TENANT] ?? 0)
    const had = await hadBy(ways)
    for (const name of Object.keys(ways)) tally.tried(!had.includes(name))
    expect(had).toEqual([])
  },
  120_000,
)

function whyNoUsers(): string | undefined {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'only root can start a process of another user'
  try {
    const [file, ...args] = [...asUser(UIDS.other), process.execPath, CLAUDE_FLEET, '--version']
    execFileSync(file, args, { stdio: 'pipe', cwd: '/', env: baseEnv(), timeout: 20_000 })
    return undefined
  } catch (error) {
    return `another user cannot run the checkout: ${(error as Error).message.split('\n')[0] ?? ''}`
  }
}
