import { FleetError } from '@claude-fleet/core'
import type { RequestHandler } from 'express'

const SAFE: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS'])
/** The site's own script sends it. A page of another site cannot, without asking first, and is not answered then. */
const HEADER = 'x-fleet-board'

/**
 * Refuses what changes something unless this site itself asks: a browser sends the sign-in along with any request to
 * this address, also one that a page of another site makes.
 */
export const sameOrigin: RequestHandler = (req, _res, next) => {
  if (SAFE.has(req.method)) return next()
  const site = req.headers['sec-fetch-site']
  const { origin, host } = req.headers
  const foreign = (site !== undefined && site !== 'same-origin') || (origin !== undefined && hostOf(origin) !== host)
  if (foreign || req.headers[HEADER] === undefined) {
    throw new FleetError('FORBIDDEN', `this may only be asked by this site, with the header ${HEADER}`)
  }
  next()
}

function hostOf(origin: string): string | undefined {
  return URL.canParse(origin) ? new URL(origin).host : undefined
}
