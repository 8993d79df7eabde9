import {
  FleetError,
  isEndState,
  JOB_ID_PATTERN,
  jobListQuerySchema,
  LIMITS,
  parseIdempotencyKey,
  parseInput,
  type JobPolicy,
  type JobView,
} from '@claude-fleet/core'
import type { EventReader, Producer } from '@claude-fleet/queue'
import type { IRouter, Request, RequestHandler, Response } from 'express'
import { z } from 'zod'
import { requireScope, tenantOf } from '../access/caller.js'
import { jsonBody, readBody } from '../request/body.js'
import { batchInput, jobInput, refuseIdempotencyKey } from '../request/input.js'
import { resource } from '@claude-fleet/http'

export interface JobRoutesDeps {
  producer: Producer
  reader: EventReader
  /** Aborts when the server stops: nobody is kept waiting then. */
  closing: AbortSignal
}

const resultQuerySchema = z.strictObject({
  wait: z
    .string()
    .regex(/^\d{1,2}$/, `must be a whole number of seconds from 0 to ${LIMITS.resultWaitSeconds}`)
    .transform(Number)
    .refine(
      (seconds) => seconds <= LIMITS.resultWaitSeconds,
      `must be at most ${LIMITS.resultWaitSeconds} seconds; ask again for more`,
    )
    .default(0),
})

/** `/v1/jobs` and what is below it, except the event stream. */
export function addJobRoutes(router: IRouter, deps: JobRoutesDeps, policy: JobPolicy): void {
  const { producer } = deps

  const enqueue: RequestHandler = async (req, res) => {
    const key = parseIdempotencyKey(req.headers['idempotency-key'])
    const spec = jobInput(jsonBody(req), policy)
    const { job, created } = await producer.enqueue({ tenant: tenantOf(req), spec, idempotencyKey: key })
    answerCreated(res, job, created ? 202 : 200)
  }

  const enqueueBatch: RequestHandler = async (req, res) => {
    refuseIdempotencyKey(req)
    const items = batchInput(jsonBody(req), policy)
    const { id, jobs } = await producer.enqueueBatch(tenantOf(req), items)
    res.status(202).json({ id, items: jobs.map((job) => ({ id: job.id, customId: job.customId })) })
  }

  const list: RequestHandler = async (req, res) => {
    res.json(await producer.list(tenantOf(req), parseInput(jobListQuerySchema, { ...req.query })))
  }

  const get: RequestHandler = async (req, res) => {
    res.json(found(await producer.get(tenantOf(req), jobId(req))))
  }

  const cancel: RequestHandler = async (req, res) => {
    const id = jobId(req)
    const answer = found(await producer.cancel(tenantOf(req), id, 'cancelled by request'))
    const job = found(await producer.get(tenantOf(req), id))
    res.status(answer === 'ended' ? 200 : 202).json(job)
  }

  const retry: RequestHandler = async (req, res) => {
    refuseIdempotencyKey(req)
    answerCreated(res, found(await producer.retry(tenantOf(req), jobId(req))), 202)
  }

  resource(router, '/v1/jobs', {
    get: [requireScope('read'), list],
    post: [requireScope('enqueue'), ...readBody(LIMITS.jobBodyBytes), enqueue],
  })
  resource(router, '/v1/jobs/batch', {
    post: [requireScope('enqueue'), ...readBody(LIMITS.batchBodyBytes), enqueueBatch],
  })
  resource(router, '/v1/jobs/:id', {
    get: [requireScope('read'), get],
    delete: [requireScope('enqueue'), cancel],
  })
  resource(router, '/v1/jobs/:id/result', { get: [requireScope('read'), waitForResult(deps)] })
  resource(router, '/v1/jobs/:id/retry', { post: [requireScope('enqueue'), retry] })
}

/** The id in the path. What cannot be an id is answered as an unknown one, without asking Redis. */
export function jobId(req: Request): string {
  const { id } = req.params
  if (typeof id !== 'string' || !JOB_ID_PATTERN.test(id)) throw noSuchJob()
  return id
}

/** The job, or `NOT_FOUND`: also for a job of another tenant, which does not exist for this one. */
export function found<T>(value: T | undefined): T {
  if (value === undefined) throw noSuchJob()
  return value
}

const noSuchJob = () => new FleetError('NOT_FOUND', 'there is no such job')

function answerCreated(res: Response, job: JobView, status: 200 | 202): void {
  res.status(status).location(`/v1/jobs/${job.id}`).json(job)
}

function waitForResult({ reader, closing }: JobRoutesDeps): RequestHandler {
  return async (req, res) => {
    const id = jobId(req)
    const { wait } = parseInput(resultQuerySchema, { ...req.query })
    const gone = new AbortController()
    const leave = () => gone.abort()
    res.once('close', leave)
    closing.addEventListener('abort', leave, { once: true })
    try {
      const waitMs = req.method === 'HEAD' ? 0 : wait * 1_000
      const job = found(await reader.waitForEnd(tenantOf(req), id, { waitMs, signal: gone.signal }))
      if (isEndState(job.state)) res.json(job)
      else res.status(202).json({ id: job.id, state: job.state })
    } finally {
      res.off('close', leave)
      closing.removeEventListener('abort', leave)
    }
  }
}
