import { chmod, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { startSimulator } from '@claude-fleet/simulator'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { makeFolder, type Folder } from '../support/folder.js'
import { startRedis, type PrivateRedis } from '../support/redis.js'
import { CLAUDE_FLEET, runNode } from '../support/service.js'

interface Seen {
  status: string
  found: string
  fix?: string
}

let redis: PrivateRedis
let folder: Folder
beforeAll(async () => {
  redis = await startRedis({ persistence: true })
  folder = await makeFolder()
})
afterAll(async () => {
  await redis.stop()
  await folder.remove()
})

async function doctor(env: Record<string, string> = {}, ...flags: string[]) {
  const base = {
    REDIS_URL: redis.url,
    ANTHROPIC_API_KEY: 'sk-canary',
    FLEET_WORKSPACE_ROOT: join(folder.path, 'workspaces'),
    FLEET_STATE_DIR: join(folder.path, 'state'),
    FLEET_CONCURRENCY: '1',
  }
  const { stdout, stderr, code } = await runNode([CLAUDE_FLEET, 'doctor', '--json', ...flags], {
    env: { ...base, ...env },
  })
  expect(stdout + stderr).not.toContain('canary')
  const { checks } = JSON.parse(stdout) as { checks: (Seen & { name: string })[] }
  return { code, of: (name: string): Seen | undefined => checks.find((check) => check.name === name) }
}

test('a host that is fit passes, and nothing is left on it', async () => {
  const { code, of } = await doctor()
  for (const name of [
    'redis',
    'latency',
    'persistence',
    'maxmemory-policy',
    'clock',
    'claude',
    'credentials',
    'workspaces',
    'state',
    'open files',
  ])
    expect({ name, status: of(name)?.status }).toEqual({ name, status: 'ok' })
  expect(of('claude')?.found).toMatch(/^2\.\d+\.\d+ at \//)
  expect(of('credential default')?.status).toBe('skipped')
  expect(code).toBe(0)
  await expect(mkdir(join(folder.path, 'workspaces'))).resolves.toBeUndefined()
})

test('for people: a line a check, the wrong ones with the command that mends them', async () => {
  const env = { REDIS_URL: 'redis://:canary@127.0.0.1:1', NO_COLOR: '1', CLAUDE_BIN: '/nowhere/claude' }
  const { stdout, code } = await runNode([CLAUDE_FLEET, 'doctor'], { env })
  expect(stdout).toMatch(/^FAIL {2}redis +Redis cannot be reached: .*\n {6}mend it: redis-cli -u "\$REDIS_URL" ping\n/)
  expect(stdout).toMatch(/\nFAIL {2}claude +.*\n {6}mend it: set CLAUDE_BIN/)
  expect(stdout).not.toMatch(/canary|\u001b/)
  expect(code).toBe(1)
})

test('a Redis that would lose or evict jobs is found, and one that does not answer holds nobody up', async () => {
  await using bad = await startRedis({ persistence: false })
  const { createRequire } = await import('node:module')
  const { Redis } = createRequire(join(import.meta.dirname, '../../packages/queue/package.json'))('ioredis') as {
    Redis: new (url: string) => { config: (...args: string[]) => Promise<unknown>; quit: () => Promise<unknown> }
  }
  const client = new Redis(bad.url)
  await client.config('SET', 'maxmemory-policy', 'allkeys-lru')
  await client.quit()
  const { code, of } = await doctor({ REDIS_URL: bad.url })
  expect(of('maxmemory-policy')).toMatchObject({
    status: 'fail',
    fix: 'redis-cli CONFIG SET maxmemory-policy noeviction',
  })
  expect(of('persistence')).toMatchObject({ status: 'fail', fix: 'redis-cli CONFIG SET appendonly yes' })
  expect(code).toBe(1)
  bad.freeze()
  const begunAt = performance.now()
  expect((await doctor({ REDIS_URL: bad.url })).of('redis')?.status).toBe('fail')
  expect(performance.now() - begunAt).toBeLessThan(20_000)
  bad.thaw()
})

test('a claude that is too old or no program, folders and files that others may write or read', async () => {
  const old = join(folder.path, 'old-claude')
  await writeFile(old, '#!/bin/sh\n# node\necho "2.1.100 (Claude Code)"\n')
  await chmod(old, 0o755)
  const open = join(folder.path, 'open')
  await mkdir(open)
  await chmod(open, 0o777)
  const secrets = join(folder.path, 'credentials.json')
  await writeFile(secrets, JSON.stringify({ team: { env: { ANTHROPIC_API_KEY: 'sk-canary-team' } } }))
  await chmod(secrets, 0o644)
  const { code, of } = await doctor({ CLAUDE_BIN: old, FLEET_STATE_DIR: open, FLEET_CREDENTIALS_FILE: secrets })
  expect(of('claude')?.status).toBe('fail')
  expect(of('state')).toMatchObject({ status: 'fail', fix: `chmod go-w ${open}` })
  expect(of('FLEET_CREDENTIALS_FILE')).toMatchObject({ status: 'fail', fix: `chmod 600 ${secrets}` })
  expect(of('credentials')?.found).toBe('default, team')
  expect(code).toBe(1)
})

test('--online tells a key that is taken from one that is not', async () => {
  const model = await startSimulator({ keys: ['sk-canary'] })
  const good = await doctor({ ANTHROPIC_BASE_URL: model.url }, '--online')
  expect(good.of('credential default')).toMatchObject({ status: 'ok', found: `accepted by ${model.url}` })
  const bad = await doctor({ ANTHROPIC_BASE_URL: model.url, ANTHROPIC_API_KEY: 'sk-canary-2' }, '--online')
  expect(bad.of('credential default')).toMatchObject({ status: 'fail', found: `refused by ${model.url} (401)` })
  expect(model.ledger.turns()).toEqual([])
  await model.close()
  const away = await doctor({ ANTHROPIC_BASE_URL: model.url }, '--online')
  expect(away.of('credential default')?.found).toMatch(/cannot be reached/)
})

test('a setting that cannot be read is named, and the exit code is 78', async () => {
  const { code, of } = await doctor({ FLEET_CONCURRENCY: 'two' })
  expect(of('FLEET_CONCURRENCY')).toMatchObject({ status: 'fail', found: '"two" is not a whole number from 1 to 512' })
  expect(code).toBe(78)
  const nothing = await doctor({ REDIS_URL: '' })
  expect(nothing.of('redis')?.status).toBe('skipped')
})
