import { jobSpecSchema } from '@claude-fleet/core'
import { expect, test } from 'vitest'
import { migrateEnvelope, openEnvelope, sealEnvelope } from './envelope.js'
import { createSigner } from './signature.js'

const ID = 'j_aaaaaaaaaaaaaaaaaaaaaaaaaa'
const KEY = new Uint8Array(32).fill(7)
const SPEC = jobSpecSchema.parse({ prompt: 'hello', metadata: { b: '2', a: '1' } })
/** As version 1 wrote it. */
const GOLDEN_V1 = `{"v":1,"id":"${ID}","tenant":"acme","spec":{"prompt":"hello","permissionMode":"dontAsk","credential":"default","timeoutMs":1800000,"idleTimeoutMs":600000,"attempts":3,"backoff":{"type":"exponential","delayMs":1000,"maxDelayMs":60000,"jitter":0.5},"priority":0,"delayMs":0,"metadata":{"b":"2","a":"1"}}}`
/** Of the job above with `KEY`. It must not change: jobs that wait while a fleet is deployed were signed before. */
const GOLDEN_MAC = 'oBkxI5mDgmlCnJ09h7vXUggPxZy2d5HPq2Pm9PDliNQ'

test('a job of version 1 is read as it was meant, where there is no key', () => {
  expect(migrateEnvelope(JSON.parse(GOLDEN_V1))).toEqual({ v: 2, id: ID, tenant: 'acme', spec: SPEC, mac: undefined })
  expect(openEnvelope(createSigner(), ID, JSON.parse(GOLDEN_V1))).toMatchObject({ envelope: { v: 2, spec: SPEC } })
  expect(openEnvelope(createSigner([KEY]), ID, JSON.parse(GOLDEN_V1))).toMatchObject({ forged: true })
})

test('the signature is the same for the same job, whatever the order of its fields', () => {
  const sealed = sealEnvelope(createSigner([KEY]), ID, 'acme', SPEC)
  expect(sealed.mac).toBe(GOLDEN_MAC)
  const turned = JSON.parse(JSON.stringify(sealed)) as typeof sealed
  turned.spec = Object.fromEntries(Object.entries(turned.spec).toReversed()) as typeof SPEC
  expect(openEnvelope(createSigner([KEY]), ID, turned)).toMatchObject({ envelope: { mac: GOLDEN_MAC } })
})

test('the first key signs, each verifies, and a fleet without one neither signs nor asks', () => {
  const next = new Uint8Array(32).fill(8)
  const old = JSON.parse(JSON.stringify(sealEnvelope(createSigner([KEY]), ID, 'acme', SPEC))) as unknown
  expect(openEnvelope(createSigner([next, KEY]), ID, old)).toHaveProperty('envelope')
  expect(openEnvelope(createSigner([next]), ID, old)).toMatchObject({ forged: true })
  expect(sealEnvelope(createSigner([next, KEY]), ID, 'acme', SPEC).mac).not.toBe(GOLDEN_MAC)
  expect(sealEnvelope(createSigner(), ID, 'acme', SPEC)).not.toHaveProperty('mac')
  expect(openEnvelope(createSigner(), ID, old)).toHaveProperty('envelope')
  expect(() => createSigner([new Uint8Array(16)])).toThrow('32 bytes')
})
