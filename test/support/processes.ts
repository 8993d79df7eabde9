import { readdir, readFile, readlink } from 'node:fs/promises'

export interface FoundProcess {
  pid: number
  /** Its arguments, cut to 200 characters. */
  command: string
}

/**
 * The live processes that belong to a run: those with `mark` in their environment, arguments or working folder, and
 * the descendants of `ancestor`, without `ancestor` itself. Undefined where the system has no /proc.
 */
export async function processesOf(mark: string, ancestor: number): Promise<FoundProcess[] | undefined> {
  const names = await readdir('/proc').catch(() => [])
  const pids = names.filter((name) => /^\d+$/.test(name)).map(Number)
  if (pids.length === 0) return undefined
  const all = (await Promise.all(pids.map((pid) => look(pid, mark)))).filter((one) => one !== undefined)
  const parents = new Map(all.map((one) => [one.pid, one.parent]))
  return all
    .filter((one) => one.pid !== ancestor && (one.isMarked || descendsFrom(one.pid, ancestor, parents)))
    .map(({ pid, command }) => ({ pid, command }))
}

async function look(pid: number, mark: string) {
  const read = (name: string) => readFile(`/proc/${pid}/${name}`, 'utf8').catch(() => '')
  const [stat, args, env, cwd] = await Promise.all([
    read('stat'),
    read('cmdline'),
    read('environ'),
    readlink(`/proc/${pid}/cwd`).catch(() => ''),
  ])
  // The name in parentheses may hold anything; the fields after it do not.
  const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  if (parent === undefined || state === 'Z' || state === 'X') return undefined
  const command = args.split('\0').join(' ').trim().slice(0, 200)
  return { pid, parent: Number(parent), command, isMarked: [args, env, cwd].some((text) => text.includes(mark)) }
}

function descendsFrom(pid: number, ancestor: number, parents: ReadonlyMap<number, number>): boolean {
  for (let at = parents.get(pid); at !== undefined && at > 0; at = parents.get(at)) if (at === ancestor) return true
  return false
}
