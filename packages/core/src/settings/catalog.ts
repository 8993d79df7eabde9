import { z } from 'zod'
import { PLAIN_VARIABLES, SECRET_VARIABLES } from './credentials.js'
import { SECRETS } from './read.js'
import { NETWORK_VARIABLES } from './settings.js'
import { apiShape, boardShape, clientShape, workerShape } from './shapes.js'

/** Who reads settings. `clients`: the command line, and services by way of it. */
export type SettingReader = 'api' | 'board' | 'worker' | 'clients'

/** One setting, for people. */
export interface SettingEntry {
  name: string
  readBy: SettingReader[]
  /** As it would be written; undefined: none, and `unset` says what holds then. */
  default: string | undefined
  unset: string | undefined
  allowed: string
  /** May be given as `NAME_FILE` too, and is never quoted. */
  secret: boolean
  description: string
}

/** A variable that goes to `claude` as it is. */
export interface PassedVariable {
  name: string
  secret: boolean
  description: string
}

export interface SettingCatalog {
  settings: SettingEntry[]
  /** The credential `default` of a worker. */
  credential: PassedVariable[]
  network: PassedVariable[]
}

const metaSchema = z.object({
  description: z.string().min(10).optional(),
  allowed: z.string().optional(),
  unset: z.string().optional(),
})
type Meta = z.infer<typeof metaSchema>

/** All settings there are, from the very schemas that read them. Throws when one does not say what it does. */
export function describeSettings(): SettingCatalog {
  const passed = (variables: Readonly<Record<string, string>>, secret: boolean): PassedVariable[] =>
    Object.entries(variables).map(([name, description]) => ({ name, secret, description }))
  return {
    settings: describeShapes({ api: apiShape, board: boardShape, worker: workerShape('~'), clients: clientShape }),
    credential: [...passed(SECRET_VARIABLES, true), ...passed(PLAIN_VARIABLES, false)],
    network: passed(NETWORK_VARIABLES, false),
  }
}

/** One entry a name; what readers say differently of one stands in it one after the other. */
export function describeShapes(shapes: Readonly<Partial<Record<SettingReader, z.ZodRawShape>>>): SettingEntry[] {
  const entries = new Map<string, SettingEntry>()
  for (const [reader, shape] of Object.entries(shapes) as [SettingReader, z.ZodRawShape][]) {
    for (const [name, schema] of Object.entries(shape)) {
      const entry = describe(name, schema as z.ZodType)
      const known = entries.get(name)
      if (known === undefined) {
        entries.set(name, { ...entry, readBy: [reader] })
        continue
      }
      known.readBy.push(reader)
      if (!known.description.includes(entry.description)) known.description += ` ${entry.description}`
    }
  }
  return [...entries.values()]
}

function describe(name: string, schema: z.ZodType): Omit<SettingEntry, 'readBy'> {
  const outer = metaOf(schema)
  const layers = layersOf(schema)
  const allowed = layers.map((layer) => metaOf(layer).allowed).find((text) => text !== undefined)
  const withDefault = layers.find((layer) => layer instanceof z.ZodDefault)
  const given = withDefault === undefined ? undefined : String(withDefault.def.defaultValue)
  if (outer.description === undefined) throw new Error(`${name} does not say what it does: .meta({ description })`)
  if (allowed === undefined) throw new Error(`${name} does not say what it may be: .meta({ allowed })`)
  if (given === undefined && outer.unset === undefined) {
    throw new Error(`${name} does not say what holds without it: .meta({ unset })`)
  }
  const { description, unset } = outer
  return { name, default: given, unset, allowed, secret: SECRETS.has(name), description }
}

/** The schema and those within it: what `.default()`, `.optional()` and `.transform()` were called on. */
function layersOf(schema: z.ZodType): z.ZodType[] {
  if (schema instanceof z.ZodDefault || schema instanceof z.ZodOptional) {
    return [schema, ...layersOf(schema.def.innerType as z.ZodType)]
  }
  return schema instanceof z.ZodPipe ? [schema, ...layersOf(schema.def.in as z.ZodType)] : [schema]
}

function metaOf(schema: z.ZodType): Meta {
  return metaSchema.parse(schema.meta() ?? {})
}
