import { FleetError, type Scope } from '@claude-fleet/core'
import type { Request, RequestHandler } from 'express'
import type { Allowance } from './allowance.js'
import type { Caller, KeyRing } from './keys.js'

const callers = new WeakMap<Request, Caller>()

/** Finds out who is asking, for all that follows. Answers 401 otherwise, and 429 to a key that asks too often. */
export function authenticate(ring: KeyRing, allowance: Allowance): RequestHandler {
  return (req, _res, next) => {
    const caller = ring.authenticate(req)
    callers.set(req, caller)
    allowance.request(caller.keyId)
    next()
  }
}

/** Answers 429 to a tenant that has sent as many requests in a minute as it may, whichever key and process they went to. */
export function limitTenant(count: (tenant: string) => Promise<void>): RequestHandler {
  return async (req, _res, next) => {
    await count(tenantOf(req))
    next()
  }
}

/** Lets only callers with this scope on. Answers 403 otherwise. */
export function requireScope(scope: Scope): RequestHandler {
  return (req, _res, next) => {
    if (!callerOf(req).scopes.has(scope)) throw new FleetError('FORBIDDEN', `this key lacks the scope ${scope}`)
    next()
  }
}

/** The tenant of a request that went through `authenticate`. */
export function tenantOf(req: Request): string {
  return callerOf(req).tenant
}

/** Who sent a request that went through `authenticate`. */
export function callerOf(req: Request): Caller {
  const caller = callers.get(req)
  if (caller === undefined) throw new FleetError('INTERNAL', 'a route was reached without authentication')
  return caller
}
