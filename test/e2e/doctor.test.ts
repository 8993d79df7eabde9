import { chmod, mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { checkSchema, type Check } from '@claude-fleet/core'
import { startSimulator } from '@claude-fleet/simulator'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startFleet } from '../support/fleet.js'
import { makeFolder, type Folder } from '../support/folder.js'
import { startRedis, type PrivateRedis } from '../support/redis.js'
import { CLAUDE_FLEET, runNode } from '../support/service.js'

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

/** What is set on a host that is fit for a worker. */
const fit = () => ({
  REDIS_URL: redis.url,
  ANTHROPIC_API_KEY: 'sk-canary',
  FLEET_WORKSPACE_ROOT: join(folder.path, 'workspaces'),
  FLEET_STATE_DIR: join(folder.path, 'state'),
  FLEET_CONCURRENCY: '1',
})

async function doctor(env: Record<string, string> = {}, ...flags: string[]) {
  const run = { env: { ...fit(), ...env } }
  const { stdout, stderr, code } = await runNode([CLAUDE_FLEET, 'doctor', '--json', ...flags], run)
  const password = new URL(redis.url).password
  for (const secret of ['canary', password]) expect(stdout + stderr).not.toContain(secret)
  const { ok, checks } = JSON.parse(stdout) as { ok: boolean; checks: unknown }
  const all = checkSchema.array().parse(checks)
  return { code, ok, stderr, of: (name: string): Check | undefined => all.find((check) => check.name === name), all }
}

test('a host that is fit passes, and nothing is left on it', async () => {
  const { code, ok, of, all } = await doctor()
  expect(all.filter(({ status }) => status === 'fail')).toEqual([])
  expect({ code, ok }).toEqual({ code: 0, ok: true })
  const well = all.filter(({ status }) => status === 'ok').map(({ name }) => name)
  for (const name of ['redis.reachable', 'redis.clock', 'redis.appendonly', 'redis.maxmemory-policy'])
    expect(well).toContain(name)
  for (const stage of ['found', 'executable', 'real', 'starts', 'version', 'pinned'])
    expect(well).toContain(`claude.${stage}`)
  expect(of('credentials.default')).toMatchObject({ status: 'ok', found: 'ANTHROPIC_API_KEY' })
  expect(of('credentials.online')?.status).toBe('skipped')
  expect(await readdir(folder.path)).toEqual([])
})

test('for people: groups, and below what is wrong the command that mends it', async () => {
  const env = { REDIS_URL: 'redis://:canary@127.0.0.1:1', CLAUDE_BIN: '/nowhere/claude' }
  const { stdout, stderr, code } = await runNode([CLAUDE_FLEET, 'doctor'], { env })
  expect(stdout).toMatch(
    /^redis\nFAIL {2}reachable +redis:\/\/\*\*\*@127\.0\.0\.1:1: .*\n.*\n {6}mend it: {2}redis-cli -u "\$REDIS_URL" PING\n/,
  )
  expect(stdout).toMatch(
    /\n\nclaude\nFAIL {2}found +\/nowhere\/claude does not exist\n {6}mend it: {2}unset CLAUDE_BIN\n/,
  )
  expect(stderr).toMatch(/^[3-9] wrong, .*\d+ well, \d+ not looked at\n$/)
  expect(stdout + stderr).not.toMatch(/canary|\u001b/)
  expect(code).toBe(1)
})

test('a Redis that would lose jobs is found, and one that stands still holds nobody up', async () => {
  await using bad = await startRedis({ persistence: false })
  const { code, of } = await doctor({ REDIS_URL: bad.url })
  expect(of('redis.appendonly')).toMatchObject({
    status: 'fail',
    fix: expect.stringMatching(/^redis-cli -u "\$REDIS_URL" CONFIG SET appendonly yes /),
  })
  expect(code).toBe(1)
  bad.freeze()
  const begunAt = performance.now()
  const frozen = await doctor({ REDIS_URL: bad.url }).finally(() => bad.thaw())
  expect(frozen.of('redis.reachable')?.status).toBe('fail')
  expect(frozen.of('claude.version')?.status).toBe('ok')
  // Its own limit is 10 s; the rest is what a process takes to start on a busy machine.
  expect(performance.now() - begunAt).toBeLessThan(20_000)
})

test.each([
  ['version', '#!/usr/bin/env node\nconsole.log("2.1.216 (Claude Code)")\n', 0o755, /^npm install -g \S+@\d/],
  ['real', '#!/bin/sh\n/opt/claude "$@"\n', 0o755, /^set CLAUDE_BIN/],
  ['executable', '#!/usr/bin/env node\n', 0o644, /^chmod \+x /],
  ['executable', '#!/usr/bin/env node\n', 0o777, /^chmod o-w /],
  ['starts', '#!/usr/bin/env node\n', 0o755, / --version$/],
])('a claude that fails at "%s" is told from others', async (stage, script, mode, fix) => {
  const claude = join(folder.path, `claude-${stage}-${mode}`)
  await writeFile(claude, script)
  await chmod(claude, mode)
  const { code, all } = await doctor({ CLAUDE_BIN: claude })
  const wrong = all.filter(({ status }) => status === 'fail')
  expect(wrong).toMatchObject([{ name: `claude.${stage}`, fix: expect.stringMatching(fix) }])
  expect(code).toBe(1)
})

