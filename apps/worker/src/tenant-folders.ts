import { mkdir, realpath } from 'node:fs/promises'
import { join, sep } from 'node:path'
import { FleetError } from '@claude-fleet/core'

/** The folders of tenants on this host, made when first asked for, readable by the worker's user alone. */
export interface TenantFolders {
  /**
   * Absolute real path of a tenant's folder, or of the folder `cwd` in it, made if there is none. Rejects with
   * FleetError `FORBIDDEN` when a link leads out of the tenant's folder, and `INVALID_REQUEST` when `cwd` is no folder.
   */
  workspace(tenant: string, cwd: string | undefined): Promise<string>
  /** HOME of a tenant's `claude` processes. */
  home(tenant: string): Promise<string>
}

export function createTenantFolders(options: { workspaceRoot: string; stateDir: string }): TenantFolders {
  return {
    async workspace(tenant, cwd) {
      const tenantFolder = await makeFolder(join(options.workspaceRoot, tenant))
      if (cwd === undefined) return tenantFolder
      await refuseLinkOutside(tenantFolder, cwd)
      let folder: string
      try {
        folder = await makeFolder(join(tenantFolder, cwd))
      } catch (cause) {
        throw new FleetError('INVALID_REQUEST', `cwd ${JSON.stringify(cwd)} cannot be used as a folder`, { cause })
      }
      // Once more on the result: a link may have been put in place between the check and the making.
      if (!isInside(tenantFolder, folder)) throw outside(cwd)
      return folder
    },
    home: (tenant) => makeFolder(join(options.stateDir, 'tenants', tenant, 'home')),
  }
}

/** Follows the parts of `cwd` that exist, so that nothing is made through a link that leads out. */
async function refuseLinkOutside(tenantFolder: string, cwd: string): Promise<void> {
  let path = tenantFolder
  for (const part of cwd.split('/')) {
    path = join(path, part)
    const real = await realpath(path).catch(() => undefined)
    if (real === undefined) return
    if (!isInside(tenantFolder, real)) throw outside(cwd)
  }
}

async function makeFolder(path: string): Promise<string> {
  await mkdir(path, { recursive: true, mode: 0o700 })
  return realpath(path)
}

/** By path segments: `/ws/t10` is not inside `/ws/t1`. */
function isInside(folder: string, path: string): boolean {
  return path === folder || path.startsWith(folder + sep)
}

function outside(cwd: string): FleetError {
  return new FleetError('FORBIDDEN', `cwd ${JSON.stringify(cwd)} leads out of the tenant's folder`)
}
