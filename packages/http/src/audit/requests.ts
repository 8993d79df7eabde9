import type { RequestHandler, Response } from 'express'
import type { AuditFacts } from './line.js'
import type { AuditLog } from './log.js'

/** What a request turned out to be, said by its route while it is served. */
export interface Audited {
  action: string
  target?: string | undefined
  made?: string | undefined
}

const said = new WeakMap<Response, Audited>()

/** Says what a request is, or more of it. */
export function auditAs(res: Response, facts: Partial<Audited>): void {
  said.set(res, { action: '', ...said.get(res), ...facts })
}

/**
 * Writes each request down when its reply has ended: what `auditAs` was told of it, and its status. What no route has said
 * anything of is not written.
 */
export function auditRequests(
  audit: AuditLog,
  whose: (req: Parameters<RequestHandler>[0]) => Pick<AuditFacts, 'who' | 'tenant'>,
): RequestHandler {
  return (req, res, next) => {
    const from = req.socket.remoteAddress ?? ''
    const { who, tenant } = whose(req)
    // A reply that streams has ten of others; Node takes the eleventh for a leak.
    res.setMaxListeners(res.getMaxListeners() + 1)
    res.once('close', () => {
      const facts = said.get(res)
      if (facts === undefined || facts.action === '') return
      // Of what a request made, its reply names the place.
      const location = res.getHeader('location')
      const made = facts.made ?? (typeof location === 'string' ? location.split('/').at(-1) : undefined)
      audit.record({
        ...facts,
        made,
        who,
        tenant,
        from,
        requestId: typeof req.id === 'string' ? req.id : '',
        status: res.statusCode,
      })
    })
    next()
  }
}
