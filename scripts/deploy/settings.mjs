// Are these variables settings of that role, and are the values good? Asked of core's own readers.
import * as core from '../../packages/core/dist/index.js'

const HOME = '/home/node'
const READERS = {
  api: core.readApiSettings,
  worker: (source) => core.readWorkerSettings(source, HOME),
  board: core.readBoardSettings,
}
/** Read by Node, not by the fleet. */
const OF_NODE = new Set(['NODE_ENV'])

/**
 * What is wrong with the environment of one process. `files`: path to text, of the secrets that are mounted there. A name
 * that the role's reader does not ask for is a fault, and so is a value that it refuses, or a file that is not mounted.
 */
export function findSettingFaults(where, role, env, files) {
  const read = READERS[role]
  if (read === undefined) return [`${where}: ${role} is no role`]
  const asked = new Set()
  const recorder = new Proxy(env, {
    get(target, name) {
      asked.add(name)
      return target[name]
    },
  })
  const readFile = (path) => {
    if (!Object.hasOwn(files, path)) throw new Error(`${path} is not mounted`)
    return files[path]
  }
  const faults = []
  try {
    read({ env: recorder, readFile })
  } catch (error) {
    if (!(error instanceof core.SettingsError)) throw error
    return [`${where}: ${error.message}`]
  }
  for (const name of Object.keys(env))
    if (!asked.has(name) && !OF_NODE.has(name)) faults.push(`${where}: ${name} is no setting of ${role}`)
  return faults
}

/** A text that each kind of secret file may hold. */
export const SAMPLES = {
  redisUrl: 'redis://:password@redis:6379\n',
  apiKeys: `acme:${'a'.repeat(64)}:enqueue+read\n`,
  jobKey: `${'ab'.repeat(32)}\n`,
  password: 'a-long-password\n',
  anthropicKey: 'key\n',
}

/** ms of `90s`, `1m30s` or `90`. */
export function durationMs(text) {
  const match = /^(?:(\d+)m)?(?:(\d+)s?)?$/.exec(String(text))
  if (match === null || match[0] === '') throw new Error(`${text} is not a duration`)
  return (Number(match[1] ?? 0) * 60 + Number(match[2] ?? 0)) * 1_000
}

/** The time a worker is given to end must hold its drain time and what comes after it. */
export function findGraceFaults(where, graceMs, drainMs) {
  const faults = []
  if (graceMs < 90_000) faults.push(`${where}: ${graceMs} ms to stop is less than the 90 s of the contract`)
  if (graceMs < drainMs + 15_000)
    faults.push(`${where}: ${graceMs} ms to stop leaves no time after FLEET_DRAIN_MS ${drainMs}`)
  return faults
}

/** A tag that names a version, or a digest; never `latest`. */
export const isPinned = (image) => /@sha256:[0-9a-f]{64}$/.test(image) || /:\d+\.\d+(\.\d+)?(-[\w.-]+)?$/.test(image)
