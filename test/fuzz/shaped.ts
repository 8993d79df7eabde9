import fc from 'fast-check'
import { anyJson, anyText } from './input.js'

/** As much of JSON Schema as the schemas of the fleet are written in. */
export interface JsonSchema {
  $ref?: string
  type?: string | string[]
  enum?: unknown[]
  const?: unknown
  anyOf?: JsonSchema[]
  oneOf?: JsonSchema[]
  allOf?: JsonSchema[]
  properties?: Record<string, JsonSchema>
  required?: string[]
  additionalProperties?: boolean | JsonSchema
  propertyNames?: JsonSchema
  items?: JsonSchema
  minItems?: number
  maxItems?: number
  pattern?: string
  minLength?: number
  maxLength?: number
  minimum?: number
  maximum?: number
  exclusiveMinimum?: number
  default?: unknown
}

/** Values of the shape that a schema describes. `root` holds what its references name. Nearly all of them are valid. */
export function shaped(schema: JsonSchema, root: object, depth = 0): fc.Arbitrary<unknown> {
  if (depth > 6) return fc.constant(null)
  if (schema.$ref !== undefined) return shaped(resolve(root, schema.$ref), root, depth + 1)
  if ('const' in schema) return fc.constant(schema.const)
  if (schema.enum !== undefined) return fc.constantFrom(...schema.enum)
  const choice = schema.anyOf ?? schema.oneOf
  if (choice !== undefined) return fc.oneof(...choice.map((one) => shaped(one, root, depth + 1)))
  const type = Array.isArray(schema.type) ? schema.type[0] : schema.type
  if (type === 'string') return textOf(schema)
  if (type === 'boolean') return fc.boolean()
  if (type === 'null') return fc.constant(null)
  if (type === 'integer' || type === 'number') return numberOf(schema, type)
  if (type === 'array') {
    const minLength = schema.minItems ?? 0
    const maxLength = Math.max(minLength, Math.min(schema.maxItems ?? 4, 4))
    return fc.array(shaped(schema.items ?? {}, root, depth + 1), { minLength, maxLength })
  }
  if (type === 'object' || schema.properties !== undefined) return objectOf(schema, root, depth)
  return anyJson
}

function objectOf(schema: JsonSchema, root: object, depth: number): fc.Arbitrary<unknown> {
  const { properties = {}, required = [], additionalProperties: more, propertyNames } = schema
  const fields = Object.fromEntries(Object.entries(properties).map(([name, of]) => [name, shaped(of, root, depth + 1)]))
  const known = fc.record(fields, { requiredKeys: required.filter((name) => name in fields) })
  if (typeof more !== 'object' || Object.keys(fields).length > 0) return known
  const names = propertyNames === undefined ? anyText : shaped(propertyNames, root, depth + 1).map(String)
  return fc.dictionary(names, shaped(more, root, depth + 1), { maxKeys: 3 })
}

function textOf({ pattern, minLength = 0, maxLength = 60 }: JsonSchema): fc.Arbitrary<string> {
  if (pattern !== undefined) return matching(pattern)
  const plain = fc.string({ minLength, maxLength: Math.max(minLength, Math.min(maxLength, 60)) })
  return fc.oneof({ weight: 3, arbitrary: plain }, { weight: 1, arbitrary: anyText })
}

/** What a pattern takes, where it is one that can be turned round. */
function matching(pattern: string): fc.Arbitrary<string> {
  try {
    return fc.stringMatching(new RegExp(pattern))
  } catch {
    return anyText
  }
}

function numberOf({ minimum, exclusiveMinimum, maximum }: JsonSchema, type: string): fc.Arbitrary<number> {
  const most = Math.min(maximum ?? 1_000_000, Number.MAX_SAFE_INTEGER)
  const least = Math.min(minimum ?? exclusiveMinimum ?? 0, most)
  const whole = fc.integer({ min: Math.ceil(least), max: Math.floor(most) })
  return type === 'integer' ? whole : fc.oneof(whole, fc.double({ min: least, max: most, noNaN: true }))
}

function resolve(root: object, reference: string): JsonSchema {
  const words = reference.replace(/^#\//, '').split('/')
  return words.reduce<unknown>((at, word) => (at as Record<string, unknown>)[word], root) as JsonSchema
}
