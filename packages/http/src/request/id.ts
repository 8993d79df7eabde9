import { randomUUID } from 'node:crypto'
import type { RequestHandler } from 'express'

const SANE_ID = /^[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}$/

/** Gives every request an id, the caller's own `x-request-id` where it is sane, and every reply the header `request-id`. */
export const nameRequest: RequestHandler = (req, res, next) => {
  const given = req.headers['x-request-id']
  const id = typeof given === 'string' && SANE_ID.test(given) ? given : `req_${randomUUID()}`
  req.id = id
  res.setHeader('request-id', id)
  next()
}
