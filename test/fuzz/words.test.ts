import * as core from '@claude-fleet/core'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { anyJson, anyText, bent } from './input.js'
import { shaped, type JsonSchema } from './shaped.js'
import { fuzz, isLeftOut, titleOf, type FuzzTarget } from './target.js'

const SCHEMAS = Object.entries(core).flatMap(([name, value]): [string, z.ZodType][] =>
  value instanceof z.ZodType ? [[name, value]] : [],
)
const ARBITRARIES = SCHEMAS.map(([name, schema]) => {
  const json = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as JsonSchema
  return fc.record({ name: fc.constant(name), schema: fc.constant(schema), value: bent(shaped(json, json)) })
})

const schemas: FuzzTarget = { name: 'schemas', share: 28, short: 200 }
test.skipIf(isLeftOut(schemas))(
  `a schema takes plain JSON or refuses it, and never throws: ${titleOf(schemas)}`,
  async () => {
    const taken = new Set<string>()
    await fuzz(schemas, fc.oneof(...ARBITRARIES), ({ name, schema, value }) => {
      const parsed = schema.safeParse(value)
      if (!parsed.success) {
        expect(parsed.error.issues.length).toBeGreaterThan(0)
        return
      }
      taken.add(name)
      // What was taken is the same after a way through JSON, and no key of it reaches a prototype.
      const again = structuredClone(parsed.data)
      expect(JSON.stringify(again)).toBe(JSON.stringify(parsed.data))
      expect(Object.getPrototypeOf(again)).toBe(Object.getPrototypeOf(parsed.data))
    })
    // The cases are not all nonsense.
    expect(taken.size).toBeGreaterThan(SCHEMAS.length / 2)
  },
)

const PARSERS = {
  job: [core.parseJob, core.jobSpecSchema],
  batch: [core.parseBatch, core.batchRequestSchema],
  schedule: [core.parseSchedule, core.scheduleSpecSchema],
  'change of a schedule': [core.parseSchedulePatch, core.schedulePatchSchema],
  session: [core.parseSession, core.sessionSpecSchema],
  'import of a session': [core.parseSessionImport, core.sessionImportSchema],
} as const
const bodies = Object.entries(PARSERS).map(([name, [parse, schema]]) => {
  const json = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as JsonSchema
  return fc.record({
    name: fc.constant(name),
    parse: fc.constant(parse as (body: unknown) => unknown),
    body: fc.oneof({ weight: 9, arbitrary: bent(shaped(json, json)) }, { weight: 1, arbitrary: anyJson }),
  })
})

const input: FuzzTarget = { name: 'input', share: 15, short: 300 }
test.skipIf(isLeftOut(input))(
  `what callers send is taken or refused with the fields that are wrong: ${titleOf(input)}`,
  async () => {
    const counts = { taken: 0, refused: 0 }
    await fuzz(input, fc.oneof(...bodies), ({ parse, body }) => {
      try {
        core.refuseHostileJson(body)
        const spec = parse(body)
        counts.taken += 1
        expect(JSON.parse(core.canonicalJson(spec))).toEqual(JSON.parse(JSON.stringify(spec)))
      } catch (error) {
        if (!core.isFleetError(error)) throw error
        counts.refused += 1
        expect(['INVALID_REQUEST', 'PAYLOAD_TOO_LARGE']).toContain(error.code)
        const { errors } = error.details as { errors: { path: string; message: string }[] }
        expect(errors.length).toBeGreaterThan(0)
      }
    })
    expect(counts.taken).toBeGreaterThan(0)
    expect(counts.refused).toBeGreaterThan(0)
  },
)

const SECRET = 'canary-of-a-secret'
const { settings: catalog, credential, network } = core.describeSettings()
const names = [...catalog, ...credential, ...network].map(({ name }) => name)
const value = fc.oneof(
  anyText,
  anyText.map((text) => `redis://user:${SECRET}@${text}`),
  fc.nat().map(String),
)
const env = fc
  .array(fc.tuple(fc.constantFrom(...names), fc.constantFrom('', '', '', '_FILE'), value), { maxLength: 5 })
  .map((list) => Object.fromEntries(list.map(([name, suffix, text]) => [name + suffix, text])))
const credentials = fc.dictionary(
  fc.oneof(fc.constantFrom('default', 'team-a'), anyText),
  fc.record(
    {
      env: fc.dictionary(fc.constantFrom('ANTHROPIC_API_KEY', 'a b', '__proto__'), fc.constant(SECRET)),
      tenants: fc.array(anyText, { maxLength: 2 }),
    },
    { requiredKeys: ['env'] },
  ),
)
const keys = fc
  .array(
    fc.tuple(fc.oneof(fc.constant('acme'), anyText), fc.constantFrom('a'.repeat(64), 'f'.repeat(64), SECRET), anyText),
  )
  .map((list) => list.map((entry) => entry.join(':')).join(','))
const file = fc.oneof(
  bent(credentials).map((whole) => JSON.stringify(whole)),
  keys,
  anyText,
)

const settings: FuzzTarget = { name: 'settings and files', share: 10, short: 150 }
test.skipIf(isLeftOut(settings))(
  `settings and files are read or refused in one line without a secret: ${titleOf(settings)}`,
  async () => {
    const base = { REDIS_URL: 'redis://127.0.0.1:6379', FLEET_ADMIN_PASSWORD: 'long enough' }
    const counts = { taken: 0, refused: 0 }
    await fuzz(settings, fc.record({ env, file, keys }), (one) => {
      const source = { env: { ...base, FLEET_CREDENTIALS_FILE: '/credentials', ...one.env }, readFile: () => one.file }
      const readers = [
        () => core.readApiSettings(source),
        () => core.readBoardSettings(source),
        () => core.readWorkerSettings(source, '/home/node'),
        () => core.readClientSettings(source),
        () => core.parseApiKeys('FLEET_API_KEYS', one.keys),
      ]
      for (const read of readers) {
        try {
          read()
          counts.taken += 1
        } catch (error) {
          if (!(error instanceof core.SettingsError)) throw error
          counts.refused += 1
          expect(error.message).not.toMatch(/[\r\n]/)
          expect(error.message).not.toContain(SECRET)
        }
      }
    })
    expect(counts.taken).toBeGreaterThan(0)
    expect(counts.refused).toBeGreaterThan(0)
  },
)
