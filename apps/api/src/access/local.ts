import { FleetError, isLoopback } from '@claude-fleet/core'
import type { RequestHandler } from 'express'

/**
 * Without keys, being on this machine is all that is asked. A web page in a browser of this machine is there too: by a
 * name that resolves to loopback (DNS rebinding, seen in `Host`), or across origins (seen in `Origin`). Neither passes.
 */
export const onlyLocal: RequestHandler = (req, _res, next) => {
  const host = req.headers.host ?? ''
  const url = parse(`http://${host}`)
  if (url === undefined || url.host === '' || !isLoopback(url.hostname.replace(/^\[(.*)\]$/, '$1'))) {
    throw new FleetError('FORBIDDEN', 'without API keys only requests with a local Host are served')
  }
  const { origin } = req.headers
  if (origin !== undefined && parse(origin)?.host !== url.host) {
    throw new FleetError('FORBIDDEN', 'without API keys requests of other origins are not served')
  }
  next()
}

function parse(text: string): URL | undefined {
  try {
    return new URL(text)
  } catch {
    return undefined
  }
}
