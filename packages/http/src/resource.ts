import { FleetError } from '@claude-fleet/core'
import type { IRouter, RequestHandler } from 'express'

const METHODS = ['get', 'post', 'patch', 'delete'] as const
type Method = (typeof METHODS)[number]

/**
 * One path and what may be done with it. `GET` answers `HEAD` too, `OPTIONS` names the methods, every other method is
 * `METHOD_NOT_ALLOWED`.
 */
export function resource(router: IRouter, path: string, methods: Partial<Record<Method, RequestHandler[]>>): void {
  const route = router.route(path)
  const names = METHODS.filter((name) => methods[name] !== undefined).flatMap((name) =>
    name === 'get' ? ['GET', 'HEAD'] : [name.toUpperCase()],
  )
  const allow = [...names, 'OPTIONS'].join(', ')
  for (const method of METHODS) {
    const handlers = methods[method]
    if (handlers !== undefined) route[method](...handlers)
  }
  route.options((_req, res) => {
    res.set('allow', allow).status(204).end()
  })
  route.all((req) => {
    throw new FleetError('METHOD_NOT_ALLOWED', `${req.method} is not allowed here; allowed: ${allow}`, {
      details: { allow },
    })
  })
}
