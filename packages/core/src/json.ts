import { LIMITS } from './limits.js'

/** What is wrong with a JSON value, and where: `path` as `a.b.0`, empty for the whole. */
export interface JsonFault {
  path: string
  message: string
}

const FORBIDDEN_KEYS: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype'])

/**
 * Looks through parsed JSON for what no schema should have to meet: keys that reach an object's prototype when
 * copied, and nesting deeper than `LIMITS.jsonDepth`. Returns the first fault, or undefined.
 *
 * Walks with its own stack: `JSON.parse` accepts 200,000 levels and a recursive walk of them overflows.
 */
export function findJsonFault(value: unknown): JsonFault | undefined {
  const pending: { value: unknown; path: string; depth: number }[] = [{ value, path: '', depth: 0 }]
  for (let node = pending.pop(); node !== undefined; node = pending.pop()) {
    if (typeof node.value !== 'object' || node.value === null) continue
    if (node.depth >= LIMITS.jsonDepth) {
      return { path: node.path, message: `is nested deeper than ${LIMITS.jsonDepth} levels` }
    }
    for (const [key, child] of Object.entries(node.value)) {
      const path = node.path === '' ? key : `${node.path}.${key}`
      if (FORBIDDEN_KEYS.has(key)) return { path, message: `the key ${key} is not allowed` }
      pending.push({ value: child, path, depth: node.depth + 1 })
    }
  }
  return undefined
}

/**
 * One text for equal JSON values, whatever the order of their keys. Used to tell whether two request bodies are the
 * same job. Expects what `findJsonFault` has passed.
 */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, child: unknown) =>
    typeof child === 'object' && child !== null && !Array.isArray(child)
      ? Object.fromEntries(Object.entries(child).sort(([a], [b]) => (a < b ? -1 : 1)))
      : child,
  )
}

const encoder = new TextEncoder()

/** Length in bytes of `text` as UTF-8. */
export function utf8Bytes(text: string): number {
  return encoder.encode(text).length
}
