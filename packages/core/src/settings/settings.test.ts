import { expect, test } from 'vitest'
import { SettingsError } from './read.js'
import { isLoopback, readApiSettings, readClientSettings, readWorkerSettings } from './settings.js'

const REDIS = { REDIS_URL: 'redis://127.0.0.1:6379' }
const SECRET = 'hunter2'

function sourceOf(env: Record<string, string>, files: Record<string, string> = {}) {
  return {
    env,
    readFile(path: string) {
      const text = files[path]
      if (text === undefined) throw new Error(`ENOENT ${path}`)
      return text
    },
  }
}
const api = (env: Record<string, string>, files?: Record<string, string>) =>
  readApiSettings(sourceOf({ ...REDIS, ...env }, files))
const worker = (env: Record<string, string>, files?: Record<string, string>) =>
  readWorkerSettings(sourceOf({ ...REDIS, ...env }, files), '/home/node')
const client = (env: Record<string, string>, files?: Record<string, string>) => readClientSettings(sourceOf(env, files))

function faultOf(read: () => unknown): SettingsError {
  try {
    read()
  } catch (error) {
    if (error instanceof SettingsError) return error
    throw error
  }
  throw new Error('these settings were accepted')
}

test('what is not set has the default of the contract', () => {
  expect(api({})).toMatchObject({ host: '127.0.0.1', port: 3000, prefix: 'fleet', retentionMs: 86_400_000, keys: [] })
  const read = worker({})
  expect(read).toMatchObject({ sessionIdleMs: 600_000, concurrency: undefined, workerId: undefined })
  expect([...read.policy.permissionModes]).toEqual(['default', 'dontAsk', 'acceptEdits', 'plan'])
  expect(read.workspaceRoot).toBe('/home/node/.claude-fleet/workspaces')
  expect(read.credentials.size).toBe(0)
})

test('an empty value counts as not set', () => {
  expect(api({ FLEET_API_PORT: '', FLEET_API_KEYS: '' })).toMatchObject({ port: 3000, keys: [] })
})

const BAD: [name: string, value: string, read: (env: Record<string, string>) => unknown][] = [
  ['REDIS_URL', '', api],
  ['REDIS_URL', `http://u:${SECRET}@host`, api],
  ['REDIS_URL', `redis://u:${SECRET}@host/notanumber`, worker],
  ['REDIS_URL', `redis://u:${SECRET}@host/1234`, worker],
  ['REDIS_URL', 'redis-sentinel://a:26379,b:26379', worker],
  ['FLEET_PREFIX', 'a:b', api],
  ['FLEET_PREFIX', 'x'.repeat(65), api],
  ['FLEET_LOG_LEVEL', 'loud', worker],
  ['FLEET_RETENTION_MS', '999', worker],
  ['FLEET_RETENTION_MS', '1e5', worker],
  ['FLEET_API_HOST', 'a b', api],
  ['FLEET_API_HOST', '0.0.0.0', api],
  ['FLEET_API_PORT', '65536', api],
  ['FLEET_API_PORT', '-1', api],
  ['FLEET_API_PORT', ' 80', api],
  ['FLEET_API_KEYS', `acme:${SECRET}`, api],
  ['FLEET_API_KEYS', ' , ', api],
  ['FLEET_ALLOWED_ENV', 'A-B', worker],
  ['FLEET_ALLOWED_ENV', 'OK,NODE_OPTIONS', worker],
  ['FLEET_ALLOWED_ENV', 'https_proxy', api],
  ['FLEET_ALLOWED_ENV', 'BASH_ENV', api],
  ['FLEET_PERMISSION_MODES', 'dontAsk,yolo', api],
  // Without a sandbox the operator's word is not enough.
  ['FLEET_PERMISSION_MODES', 'dontAsk,bypassPermissions', worker],
  ['FLEET_SPAWN_WRAPPER', 'bwrap', worker],
  ['FLEET_WORKER_ID', 'a/b', worker],
  ['FLEET_CONCURRENCY', '0', worker],
  ['FLEET_CONCURRENCY', '1.5', worker],
  ['FLEET_SPARES', '513', worker],
  ['FLEET_SESSION_IDLE_MS', '-1', worker],
  ['FLEET_WORKSPACE_ROOT', 'relative', worker],
  ['FLEET_STATE_DIR', './x', worker],
  ['FLEET_HEALTH_DIR', 'run', worker],
  ['FLEET_TRACE_DIR', 'traces', worker],
  ['FLEET_DRAIN_MS', '604800001', worker],
  ['FLEET_EGRESS_PROXY', 'true', worker],
  ['FLEET_URL', `ftp://u:${SECRET}@host`, client],
  ['FLEET_URL', 'not an address', client],
  ['FLEET_API_KEY', `${SECRET} with a blank`, client],
]

test.each(BAD)('%s=%j is named in one line that holds no secret', (name, value, read) => {
  const fault = faultOf(() => read({ [name]: value }))
  expect(fault.setting).toBe(name)
  expect(fault.message).toMatch(new RegExp(`^${name}: \\S[^\\n]*$`))
  expect(fault.message).not.toContain(SECRET)
})

test.each([
  'redis://127.0.0.1:6379',
  'rediss://user:pa%20ss@host:6380/15',
  'unix:///run/redis.sock',
  'redis-sentinel://:pw@a:26379,b:26380/mymaster/2',
])('%s is an address of a Redis', (url) => {
  expect(worker({ REDIS_URL: url, FLEET_REDIS_PLAINTEXT: 'allow' }).redisUrl).toBe(url)
})