test('files and folders that others may read or write are wrong, and a key that was torn', async () => {
  const state = join(folder.path, 'open')
  await mkdir(state)
  await chmod(state, 0o777)
  const credentials = join(folder.path, 'credentials.json')
  const entries = {
    team: { env: { ANTHROPIC_API_KEY: 'sk-canary-team' }, tenants: ['acme'] },
    torn: { env: { ANTHROPIC_API_KEY: 'sk-canary\nx' } },
    none: { env: { ANTHROPIC_BASE_URL: 'http://x' } },
  }
  await writeFile(credentials, JSON.stringify(entries))
  await chmod(credentials, 0o644)
  const key = join(folder.path, 'key')
  await writeFile(key, 'sk-canary-of-file\n', { mode: 0o600 })
  const env = {
    FLEET_STATE_DIR: state,
    FLEET_CREDENTIALS_FILE: credentials,
    ANTHROPIC_API_KEY: '',
    ANTHROPIC_API_KEY_FILE: key,
  }
  const { code, of } = await doctor(env)
  expect(of('folders.state')).toMatchObject({ status: 'fail', fix: `chmod o-w ${state}` })
  expect(of('credentials.FLEET_CREDENTIALS_FILE')).toMatchObject({ status: 'fail', fix: `chmod o-rwx ${credentials}` })
  expect(of('credentials.ANTHROPIC_API_KEY_FILE')?.status).toBe('ok')
  expect(of('credentials.team')).toMatchObject({ status: 'ok', found: 'ANTHROPIC_API_KEY for acme' })
  expect(of('credentials.torn')?.found).toMatch(/^ANTHROPIC_API_KEY has a blank, a line break/)
  expect(of('credentials.none')?.found).toMatch(/^has none of ANTHROPIC_API_KEY/)
  expect(code).toBe(1)
  const nothing = await doctor({ ANTHROPIC_API_KEY: '' })
  expect(nothing.of('credentials.default')).toMatchObject({
    status: 'fail',
    fix: expect.stringContaining('export ANTHROPIC_API_KEY'),
  })
})

test('--online tells a key that is taken from one that is not, and pays for no turn', async () => {
  const model = await startSimulator({ keys: ['sk-canary'] })
  const good = await doctor({ ANTHROPIC_BASE_URL: model.url }, '--online')
  expect(good.of('credentials.default.online')).toMatchObject({
    status: 'ok',
    found: `accepted by 127.0.0.1:${model.port}`,
  })
  const bad = await doctor({ ANTHROPIC_BASE_URL: model.url, ANTHROPIC_API_KEY: 'sk-canary-2' }, '--online')
  expect(bad.of('credentials.default.online')).toMatchObject({
    status: 'fail',
    fix: expect.stringContaining('new key'),
  })
  expect({ good: good.code, bad: bad.code }).toEqual({ good: 0, bad: 1 })
  expect(model.ledger.entries()).toEqual([])
  await model.close()
  const away = await doctor({ ANTHROPIC_BASE_URL: model.url }, '--online')
  expect(away.of('credentials.default.online')?.found).toMatch(/cannot be reached: ECONNREFUSED/)
})

test('with FLEET_URL it looks at the API and the key; a host of clients needs no worker', async () => {
  await using fleet = await startFleet()
  const client = { ...fleet.clientEnv, REDIS_URL: '', ANTHROPIC_API_KEY: '', CLAUDE_BIN: '/nowhere/claude' }
  const { code, of } = await doctor(client)
  for (const name of ['api.reachable', 'api.ready', 'api.key'])
    expect({ name, is: of(name)?.status }).toEqual({ name, is: 'ok' })
  expect(of('redis.reachable')?.status).toBe('skipped')
  expect(of('claude.found')).toMatchObject({ status: 'warn', found: expect.stringContaining('only a worker needs it') })
  expect(code).toBe(0)
  const refused = await doctor({ ...client, FLEET_API_KEY: 'canary-of-a-key' })
  expect(refused.of('api.key')).toMatchObject({ status: 'fail', found: 'not accepted' })
  expect(refused.code).toBe(1)
  const other = await doctor({ ...client, FLEET_URL: fleet.model.url })
  expect(other.of('api.reachable')?.found).toMatch(/is no API of a fleet/)
  const both = await doctor({ ...fleet.clientEnv, FLEET_URL: 'http://127.0.0.1:9' })
  expect(both.of('api.reachable')?.status).toBe('fail')
  expect(both.of('redis.reachable')?.status).toBe('ok')
})

test('a setting that cannot be read is named, what does not hang on it is still looked at, and the exit code is 78', async () => {
  const { code, of, stderr } = await doctor({ FLEET_CONCURRENCY: 'two' })
  expect(of('settings.FLEET_CONCURRENCY')).toMatchObject({
    status: 'fail',
    found: '"two" is not a whole number from 1 to 512',
  })
  expect(of('redis.reachable')?.status).toBe('ok')
  expect(JSON.parse(stderr)).toMatchObject({ error: { code: 'SETTINGS' }, exitCode: 78 })
  expect(code).toBe(78)
})
