/* oxlint-disable no-restricted-imports -- What reads Redis is no export of the package. */
import { randomBytes } from 'node:crypto'
import { isFleetError, jobSpecSchema } from '@claude-fleet/core'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { parseControl } from '../../packages/queue/src/consumer/control.js'
import { createEventParser } from '../../packages/queue/src/events/parse.js'
import { isNewerEnvelope, openEnvelope, readEnvelope, sealEnvelope } from '../../packages/queue/src/jobs/envelope.js'
import { VIEW_FIELDS, viewOf } from '../../packages/queue/src/jobs/record.js'
import { parseSeal } from '../../packages/queue/src/jobs/seal.js'
import { createSigner } from '../../packages/queue/src/jobs/signature.js'
import { anyJson, anyText, bent } from './input.js'
import { shaped, type JsonSchema } from './shaped.js'
import { fuzz, isLeftOut, titleOf, type FuzzTarget } from './target.js'

const ID = `j_${'a'.repeat(26)}`
const KEY = randomBytes(32)
const [keyless, signed, other] = [createSigner(), createSigner([KEY]), createSigner([randomBytes(32)])]

const specSchema = z.toJSONSchema(jobSpecSchema, { io: 'output', unrepresentable: 'any' }) as JsonSchema
const spec = shaped(specSchema, specSchema)
const envelope = fc.record({
  v: fc.oneof(
    { weight: 8, arbitrary: fc.constant<unknown>(2) },
    { weight: 1, arbitrary: fc.constantFrom<unknown>(1, 3, '2') },
  ),
  id: fc.oneof({ weight: 8, arbitrary: fc.constant(ID) }, { weight: 1, arbitrary: anyText }),
  tenant: fc.oneof({ weight: 8, arbitrary: fc.constant('acme') }, { weight: 1, arbitrary: anyText }),
  spec,
})
const data = fc.oneof({ weight: 9, arbitrary: bent(envelope) }, { weight: 1, arbitrary: anyJson })

const jobs: FuzzTarget = { name: 'stored jobs', share: 5, short: 200 }
test.skipIf(isLeftOut(jobs))(
  `job data of Redis is a job that may run, or is refused with a reason, and what was not signed never is one: ${titleOf(jobs)}`,
  async () => {
    const counts = { jobs: 0, refused: 0 }
    await fuzz(jobs, data, (value) => {
      isNewerEnvelope(value)
      for (const open of [() => openEnvelope(keyless, ID, value), () => readEnvelope(ID, value)]) {
        const opened = open()
        if ('fault' in opened) {
          counts.refused += 1
          expect(opened.fault).not.toBe('')
        } else {
          counts.jobs += 1
          expect(opened.envelope.id).toBe(ID)
          expect(jobSpecSchema.safeParse(opened.envelope.spec).success).toBe(true)
        }
      }
      expect(openEnvelope(signed, ID, value)).toHaveProperty('fault')
      const opened = openEnvelope(keyless, ID, value)
      if ('fault' in opened) return
      // Signed as it is it may run; for another tenant, or by another fleet, it may not.
      const whole = sealEnvelope(signed, ID, opened.envelope.tenant, opened.envelope.spec)
      expect(openEnvelope(signed, ID, JSON.parse(JSON.stringify(whole)))).toHaveProperty('envelope')
      expect(openEnvelope(signed, ID, { ...whole, tenant: 'x' })).toHaveProperty('fault')
      expect(openEnvelope(other, ID, whole)).toHaveProperty('fault')
    })
    expect(Math.min(counts.jobs, counts.refused)).toBeGreaterThan(0)
  },
)

const number = fc.oneof(fc.nat().map(String), anyText)
const values = fc.tuple(
  ...VIEW_FIELDS.map((name) => {
    if (name === 'tenant')
      return fc.oneof({ weight: 8, arbitrary: fc.constant('acme') }, { weight: 2, arbitrary: anyText })
    if (name === 'state')
      return fc.oneof(
        { weight: 8, arbitrary: fc.constantFrom('waiting', 'active', 'failed') },
        { weight: 1, arbitrary: anyText },
      )
    const text = /At$|Tokens|costUsd|attempt/.test(name)
      ? number
      : fc.oneof(
          anyText,
          anyJson.map((json) => JSON.stringify(json) ?? ''),
        )
    return fc.oneof({ weight: 4, arbitrary: fc.constant(null) }, { weight: 1, arbitrary: text })
  }),
)
const records: FuzzTarget = { name: 'stored records', share: 5, short: 200 }
test.skipIf(isLeftOut(records))(
  `records, events and messages of Redis are read or refused, and none is shown to another tenant: ${titleOf(records)}`,
  async () => {
    const parse = createEventParser({ debug() {}, info() {}, warn() {}, error() {} })
    await fuzz(
      records,
      fc.record({
        values,
        text: fc.oneof(
          anyText,
          anyJson.map((json) => JSON.stringify(json) ?? ''),
        ),
      }),
      ({ values: stored, text }) => {
        expect(Array.isArray(parse(text))).toBe(true)
        for (const read of [parseSeal, parseControl]) expect(typeof read(text)).toMatch(/^(object|undefined)$/)
        const owner = stored[VIEW_FIELDS.indexOf('tenant')]
        try {
          expect(viewOf(ID, stored, 'acme') === undefined).toBe(owner !== 'acme')
        } catch (error) {
          if (!isFleetError(error)) throw error
          expect([error.code, owner]).toEqual(['INTERNAL', 'acme'])
        }
      },
    )
  },
)
