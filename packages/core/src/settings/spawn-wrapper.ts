import { isAbsolute } from 'node:path'
import { z } from 'zod'

/** What a word of a spawn wrapper may name in braces. */
export const SPAWN_PLACES = [
  'tenant',
  'workspace',
  'cwd',
  'home',
  'config',
  'tmp',
  'proxyPort',
  'proxySocket',
  'node',
  'claude',
] as const
export type SpawnPlaceName = (typeof SPAWN_PLACES)[number]

const wordsSchema = z.array(z.string().max(4_096)).min(1).max(100)

/** The words of a spawn wrapper, as they are written: a JSON array. */
export function parseSpawnWrapper(text: string): { words: readonly string[] } | { problem: string } {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    return { problem: 'is not a JSON array of words' }
  }
  const words = wordsSchema.safeParse(json)
  if (!words.success) return { problem: 'is not a JSON array of 1 to 100 words' }
  const [program = '', ...rest] = words.data
  if (!isAbsolute(program) || program.includes('{'))
    return { problem: 'must begin with the absolute path of a program' }
  for (const word of rest) {
    const unknown = [...word.matchAll(/\{([^{}]*)\}/g)].find(([, name = '']) => !isPlace(name))
    if (unknown !== undefined) return { problem: `has ${unknown[0]}, which is none of {${SPAWN_PLACES.join('}, {')}}` }
  }
  return { words: words.data }
}

/** The words, with what the places are here. */
export function fillSpawnWrapper(words: readonly string[], places: Readonly<Record<SpawnPlaceName, string>>): string[] {
  return words.map((word) => word.replaceAll(/\{(\w+)\}/g, (_all, name: SpawnPlaceName) => places[name]))
}

const isPlace = (name: string): name is SpawnPlaceName => (SPAWN_PLACES as readonly string[]).includes(name)
