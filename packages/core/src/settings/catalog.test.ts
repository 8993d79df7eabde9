import { expect, test } from 'vitest'
import { z } from 'zod'
import { readBoardSettings } from './board.js'
import { describeSettings, describeShapes } from './catalog.js'
import { SECRETS } from './read.js'
import { readApiSettings, readClientSettings, readWorkerSettings } from './settings.js'

test('a setting that does not say what it does, what it may be or what holds without it is refused', () => {
  const said = { description: 'Does something of use.', allowed: 'yes', unset: 'no' }
  const describe = (meta: Record<string, string | undefined>, schema: z.ZodType = z.string().optional()) =>
    describeShapes({ api: { FLEET_NEW: schema.meta(meta) } })
  expect(describe(said)).toMatchObject([{ name: 'FLEET_NEW', readBy: ['api'], secret: false, default: undefined }])
  expect(() => describe({ ...said, description: undefined })).toThrow('FLEET_NEW does not say what it does')
  expect(() => describe({ ...said, allowed: undefined })).toThrow('FLEET_NEW does not say what it may be')
  expect(() => describe({ ...said, unset: undefined })).toThrow('FLEET_NEW does not say what holds without it')
  expect(describe({ ...said, unset: undefined }, z.string().default('x'))).toMatchObject([{ default: 'x' }])
})

test('what the readers ask the environment for is what the catalog lists', () => {
  const asked = new Set<string>()
  const given: Record<string, string> = { REDIS_URL: 'redis://127.0.0.1', FLEET_ADMIN_PASSWORD: 'long enough' }
  const env = new Proxy(given, {
    get(target, name) {
      asked.add(String(name))
      return target[String(name)]
    },
  })
  const source = { env, readFile: () => '' }
  for (const read of [readApiSettings, readBoardSettings, readClientSettings]) read(source)
  readWorkerSettings(source, '/home/node')
  const { settings, credential, network } = describeSettings()
  const listed = [...settings, ...credential, ...network].flatMap(({ name, secret }) =>
    secret ? [name, `${name}_FILE`] : [name],
  )
  // AWS and Google variables are asked for only where their cloud is switched on.
  const unasked = /^(AWS_|GOOGLE_|CLOUD_ML_)/
  const sorted = (names: Iterable<string>) => [...new Set(names)].filter((name) => !unasked.test(name)).toSorted()
  expect(sorted(listed)).toEqual(sorted(asked))
  expect(
    settings
      .filter(({ secret }) => secret)
      .map(({ name }) => name)
      .toSorted(),
  ).toEqual([...SECRETS].toSorted())
})

test('defaults and readers are those of the schemas', () => {
  const of = (name: string) => describeSettings().settings.find((entry) => entry.name === name)
  expect(of('FLEET_PREFIX')).toMatchObject({ default: 'fleet', readBy: ['api', 'board', 'worker', 'clients'] })
  expect(of('FLEET_STATE_DIR')?.default).toBe('~/.claude-fleet/state')
  expect(of('FLEET_PERMISSION_MODES')?.default).toBe('default,dontAsk,acceptEdits,plan')
  expect(of('FLEET_CONCURRENCY')).toMatchObject({ default: undefined, allowed: 'whole number, 1 to 512' })
  expect(of('REDIS_URL')?.description).toMatch(/holds the jobs\..*when FLEET_URL is not set/)
})
