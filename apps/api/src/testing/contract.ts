/**
 * The calls of the contract and the statuses it names for them, written down by hand: this list is what the document is
 * held against, so it must not come from it.
 */
export const CONTRACT: Readonly<Record<string, readonly number[]>> = {
  'POST /v1/jobs': [200, 202, 400, 401, 413, 415, 422, 500],
  'POST /v1/jobs/batch': [202, 400, 401, 413, 415, 500],
  'GET /v1/jobs': [200, 400, 401, 500],
  'GET /v1/jobs/{id}': [200, 401, 404, 500],
  'GET /v1/jobs/{id}/events': [200, 204, 401, 404, 500],
  'GET /v1/jobs/{id}/result': [200, 202, 400, 401, 404, 500],
  'DELETE /v1/jobs/{id}': [200, 202, 401, 404, 500],
  'POST /v1/jobs/{id}/retry': [202, 401, 404, 409, 500],
  'POST /v1/schedules': [201, 400, 401, 403, 409, 413, 415, 500],
  'GET /v1/schedules': [200, 400, 401, 500],
  'GET /v1/schedules/{id}': [200, 401, 404, 500],
  'PATCH /v1/schedules/{id}': [200, 400, 401, 404, 409, 413, 415, 500],
  'DELETE /v1/schedules/{id}': [204, 401, 404, 500],
  'GET /v1/schedules/{id}/history': [200, 401, 404, 500],
  'POST /v1/schedules/{id}/run': [202, 401, 404, 409, 500],
  'POST /v1/webhooks': [201, 400, 401, 403, 409, 413, 415, 500],
  'GET /v1/webhooks': [200, 401, 403, 500],
  'GET /v1/webhooks/{id}': [200, 401, 403, 404, 500],
  'PATCH /v1/webhooks/{id}': [200, 400, 401, 403, 404, 413, 415, 500],
  'DELETE /v1/webhooks/{id}': [204, 401, 403, 404, 500],
  'POST /v1/webhooks/{id}/rotate': [200, 400, 401, 403, 404, 409, 500],
  'GET /v1/webhooks/{id}/deliveries': [200, 400, 401, 403, 404, 500],
  'POST /v1/webhooks/{id}/test': [202, 401, 403, 404, 409, 500],
  'GET /v1/workers': [200, 401, 403, 500],
  'POST /v1/workers/{id}/drain': [202, 401, 403, 404, 500],
  'GET /v1/stats': [200, 401, 500],
  'GET /healthz': [200],
  'GET /readyz': [200, 503],
  'GET /metrics': [200],
  'GET /openapi.json': [200],
  'GET /docs': [200],
}

/** Calls of the contract that are still to be built. Building one moves it up. */
export const NOT_SERVED_YET = [
  'POST /v1/sessions',
  'GET /v1/sessions',
  'GET /v1/sessions/{id}',
  'DELETE /v1/sessions/{id}',
] as const

/** What the contract's row of `GET /v1/stats` names. */
export const STATS_ROWS = [
  'jobs',
  'oldestWaitingMs',
  'throughput',
  'latencyMs',
  'pool',
  'costUsd',
  'tokens',
  'tools',
] as const