test('a secret may come from a file, whose last line break is not part of it', () => {
  expect(client({ FLEET_API_KEY_FILE: '/run/key' }, { '/run/key': `${SECRET}\n` }).apiKey).toBe(SECRET)
  const redisUrl = `rediss://:${SECRET}@host`
  expect(client({ REDIS_URL_FILE: '/run/redis' }, { '/run/redis': `${redisUrl}\r\n` }).redisUrl).toBe(redisUrl)
})

test('a secret file that is missing, empty or beside its variable is an error', () => {
  const files = { '/run/key': SECRET, '/run/empty': '\n' }
  expect(faultOf(() => client({ FLEET_API_KEY_FILE: '/run/none' }, files)).setting).toBe('FLEET_API_KEY_FILE')
  expect(faultOf(() => client({ FLEET_API_KEY_FILE: '/run/empty' }, files)).message).toMatch(/_FILE: .* is empty/)
  const both = faultOf(() => client({ FLEET_API_KEY_FILE: '/run/key', FLEET_API_KEY: SECRET }, files))
  expect(both.message).toContain('not both')
  expect(both.message).not.toContain(SECRET)
})

test('an empty file of keys does not open the API', () => {
  const read = () => api({ FLEET_API_KEYS_FILE: '/run/keys' }, { '/run/keys': '# none yet\n' })
  expect(faultOf(read).setting).toBe('FLEET_API_KEYS_FILE')
})

test('with keys the API may listen anywhere', () => {
  const FLEET_API_KEYS = `acme:${'a'.repeat(64)}`
  expect(api({ FLEET_API_HOST: '0.0.0.0', FLEET_API_KEYS }).keys).toHaveLength(1)
})

test('loopback is 127.0.0.0/8, ::1 and localhost, and nothing that only looks like it', () => {
  expect(['127.0.0.1', '127.9.9.9', '::1', 'localhost'].filter((host) => !isLoopback(host))).toEqual([])
  const others = ['0.0.0.0', '::', '10.0.0.1', '127.0.0.1.example.org', 'localhost.example.org', '']
  expect(others.filter(isLoopback)).toEqual([])
})

test('proxy variables pass to claude, and the rest of the environment does not', () => {
  const read = worker({ HTTPS_PROXY: 'http://proxy:3128', PATH: '/bin', LD_PRELOAD: '/x.so' })
  expect(read.networkEnv).toEqual({ HTTPS_PROXY: 'http://proxy:3128' })
})

test('the folders of a worker must not lie where a tenant would work', () => {
  const read = (env: Record<string, string>) => () => worker({ FLEET_WORKSPACE_ROOT: '/ws', ...env })
  for (const name of ['FLEET_STATE_DIR', 'FLEET_HEALTH_DIR', 'FLEET_TRACE_DIR']) {
    for (const folder of ['/ws', '/ws/', '/ws/acme', '/ws/../ws/x/..'])
      expect(read({ [name]: folder })).toThrow(`${name}: must not be FLEET_WORKSPACE_ROOT or below it`)
    expect(read({ [name]: '/ws2/x' })).not.toThrow()
  }
})

test('keys of webhooks are 32 bytes each, and a bad one is never quoted', () => {
  const hex = 'ab'.repeat(32)
  const base64 = Buffer.from('cd'.repeat(32), 'hex').toString('base64')
  const { webhooks } = api({ FLEET_WEBHOOK_KEY: `${hex}, ${base64}`, FLEET_WEBHOOK_ALLOW: 'a.example, 10.0.0.0/8,::1' })
  expect(webhooks.secretKeys.map((key) => Buffer.from(key).toString('hex'))).toEqual([hex, 'cd'.repeat(32)])
  expect(webhooks.allow).toEqual(['a.example', '10.0.0.0/8', '::1'])
  expect(api({ FLEET_WEBHOOK_KEY_FILE: '/k' }, { '/k': `${hex}\n` }).webhooks.secretKeys).toHaveLength(1)
  expect(api({}).webhooks).toEqual({ secretKeys: [], allow: [] })
  for (const key of [SECRET, 'ab'.repeat(31), `${hex},${SECRET}`]) {
    const fault = faultOf(() => api({ FLEET_WEBHOOK_KEY: key }))
    expect([fault.setting, fault.message.includes(SECRET)]).toEqual(['FLEET_WEBHOOK_KEY', false])
  }
  expect(faultOf(() => api({ FLEET_WEBHOOK_ALLOW: 'https://a.example' })).setting).toBe('FLEET_WEBHOOK_ALLOW')
})

test.each([
  ['redis://u:pw@redis.internal:6379', false],
  ['redis://10.0.0.7', false],
  ['redis://127.0.0.1.evil.test', false],
  ['redis://localhost.evil.test:6379', false],
  ['redis-sentinel://127.0.0.1:26379,10.0.0.7:26379/main', false],
  ['rediss://redis.internal', true],
  ['redis://127.0.0.1:6379/3', true],
  ['redis://:pw@localhost', true],
  ['redis://[::1]:6379', true],
  ['redis-sentinel://127.0.0.1:26379,localhost/main', true],
  ['unix:///run/redis.sock', true],
])('%s without TLS to another machine is refused unless it is allowed', (url, taken) => {
  for (const read of [api, worker, client]) {
    const fault = () => read({ REDIS_URL: url })
    if (taken) expect(fault).not.toThrow()
    else expect(fault).toThrow(/^REDIS_URL: names another machine without TLS/)
    expect(() => read({ REDIS_URL: url, FLEET_REDIS_PLAINTEXT: 'allow' })).not.toThrow()
  }
  expect(() => client({ REDIS_URL: url, FLEET_URL: 'http://127.0.0.1:3000' })).not.toThrow()
})
