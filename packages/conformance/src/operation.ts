import { pointer } from './shapes.js'

/** What the checks read of a document. */
export interface OpenApiDocument {
  paths: Record<string, Record<string, DocumentedOperation>>
  components: { responses: Record<string, Response>; headers: Record<string, object>; schemas: Record<string, object> }
}

export interface DocumentedOperation {
  parameters?: { name: string; in: string }[]
  requestBody?: { content: Record<string, object> }
  responses: Record<string, Response | { $ref: string }>
}

export interface Response {
  headers?: Record<string, object>
  content?: Record<string, object>
}

export interface Operation {
  operation: DocumentedOperation
  /** Where in the document it is, as a pointer. */
  at: string
}

/**
 * The operation that a request asks for. `HEAD` is the `GET` of its path. Undefined: no such path; `{path}` alone: the
 * path has no such method.
 */
export function findOperation(
  document: OpenApiDocument,
  method: string,
  url: string,
): Operation | { path: string } | undefined {
  const asked = new URL(url, 'http://localhost').pathname.replace(/(.)\/$/, '$1')
  // The one with the fewest names wins: `/jobs/batch` before `/jobs/{id}`.
  const [path] = Object.keys(document.paths)
    .filter((template) => patternOf(template).test(asked))
    .sort((a, b) => a.split('{').length - b.split('{').length)
  if (path === undefined) return undefined
  const name = (method === 'HEAD' ? 'GET' : method).toLowerCase()
  const operation = document.paths[path]?.[name]
  return operation === undefined ? { path } : { operation, at: pointer('#', 'paths', path, name) }
}

function patternOf(template: string): RegExp {
  const parts = template.split(/\{\w+\}/).map((part) => part.replaceAll(/[.*+?^$()|[\]\\]/g, '\\$&'))
  return new RegExp(`^${parts.join('[^/]+')}$`)
}
