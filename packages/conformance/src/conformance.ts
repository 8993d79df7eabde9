import { streamFaults } from './event-stream.js'
import { findOperation, type Operation, type OpenApiDocument, type Response } from './operation.js'
import { createShapeCheck, pointer } from './shapes.js'

/** One request and its reply, as seen from outside. */
export interface Exchange {
  method: string
  /** Path and query. */
  url: string
  /** Undefined: none, or not text. */
  requestBody?: string | undefined
  status: number
  headers: Headers
  /** All that came of the body, as text. */
  body: string
  /** The reply was cut off on purpose, by either side: what is missing at its end is no fault. */
  cut?: boolean
}

/** Holds exchanges against an OpenAPI 3.1 document. */
export interface Conformance {
  /** What of the exchange the document does not tell, each in a sentence that names the call. Empty: all is told. */
  faultsOf(exchange: Exchange): string[]
}

const known = new Map<string, Conformance>()

/** Reads the document that a server gives at `/openapi.json`. Rejects when there is none. */
export async function readConformance(url: string): Promise<Conformance> {
  const reply = await fetch(`${url}/openapi.json`)
  const text = await reply.text()
  if (reply.status !== 200) throw new Error(`GET /openapi.json answered ${reply.status}: ${text}`)
  const conformance = known.get(text) ?? createConformance(JSON.parse(text) as OpenApiDocument)
  known.set(text, conformance)
  return conformance
}

/**
 * Checks that the path, the method, the status, the content type, the headers and the body of a reply are documented,
 * and that a request that was taken is one the document allows. A reply may have no field that is not documented.
 */
export function createConformance(document: OpenApiDocument): Conformance {
  const shapes = createShapeCheck(document)

  function faultsOfBody({ at, media, type }: { at: string; media: object; type: string }, body: string): string[] {
    if (type === 'text/event-stream')
      return streamFaults(body, (event) => shapes.faultsOf(pointer(at, 'schema'), event))
    // Lines of JSON are no JSON document, and there may be none of them.
    if (type === 'application/x-ndjson') return []
    if (!type.endsWith('json')) return 'schema' in media && body === '' ? ['the body is empty'] : []
    return shapes.faultsOf(pointer(at, 'schema'), parse(body))
  }

  function faultsOfReply(response: Response, at: string, exchange: Exchange): string[] {
    const { method, headers, body, cut = false } = exchange
    const missing = Object.entries(response.headers ?? {}).flatMap(([name, header]) => {
      const value = headers.get(name)
      if (value === null) return [`the header ${name} is missing`]
      const place = pointer(placeOf(header, pointer(at, 'headers', name)), 'schema')
      const wrong = shapes.faultsOf(place, asNumber(value, shapes.resolve(header)))
      return wrong.map((fault) => `the header ${name} ${fault}`)
    })
    const content = response.content ?? {}
    const type = (headers.get('content-type') ?? '').split(';', 1)[0] ?? ''
    const types = Object.keys(content)
    if (types.length === 0) return body === '' ? missing : [...missing, 'a body, and none is documented']
    const media = content[type]
    if (media === undefined) return [...missing, `content type ${type || '(none)'}, documented: ${types.join(', ')}`]
    if (method === 'HEAD') return missing
    if (cut && type !== 'text/event-stream') return missing
    return [...missing, ...faultsOfBody({ at: pointer(at, 'content', type), media, type }, body)]
  }

  function faultsOfRequest({ operation, at }: Operation, { url, requestBody, status }: Exchange): string[] {
    if (status >= 300) return []
    const documented = (operation.parameters ?? []).filter((one) => one.in === 'query').map((one) => one.name)
    const names = [...new URL(url, 'http://localhost').searchParams.keys()]
    const foreign = names.filter((name) => !documented.includes(name))
    const query = foreign.map((name) => `the query ${name} was taken, and is not documented`)
    const media = operation.requestBody?.content['application/json']
    if (media === undefined || requestBody === undefined) return query
    const place = pointer(at, 'requestBody', 'content', 'application/json', 'schema')
    return [...query, ...shapes.faultsOf(place, parse(requestBody)).map((fault) => `the request was taken: ${fault}`)]
  }

  function faults(exchange: Exchange): string[] {
    const { method, status, headers } = exchange
    const unnamed = headers.get('request-id') === null ? ['the header request-id is missing'] : []
    const found = findOperation(document, method, exchange.url)
    if (found === undefined || !('operation' in found)) {
      // Not documented as a call, but in the words of `info`: 404 elsewhere, 405 for other methods, OPTIONS.
      const code = found === undefined ? 'NOT_FOUND' : 'METHOD_NOT_ALLOWED'
      if (found !== undefined && method === 'OPTIONS' && status === 204) return unnamed
      const front = ['INVALID_REQUEST', 'UNAUTHENTICATED', 'FORBIDDEN', code].find(
        (name) => status === shapes.statusOf(name),
      )
      if (front === undefined) return [...unnamed, `status ${status}, and the document does not have this call`]
      return [
        ...unnamed,
        ...faultsOfReply(shapes.response(front), pointer('#', 'components', 'responses', front), exchange),
      ]
    }
    const { operation, at } = found
    const entry = operation.responses[String(status)]
    if (entry === undefined) {
      return [...unnamed, `status ${status}, documented: ${Object.keys(operation.responses).join(', ')}`]
    }
    const place = placeOf(entry, pointer(at, 'responses', String(status)))
    const response = shapes.resolve(entry) as Response
    return [...unnamed, ...faultsOfReply(response, place, exchange), ...faultsOfRequest(found, exchange)]
  }

  return {
    faultsOf(exchange) {
      const said = [...new Set(faults(exchange))]
      return said.map((fault) => `${exchange.method} ${exchange.url} ${exchange.status}: ${fault}`)
    },
  }
}

/** Where an entry really is: at its reference, if it is one. */
function placeOf(entry: object, at: string): string {
  return '$ref' in entry && typeof entry.$ref === 'string' ? entry.$ref : at
}

/** Headers are text. Those of numbers are checked as numbers. */
function asNumber(value: string, header: object): unknown {
  const type = 'schema' in header ? (header.schema as { type?: string }).type : undefined
  return type === 'integer' && /^\d+$/.test(value) ? Number(value) : value
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // No schema of an object takes this for one.
    return `not JSON: ${text.slice(0, 200)}`
  }
}
