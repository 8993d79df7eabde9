import { detectProcessCare } from '@claude-fleet/claude'
import type { Check } from '@claude-fleet/core'

/** How surely does all end that a job starts? */
export async function processCheck(path: string): Promise<Check[]> {
  const { rung, refused, endsWithParent } = await detectProcessCare({ path })
  const why = refused.map(({ rung: better, why: reason }) => `no ${better}: ${reason}`).join('; ')
  const found = `by ${rung}${why === '' ? '' : ` (${why})`}`
  const ended: Check =
    rung === 'cgroup' || rung === 'namespace'
      ? { name: 'processes.ended', status: 'ok', found }
      : {
          name: 'processes.ended',
          status: 'warn',
          found: `${found}: a tool that hides may outlive its job`,
          expected: 'by cgroup or namespace',
          fix: 'systemctl edit claude-fleet-worker@ID   # [Service] Delegate=yes; or run the worker as root of a container',
        }
  const parent: Check = endsWithParent
    ? { name: 'processes.parent', status: 'ok', found: 'the kernel ends claude with its worker' }
    : {
        name: 'processes.parent',
        status: process.platform === 'linux' ? 'warn' : 'skipped',
        found: 'no setpriv that knows --pdeathsig: claude ends a little after a worker that is killed',
        fix: 'apt-get install util-linux',
      }
  return [ended, parent]
}
