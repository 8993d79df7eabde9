import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  readApiSettings,
  readBoardSettings,
  readClientSettings,
  readWorkerSettings,
  SettingsError,
} from '@claude-fleet/core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { makeFolder } from '../support/folder.js'
import { startRedis, type PrivateRedis } from '../support/redis.js'
import { CLAUDE_FLEET, runNode } from '../support/service.js'
import { createHostileTally } from './tally.js'

const tally = createHostileTally('settings and command lines')
const CANARY = 'canary-secret'
let folder: Awaited<ReturnType<typeof makeFolder>>
let redis: PrivateRedis
beforeAll(async () => {
  folder = await makeFolder()
  redis = await startRedis()
})
afterAll(async () => {
  tally.write()
  await redis.stop()
  await folder.remove()
})

const GOOD = { REDIS_URL: 'redis://127.0.0.1:6379', FLEET_ADMIN_PASSWORD: 'long enough' }
type Reader = (env: Record<string, string>) => unknown
const noFile = () => {
  throw new Error('ENOENT')
}
const api: Reader = (env) => readApiSettings({ env: { ...GOOD, ...env }, readFile: noFile })
const board: Reader = (env) => readBoardSettings({ env: { ...GOOD, ...env }, readFile: noFile })
const worker: Reader = (env) => readWorkerSettings({ env: { ...GOOD, ...env }, readFile: noFile }, '/home/node')
const client: Reader = (env) => readClientSettings({ env, readFile: noFile })

/** Each must be refused in one line that names the setting and holds no secret. */
const BAD: readonly (readonly [name: string, values: readonly string[], ...readers: Reader[]])[] = [
  [
    'REDIS_URL',
    ['http://x', 'file:///etc/passwd', 'redis://', `redis://:${CANARY}@10.0.0.1`, `redis://u:${CANARY}@h/x`],
    api,
  ],
  ['REDIS_URL', ['', `redis://:${CANARY}@redis.test`, `${CANARY}\nredis://127.0.0.1`], api, board, worker],
  ['REDIS_URL', [`redis://:${CANARY}@redis.test`, 'ftp://x'], client],
  ['FLEET_PREFIX', ['a:b', 'a b', '*', '../x', 'x'.repeat(65), 'a\n'], api, board, worker, client],
  ['FLEET_JOB_KEY', [CANARY, 'ab', 'g'.repeat(64), `${'ab'.repeat(32)},`, 'ab'.repeat(33)], api, board, worker, client],
  ['FLEET_API_KEYS', [CANARY, `acme:${CANARY}`, `../x:${'a'.repeat(64)}`, `acme:${'a'.repeat(64)}:root`, ',,'], api],
  ['FLEET_API_HOST', ['0.0.0.0', '::', 'a b', '10.0.0.1', 'x;y'], api],
  ['FLEET_API_PORT', ['-1', '65536', '3e3', '0x10', ' 3000', '3000.5'], api],
  ['FLEET_API_RATE', ['-1', '1e3', 'two', '1000001'], api],
  ['FLEET_API_STREAMS', ['-1', 'many'], api],
  ['FLEET_AUDIT_LOG', ['audit.log', '../x', '~/audit'], api, board],
  ['FLEET_ADMIN_PASSWORD', ['', 'short', `${CANARY}\u0007`], board],
  ['FLEET_ADMIN_USER', ['a:b', 'x'.repeat(65)], board],
  ['FLEET_CONCURRENCY', ['0', '-1', '1e6', 'two', '513', '1.5'], worker],
  ['FLEET_WORKER_ID', ['a b', '../x', 'a:b', 'x'.repeat(129)], worker],
  ['FLEET_WORKSPACE_ROOT', ['relative', '../x', '~/x', '/a\0b'], worker],
  ['FLEET_STATE_DIR', ['state', '/home/node/.claude-fleet/workspaces/acme'], worker],
  ['FLEET_ALLOWED_ENV', ['PATH', 'LD_PRELOAD', 'BUN_OPTIONS', 'A=B', 'ANTHROPIC_API_KEY', 'NODE_OPTIONS'], api, worker],
  ['FLEET_PERMISSION_MODES', ['root', 'default,all'], api, worker],
  ['FLEET_RETENTION_MS', ['0', '-1', 'forever'], api, worker],
  ['FLEET_REDIS_PLAINTEXT', ['yes', '1', 'ALLOW'], api, worker, client],
  ['FLEET_URL', ['ftp://x', 'javascript:alert(1)', 'x'], client],
  ['FLEET_API_KEY', [`${CANARY} x`, `${CANARY}\r\nx: y`, 'x'.repeat(513)], client],
]

test('a setting that cannot be is refused in one line that names it and holds no secret', () => {
  const wrong: string[] = []
  for (const [name, values, ...readers] of BAD) {
    for (const value of values) {
      for (const read of readers) {
        const fault = faultOf(() => read({ [name]: value }))
        const right = fault instanceof SettingsError && fault.setting === name && !/canary|\n/.test(fault.message)
        tally.tried(right)
        if (!right) wrong.push(`${name}=${JSON.stringify(value)}: ${String(fault)}`)
      }
    }
  }
  expect(wrong).toEqual([])
})

test('a prompt that looks like an option, a command that is none, and a claude that is none start nothing', async () => {
  const script = join(folder.path, 'no-claude')
  await writeFile(script, '#!/bin/sh\necho 0.0.1\n', { mode: 0o644 })
  const env = { REDIS_URL: redis.url }
  const state = { FLEET_STATE_DIR: join(folder.path, 'state'), FLEET_WORKSPACE_ROOT: join(folder.path, 'ws') }
  const claude = (path: string) => ({ ...env, ...state, CLAUDE_BIN: path, ANTHROPIC_API_KEY: CANARY })
  const runs: [args: string[], code: number, env: Record<string, string>, stdin?: string][] = [
    [['run', '--dangerously-skip-permissions'], 2, env],
    [['enqueue', '-p'], 2, env],
    [['enqueue', '-'], 2, env, ''],
    [['enqueue', '-'], 2, env, 'a\0b'],
    [['get', '../x'], 2, env],
    [['worker'], 78, claude(script)],
    [['worker'], 78, claude(join(folder.path, 'none'))],
    [['worker'], 78, claude(folder.path)],
  ]
  const ends = await Promise.all(
    runs.map(async ([args, code, own, stdin]) => {
      const end = await runNode([CLAUDE_FLEET, ...args], { env: own, ...(stdin === undefined ? {} : { stdin }) })
      const right = end.code === code && !/canary|node_modules|^ +at /m.test(end.stderr)
      tally.tried(right)
      return right ? undefined : `${args.join(' ')}: ${end.code} ${end.stderr}`
    }),
  )
  expect(ends.filter((wrong) => wrong !== undefined)).toEqual([])
  const jobs = await runNode([CLAUDE_FLEET, 'jobs', '--json'], { env })
  expect(JSON.parse(jobs.stdout)).toMatchObject({ items: [] })
  await rm(script)
})

function faultOf(call: () => unknown): unknown {
  try {
    return call()
  } catch (error) {
    return error
  }
}
