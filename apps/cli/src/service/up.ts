import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { startEmbeddedRedis } from '@claude-fleet/queue/embedded'
import { EXIT } from '../exit-code.js'
import { say, type Terminal } from '../terminal.js'
import { startService, type ServiceProcess } from './child.js'
import { createOwned, type Owned } from './owned.js'

/** ms that `up` gives a service to end, its drain time included, before it is killed. */
const STOP_GRACE_MS = 90_000

/**
 * `up`: API, operators' site and worker on this machine, on a private Redis unless `REDIS_URL` names one. Runs until a signal; ends
 * everything it started. Resolves to the exit code.
 */
export async function up({ json = false }: { json?: boolean }, terminal: Terminal): Promise<number> {
  let stopRequested = () => {}
  const stopped = new Promise<string>(
    (resolve) => (stopRequested = () => resolve('stopping; once more to stop at once')),
  )
  let signals = 0
  using _ = terminal.onSignal(() => {
    signals += 1
    stopRequested()
    // Ctrl-C reaches every process of the terminal; a kill of this one alone does not, so a second is passed on.
    if (signals > 1) for (const service of services) void service.stop(0)
  })
  const services: ServiceProcess[] = []
  await using owned = createOwned()
  const { password, isNew } = passwordOf(terminal)
  const env = {
    ...terminal.env,
    ...(terminal.env['REDIS_URL'] ? {} : await startPrivateRedis(terminal, owned)),
    ...(isNew && { FLEET_ADMIN_PASSWORD: password }),
  }
  for (const role of ['api', 'board', 'worker']) {
    const service = await startService(role, terminal, { env, onOutput: (line) => terminal.stdout.write(`${line}\n`) })
    services.push(owned.add(service, (started) => started.stop(STOP_GRACE_MS)))
  }
  const [url, board] = services.map((service) => service.ready.url)
  const user = terminal.env['FLEET_ADMIN_USER'] || 'admin'
  if (json) say(terminal, JSON.stringify({ type: 'up', url, board, ...(isNew && { user, password }) }))
  else say(terminal, `claude-fleet is up: ${url}   try: FLEET_URL=${url} claude-fleet run "hello"   stop: Ctrl-C`)
  // Printed once, to who started it; it is new at each start.
  if (!json)
    say(terminal, `operators' site: ${board}   ${isNew ? `sign in: ${user} ${password}` : `sign in as ${user}`}`)
  say(terminal, await Promise.race([stopped, ...services.map((service) => service.ended)]))
  return signals > 0 ? EXIT.ok : EXIT.unreachable
}

/** The password of the operators' site: the one that is set, else one made for this start. */
function passwordOf({ env }: Pick<Terminal, 'env'>): { password: string; isNew: boolean } {
  const isNew = !env['FLEET_ADMIN_PASSWORD'] && !env['FLEET_ADMIN_PASSWORD_FILE']
  return { password: randomBytes(12).toString('base64url'), isNew }
}

/** A Redis of this command's own; its data stay in the state folder, and so does the key that signs its jobs. */
async function startPrivateRedis(terminal: Terminal, owned: Owned): Promise<Record<string, string>> {
  const state = terminal.env['FLEET_STATE_DIR'] ?? join(terminal.home, '.claude-fleet', 'state')
  const cacheDir = join(terminal.home, '.cache', 'claude-fleet')
  const redis = await startEmbeddedRedis({ dataDir: join(state, 'redis'), cacheDir })
  const { url } = owned.add(redis, (started) => started.stop())
  const hasKey = terminal.env['FLEET_JOB_KEY'] || terminal.env['FLEET_JOB_KEY_FILE']
  return { REDIS_URL: url, ...(hasKey ? {} : { FLEET_JOB_KEY_FILE: await jobKeyFile(join(state, 'redis')) }) }
}

/** Made once, beside the data of the private Redis: jobs that wait from an earlier start have to stay good. */
async function jobKeyFile(folder: string): Promise<string> {
  const file = join(folder, 'job-key')
  try {
    await writeFile(file, randomBytes(32).toString('hex'), { flag: 'wx', mode: 0o600 })
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
  }
  return file
}
