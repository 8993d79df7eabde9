import { FleetError } from '@claude-fleet/core'
import type { RequestHandler } from 'express'

/** Refuses a request without a Host. Node would answer this one itself, without a problem document. */
export const requireHost: RequestHandler = (req, _res, next) => {
  if (req.headers.host === undefined) throw new FleetError('INVALID_REQUEST', 'the Host header is missing')
  next()
}
