import { jobViewSchema, scheduleHistorySchema, schedulePageSchema, scheduleViewSchema } from '@claude-fleet/core'
import { z } from 'zod'
import type { ScheduleTransport } from '../transport.js'
import { sendForJson, type HttpEndpoint, type HttpRequest } from './request.js'

const CALL_MS = 30_000
const PATH = 'v1/schedules'

/** `/v1/schedules` of the HTTP API. */
export function createHttpSchedules(endpoint: HttpEndpoint): ScheduleTransport {
  const ask = async <S extends z.ZodType>(request: HttpRequest, schema: S, signal: AbortSignal) =>
    (await sendForJson(endpoint, request, { schema, signal, timeoutMs: CALL_MS })).value

  return {
    create: ({ input }, signal) => ask({ method: 'POST', path: PATH, body: input }, scheduleViewSchema, signal),
    list: (query, signal) => ask({ method: 'GET', path: PATH, query }, schedulePageSchema, signal),
    get: (id, signal) => ask({ method: 'GET', path: `${PATH}/${id}` }, scheduleViewSchema, signal),
    update: (id, { input }, signal) =>
      ask({ method: 'PATCH', path: `${PATH}/${id}`, body: input }, scheduleViewSchema, signal),
    remove: (id, signal) => ask({ method: 'DELETE', path: `${PATH}/${id}` }, z.undefined(), signal),
    history: async (id, signal) =>
      (await ask({ method: 'GET', path: `${PATH}/${id}/history` }, scheduleHistorySchema, signal)).items,
    run: (id, signal) => ask({ method: 'POST', path: `${PATH}/${id}/run` }, jobViewSchema, signal),
  }
}
