import { readdir, readFile, readlink, stat } from 'node:fs/promises'

/** One living process. `startTicks` tells it from a later one with the same pid. */
export interface ProcessEntry {
  pid: number
  parent: number
  startTicks: string
}

/** A process with what it may have inherited from an owner. */
export interface MarkedProcess extends ProcessEntry {
  /** Of the variable; undefined where there is none, or where it may not be read. */
  value: string | undefined
  /** Its hard RLIMIT_LOCKS; undefined where that is unlimited, as it is everywhere else. */
  limit: bigint | undefined
}

/** The processes of this host. */
export interface ProcessTable {
  list(): Promise<ProcessEntry[]>
  /** Those that have the variable, or a limit of file locks. Only Linux has these; elsewhere there are none. */
  marked(variable: string): Promise<MarkedProcess[]>
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
    const none = async () => []
    return { list: none, marked: none, withEnvironment: none, environmentValues: none }
  }
  return { list, marked, withEnvironment, environmentValues }
}

async function list(): Promise<ProcessEntry[]> {
  const names = await readdir('/proc')
  const entries = await Promise.all(names.filter((name) => /^\d+$/.test(name)).map((name) => readEntry(Number(name))))
  return entries.filter((entry) => entry !== undefined)
}

async function marked(variable: string): Promise<MarkedProcess[]> {
  const found = await Promise.all(
    (await list()).map(async (entry) => {
      const [variables, limit] = await Promise.all([environment(entry.pid), lockLimit(entry.pid)])
      const value = variables.find((one) => one.startsWith(`${variable}=`))?.slice(variable.length + 1)
      return value === undefined && limit === undefined ? [] : [{ ...entry, value, limit }]
    }),
  )
  return found.flat()
}

async function withEnvironment(entry: string): Promise<ProcessEntry[]> {
  const found = await Promise.all(
    (await list()).map(async (process) => ((await environment(process.pid)).includes(entry) ? process : undefined)),
  )
  return found.filter((process) => process !== undefined)
}

async function environmentValues(name: string): Promise<{ process: ProcessEntry; value: string }[]> {
  return (await marked(name)).flatMap(({ value, pid, parent, startTicks }) =>
    value === undefined ? [] : [{ process: { pid, parent, startTicks }, value }],
  )
}

/** False for a process that is gone, dead, or halted by a signal. */
export async function isRunning(pid: number): Promise<boolean> {
  const [state] = await readStat(pid)
  return state !== undefined && !['T', 't', 'Z', 'X'].includes(state)
}

/** Resident memory of a process, bytes; undefined for one that is gone, and where there is no /proc. */
export async function residentBytes(pid: number): Promise<number | undefined> {
  const text = await readFile(`/proc/${pid}/status`, 'latin1').catch(() => '')
  const kib = /^VmRSS:\s+(\d+) kB/m.exec(text)?.[1]
  return kib === undefined ? undefined : Number(kib) * 1_024
}

/** Does a process run this command? By the words it was started with, or by the file of a command of one word: claude renames itself. */
export async function runs(pid: number, command: readonly string[]): Promise<boolean> {
  const words = (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).split('\0')
  if (command.every((word, at) => words[at] === word)) return true
  if (command.length !== 1) return false
  const [own, wanted] = await Promise.all([stat(`/proc/${pid}/exe`), stat(command[0] ?? '')]).catch(() => [])
  return own !== undefined && wanted !== undefined && own.dev === wanted.dev && own.ino === wanted.ino
}

/** undefined for a process that is gone, or dead and not yet reaped. */
export async function readEntry(pid: number): Promise<ProcessEntry | undefined> {
  const fields = await readStat(pid)
  const [state, parent, startTicks] = [fields[0], fields[1], fields[19]]
  if (state === 'Z' || state === 'X' || parent === undefined || startTicks === undefined) return undefined
  return { pid, parent: Number(parent), startTicks }
}

/** The fields of /proc/PID/stat from the state on; none for a process that is gone. */
async function readStat(pid: number): Promise<string[]> {
  const text = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => undefined)
  // The name in parentheses may itself have spaces and parentheses: fields are counted from the last one.
  return text === undefined ? [] : text.slice(text.lastIndexOf(')') + 2).split(' ')
}

/** The PID namespace of a process, such as `4026531836`; undefined where it may not be read. */
export async function pidNamespace(pid: number | 'self'): Promise<string | undefined> {
  const link = await readlink(`/proc/${pid}/ns/pid`).catch(() => undefined)
  return link === undefined ? undefined : /\d+/.exec(link)?.[0]
}

async function environment(pid: number): Promise<string[]> {
  const text = await readFile(`/proc/${pid}/environ`, 'latin1').catch(() => '')
  return text.split('\0')
}

async function lockLimit(pid: number): Promise<bigint | undefined> {
  const text = await readFile(`/proc/${pid}/limits`, 'latin1').catch(() => '')
  const hard = /^Max file locks\s+\S+\s+(\d+)/m.exec(text)?.[1]
  return hard === undefined ? undefined : BigInt(hard)
}
