import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import type { OpenApiDocument, Response } from './operation.js'

/** The schemas of a document, by where they are in it. */
export interface ShapeCheck {
  /** What is wrong with a value for the schema at `at`. */
  faultsOf(at: string, value: unknown): string[]
  /** Follows a reference, if it is one. */
  resolve(entry: object): object
  response(name: string): Response
  /** The status that the response of this name says its problem has. */
  statusOf(name: string): number | undefined
}

interface StatusSchema {
  properties?: { status?: { const?: number } }
}

const DOCUMENT = 'openapi.json'

export function createShapeCheck(document: OpenApiDocument): ShapeCheck {
  const ajv = new Ajv2020({ strict: false, allErrors: true, validateSchema: false })
  ajv.addSchema(withoutOtherFields(document), DOCUMENT)
  const compiled = new Map<string, ValidateFunction>()

  function validatorAt(at: string): ValidateFunction {
    const validate = compiled.get(at) ?? ajv.compile({ $ref: `${DOCUMENT}${at}` })
    compiled.set(at, validate)
    return validate
  }

  function resolve(entry: object): object {
    if (!('$ref' in entry) || typeof entry.$ref !== 'string') return entry
    const target = entry.$ref
      .split('/')
      .slice(1)
      .reduce<unknown>((value, key) => (value as Record<string, unknown> | undefined)?.[key], document)
    if (typeof target !== 'object' || target === null) throw new Error(`${entry.$ref} is nowhere in the document`)
    return target
  }

  const response = (name: string) => {
    const found = document.components.responses[name]
    if (found === undefined) throw new Error(`the document has no response ${name}`)
    return found
  }

  return {
    faultsOf(at, value) {
      const validate = validatorAt(at)
      if (validate(value)) return []
      return (validate.errors ?? []).map(({ instancePath, message = 'is wrong', params }) => {
        const extra = typeof params['additionalProperty'] === 'string' ? ` (${params['additionalProperty']})` : ''
        return `${instancePath === '' ? 'it' : instancePath} ${message}${extra}`
      })
    },
    resolve,
    response,
    statusOf(name) {
      const [media] = Object.values(response(name).content ?? {}) as { schema?: StatusSchema }[]
      return media?.schema?.properties?.status?.const
    },
  }
}

/** A JSON pointer below `base`, as a fragment. */
export function pointer(base: string, ...keys: string[]): string {
  const escaped = keys.map((key) => encodeURIComponent(key.replaceAll('~', '~0').replaceAll('/', '~1')))
  return [base, ...escaped].join('/')
}

/**
 * Every named shape closed: the document lets a reply have more fields than it tells, so that clients are ready for
 * tomorrow's; in a test a field that is not told is a fault.
 */
function withoutOtherFields(document: OpenApiDocument): object {
  const copy = structuredClone(document)
  close(copy.components.schemas)
  return copy
}

function close(node: unknown): void {
  if (typeof node !== 'object' || node === null) return
  if ('properties' in node && 'type' in node && node.type === 'object' && !('additionalProperties' in node)) {
    Object.assign(node, { additionalProperties: false })
  }
  for (const child of Object.values(node)) close(child)
}
