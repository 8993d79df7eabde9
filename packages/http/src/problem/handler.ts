import { FleetError } from '@claude-fleet/core'
import type { ErrorRequestHandler, RequestHandler, Response } from 'express'
import { PROBLEM_TYPE, problemOf } from './problem.js'

/** Answers what no route took. */
export const notFound: RequestHandler = (req) => {
  throw new FleetError('NOT_FOUND', `there is nothing at ${req.method} ${req.path}`)
}

/** The last middleware: every error becomes a problem document. A reply that has begun can only be cut off. */
export const answerProblem: ErrorRequestHandler = (error: unknown, req, res, _next) => {
  if (res.headersSent) {
    res.destroy(error instanceof Error ? error : undefined)
    return
  }
  const { problem, headers } = problemOf(error, requestIdOf(res))
  // 503 is expected when Redis is away, and the log of the connection tells it once.
  if (problem.status >= 500 && problem.status !== 503) req.log.error({ err: error }, 'request failed')
  // What the route prepared for a good answer does not belong to this one.
  res.removeHeader('location')
  res.status(problem.status).set(headers).type(PROBLEM_TYPE).send(JSON.stringify(problem))
}

const requestIdOf = (res: Response) => String(res.getHeader('request-id') ?? '')
