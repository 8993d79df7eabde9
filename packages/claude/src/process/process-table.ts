import { readdir, readFile } from 'node:fs/promises'

/** One living process. `startTicks` tells it from a later one with the same pid. */
export interface ProcessEntry {
  pid: number
  parent: number
  startTicks: string
}

/** The processes of this host. */
export interface ProcessTable {
  list(): Promise<ProcessEntry[]>
  /** Those whose environment has the entry `NAME=value`; only of users whose processes may be read. */
  withEnvironment(entry: string): Promise<ProcessEntry[]>
  /** Every value that a variable has in the environment of some process. */
  environmentValues(name: string): Promise<{ process: ProcessEntry; value: string }[]>
}

/**
 * Linux has it in /proc. Elsewhere there is no table: a session then ends with claude's own process, which ends its
 * tools on SIGTERM, but tools that outlive a SIGKILLed claude are not found.
 */
export function createProcessTable(): ProcessTable {
  if (process.platform !== 'linux') {
    return { list: async () => [], withEnvironment: async () => [], environmentValues: async () => [] }
  }
  return { list, withEnvironment, environmentValues }
}

async function list(): Promise<ProcessEntry[]> {
  const names = await readdir('/proc')
  const entries = await Promise.all(names.filter((name) => /^\d+$/.test(name)).map((name) => readEntry(Number(name))))
  return entries.filter((entry) => entry !== undefined)
}

async function withEnvironment(entry: string): Promise<ProcessEntry[]> {
  const found = await Promise.all(
    (await list()).map(async (process) => ((await environment(process.pid)).includes(entry) ? process : undefined)),
  )
  return found.filter((process) => process !== undefined)
}

async function environmentValues(name: string): Promise<{ process: ProcessEntry; value: string }[]> {
  const found = await Promise.all(
    (await list()).map(async (process) => {
      const entry = (await environment(process.pid)).find((candidate) => candidate.startsWith(`${name}=`))
      return entry === undefined ? undefined : { process, value: entry.slice(name.length + 1) }
    }),
  )
  return found.filter((hit) => hit !== undefined)
}

/** undefined for a process that is gone, or dead and not yet reaped. */
export async function readEntry(pid: number): Promise<ProcessEntry | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => undefined)
  if (stat === undefined) return undefined
  // The name in parentheses may itself have spaces and parentheses: fields are counted from the last one.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const [state, parent, startTicks] = [fields[0], fields[1], fields[19]]
  if (state === 'Z' || state === 'X' || parent === undefined || startTicks === undefined) return undefined
  return { pid, parent: Number(parent), startTicks }
}

async function environment(pid: number): Promise<string[]> {
  const text = await readFile(`/proc/${pid}/environ`, 'latin1').catch(() => '')
  return text.split('\0')
}
