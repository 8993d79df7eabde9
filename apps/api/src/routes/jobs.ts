import {
  FleetError,
  isEndState,
  jobListQuerySchema,
  parseIdempotencyKey,
  parseInput,
  type JobPolicy,
  type JobView,
} from '@claude-fleet/core'
import type { IRouter, RequestHandler, Response } from 'express'
import { callerOf, tenantOf } from '../access/caller.js'
import { serve } from '../openapi/operation.js'
import { jobOperations, resultQuerySchema } from '../openapi/operations/jobs.js'
import { jsonBody } from '../request/body.js'
import { batchInput, jobInput, refuseIdempotencyKey } from '../request/input.js'
import { auditAs, type SseOptions } from '@claude-fleet/http'
import { streamEvents, type EventRoutesDeps } from './events.js'
import { found, jobId } from './job-id.js'

/** `/v1/jobs` and what is below it. */
export function addJobRoutes(
  router: IRouter,
  deps: EventRoutesDeps,
  options: { policy: JobPolicy } & SseOptions,
): void {
  const { policy } = options
  const { producer } = deps

  const enqueueJob: RequestHandler = async (req, res) => {
    const key = parseIdempotencyKey(req.headers['idempotency-key'])
    const spec = jobInput(jsonBody(req), policy)
    const { job, created } = await producer.enqueue({ tenant: tenantOf(req), spec, idempotencyKey: key })
    answerCreated(res, job, created ? 202 : 200)
  }

  const enqueueBatch: RequestHandler = async (req, res) => {
    const idempotencyKey = parseIdempotencyKey(req.headers['idempotency-key'])
    const items = batchInput(jsonBody(req), policy)
    const { id, items: made, created } = await producer.enqueueBatch({ tenant: tenantOf(req), items, idempotencyKey })
    auditAs(res, { made: id })
    res.status(created ? 202 : 200).json({ id, items: made })
  }

  const listJobs: RequestHandler = async (req, res) => {
    res.json(await producer.list(tenantOf(req), parseInput(jobListQuerySchema, { ...req.query })))
  }

  const getJob: RequestHandler = async (req, res) => {
    res.json(found(await producer.get(tenantOf(req), jobId(req))))
  }

  const cancelJob: RequestHandler = async (req, res) => {
    const id = jobId(req)
    const answer = found(await producer.cancel(tenantOf(req), id, 'cancelled by request'))
    const job = found(await producer.get(tenantOf(req), id))
    res.status(answer === 'ended' ? 200 : 202).json(job)
  }

  const retryJob: RequestHandler = async (req, res) => {
    refuseIdempotencyKey(req)
    answerCreated(res, found(await producer.retry(tenantOf(req), jobId(req))), 202)
  }

  serve(router, jobOperations, {
    enqueueJob,
    enqueueBatch,
    listJobs,
    getJob,
    streamEvents: streamEvents(deps, options),
    waitForResult: waitForResult(deps),
    cancelJob,
    retryJob,
  })
}

function answerCreated(res: Response, job: JobView, status: 200 | 202): void {
  res.status(status).location(`/v1/jobs/${job.id}`).json(job)
}

function waitForResult({ reader, closing }: EventRoutesDeps): RequestHandler {
  return async (req, res) => {
    const id = jobId(req)
    const { wait } = parseInput(resultQuerySchema, { ...req.query })
    const gone = new AbortController()
    const leave = () => gone.abort()
    res.once('close', leave)
    const { revoked } = callerOf(req)
    closing.addEventListener('abort', leave, { once: true })
    revoked.addEventListener('abort', leave, { once: true })
    try {
      const waitMs = req.method === 'HEAD' ? 0 : wait * 1_000
      const job = found(await reader.waitForEnd(tenantOf(req), id, { waitMs, signal: gone.signal }))
      if (revoked.aborted) throw new FleetError('UNAUTHENTICATED', 'this API key is not known any more')
      if (isEndState(job.state)) res.json(job)
      else res.status(202).json({ id: job.id, state: job.state })
    } finally {
      res.off('close', leave)
      closing.removeEventListener('abort', leave)
      revoked.removeEventListener('abort', leave)
    }
  }
}
