import { expect, test } from 'vitest'
import { readCredentials } from './credentials.js'

const SECRET = 'hunter2'
function read(env: Record<string, string>, files: Record<string, string> = {}) {
  return readCredentials({
    env,
    readFile(path) {
      const text = files[path]
      if (text === undefined) throw new Error(`ENOENT ${path}`)
      return text
    },
  })
}
const readFile = (text: string, env: Record<string, string> = {}) =>
  read({ ...env, FLEET_CREDENTIALS_FILE: '/run/credentials' }, { '/run/credentials': text })

test("the worker's own variables are its credential default, for every tenant", () => {
  const env = { ANTHROPIC_API_KEY: SECRET, ANTHROPIC_BASE_URL: 'http://127.0.0.1:1', PATH: '/bin', GITHUB_TOKEN: 'x' }
  expect(read(env).get('default')).toEqual({
    name: 'default',
    env: { ANTHROPIC_API_KEY: SECRET, ANTHROPIC_BASE_URL: 'http://127.0.0.1:1' },
    tenants: undefined,
  })
  expect(read({ PATH: '/bin' }).size).toBe(0)
})

test('cloud variables belong to it only where the cloud is switched on', () => {
  const cloud = { AWS_SECRET_ACCESS_KEY: SECRET, AWS_REGION: 'x' }
  expect(read(cloud).size).toBe(0)
  expect(read({ ...cloud, CLAUDE_CODE_USE_BEDROCK: '1' }).get('default')?.env).toEqual({
    ...cloud,
    CLAUDE_CODE_USE_BEDROCK: '1',
  })
})

test('a key may come from a file', () => {
  const found = read({ ANTHROPIC_API_KEY_FILE: '/run/key' }, { '/run/key': `${SECRET}\n` })
  expect(found.get('default')?.env).toEqual({ ANTHROPIC_API_KEY: SECRET })
})

test('the file names credentials and their tenants; its default replaces the own one', () => {
  const found = readFile(
    JSON.stringify({ team: { env: { ANTHROPIC_API_KEY: 'a' }, tenants: ['acme'] }, default: { env: { A: 'b' } } }),
    { ANTHROPIC_API_KEY: SECRET },
  )
  expect(found.get('team')).toEqual({ name: 'team', env: { ANTHROPIC_API_KEY: 'a' }, tenants: ['acme'] })
  expect(found.get('default')?.env).toEqual({ A: 'b' })
})

test.each([
  ['text that is not JSON', `{"team": {"env": {"A": "${SECRET}"}`],
  ['a list', `["${SECRET}"]`],
  ['an unknown field', `{"team": {"env": {"A": "${SECRET}"}, "key": "${SECRET}"}}`],
  ['a value that is no string', `{"team": {"env": {"A": ["${SECRET}"]}}}`],
  ['a name that reaches a prototype', `{"__proto__": {"env": {"A": "${SECRET}"}}}`],
  ['a tenant that is no tenant', `{"team": {"env": {"A": "${SECRET}"}, "tenants": ["A/B"]}}`],
])('%s is refused in one line that holds no secret', (_what, text) => {
  expect(() => readFile(text)).toThrow(/^FLEET_CREDENTIALS_FILE: [^\n]+$/)
  expect(() => readFile(text)).not.toThrow(SECRET)
})

test('a file that cannot be read is named', () => {
  expect(() => read({ FLEET_CREDENTIALS_FILE: '/run/none' })).toThrow(
    'FLEET_CREDENTIALS_FILE: "/run/none" cannot be read',
  )
})
