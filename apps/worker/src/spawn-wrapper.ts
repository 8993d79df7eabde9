import { realpathSync } from 'node:fs'
import { access, constants, mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { tryWrapper, type ClaudeBinary, type SpawnWrapper } from '@claude-fleet/claude'
import { fillSpawnWrapper, SettingsError, type WorkerSettings } from '@claude-fleet/core'
import type { Egress } from './egress/egress.js'

const SETTING = 'FLEET_SPAWN_WRAPPER'

/** What is put before every claude by `FLEET_SPAWN_WRAPPER`; undefined where it is not set. */
export function createSpawnWrapper(
  { spawnWrapper: words, workspaceRoot }: Pick<WorkerSettings, 'spawnWrapper' | 'workspaceRoot'>,
  { claude, egress }: { claude: ClaudeBinary; egress: Pick<Egress, 'port' | 'socket'> | undefined },
): SpawnWrapper | undefined {
  if (words === undefined) return undefined
  return ({ tenant, cwd, home, config, temporary }) =>
    fillSpawnWrapper(words, {
      tenant,
      workspace: realpathSync(join(workspaceRoot, tenant)),
      cwd,
      home,
      config,
      tmp: temporary,
      proxyPort: egress === undefined ? '' : String(egress.port),
      proxySocket: egress?.socket ?? '',
      node: process.execPath,
      claude: claude.path,
    })
}

/** Has the wrapper start a claude in folders that are made for it. Throws SettingsError where no claude comes of it. */
export async function checkSpawnWrapper(
  wrapper: SpawnWrapper | undefined,
  settings: Pick<WorkerSettings, 'spawnWrapper' | 'workspaceRoot'>,
  { claude, path }: { claude: ClaudeBinary; path: string },
): Promise<void> {
  const program = settings.spawnWrapper?.[0]
  if (wrapper === undefined || program === undefined) return
  await access(program, constants.X_OK).catch((cause: unknown) => {
    throw new SettingsError(SETTING, `${JSON.stringify(program)} is not a program that may be run`, { cause })
  })
  const root = await mkdtemp(join(tmpdir(), 'cfw-'))
  const workspace = join(settings.workspaceRoot, TRIAL_TENANT)
  const [home, config, temporary] = [
    join(root, 'home'),
    join(root, 'home', 'sessions', 'trial', 'config'),
    join(root, 'tmp'),
  ]
  try {
    for (const folder of [config, temporary, workspace]) await mkdir(folder, { recursive: true, mode: 0o700 })
    const words = wrapper({ tenant: TRIAL_TENANT, cwd: workspace, home, config, temporary })
    const env = { PATH: path, HOME: home, CLAUDE_CONFIG_DIR: config, TMPDIR: temporary, DISABLE_AUTOUPDATER: '1' }
    await tryWrapper(words, claude, { env, cwd: workspace }).catch((cause: unknown) => {
      throw new SettingsError(
        SETTING,
        `does not start claude: ${cause instanceof Error ? cause.message : String(cause)}`,
        { cause },
      )
    })
  } finally {
    await rm(root, { recursive: true, force: true })
    await rm(workspace, { recursive: true, force: true })
  }
}

/** No tenant can have this name, which begins with a dot. */
const TRIAL_TENANT = '.trial'
