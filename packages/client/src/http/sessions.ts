import { FleetError, isFleetError, sessionPageSchema, sessionViewSchema } from '@claude-fleet/core'
import type { z } from 'zod'
import { linkSignals } from '../signals.js'
import type { SessionTransport } from '../transport.js'
import { guarded, send, sendForJson, type HttpEndpoint, type HttpRequest } from './request.js'

const CALL_MS = 30_000
/** A transcript is up to 16 MiB to bring, and may be more to fetch, over any line. */
const TRANSCRIPT_MS = 120_000
const PATH = 'v1/sessions'

/** `/v1/sessions` of the HTTP API. */
export function createHttpSessions(endpoint: HttpEndpoint): SessionTransport {
  const ask = async <S extends z.ZodType>(request: HttpRequest, schema: S, signal: AbortSignal, timeoutMs = CALL_MS) =>
    (await sendForJson(endpoint, request, { schema, signal, timeoutMs })).value

  return {
    create({ input }, { idempotencyKey, signal }) {
      const headers: Record<string, string> = idempotencyKey === undefined ? {} : { 'idempotency-key': idempotencyKey }
      return ask({ method: 'POST', path: PATH, headers, body: input }, sessionViewSchema, signal)
    },
    list: (query, signal) => ask({ method: 'GET', path: PATH, query }, sessionPageSchema, signal),
    get: (id, signal) => ask({ method: 'GET', path: `${PATH}/${id}` }, sessionViewSchema, signal),
    close: (id, signal) => ask({ method: 'DELETE', path: `${PATH}/${id}` }, sessionViewSchema, signal),
    import: ({ input }, signal) =>
      ask({ method: 'POST', path: `${PATH}/import`, body: input }, sessionViewSchema, signal, TRANSCRIPT_MS),
    async export(id, signal) {
      using linked = linkSignals(signal)
      const late = new FleetError('UNAVAILABLE', `the fleet did not answer within ${TRANSCRIPT_MS} ms`)
      const timer = setTimeout(() => linked.abort(late), TRANSCRIPT_MS)
      try {
        const reply = await send(endpoint, { method: 'GET', path: `${PATH}/${id}/transcript` }, linked.signal)
        return await guarded(reply.text(), linked.signal)
      } catch (error) {
        throw isFleetError(error) || signal.aborted ? error : late
      } finally {
        clearTimeout(timer)
      }
    },
  }
}
