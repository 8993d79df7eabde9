import { invalidInput, type ErrorCode, type Scope } from '@claude-fleet/core'
import { auditAs, resource } from '@claude-fleet/http'
import type { IRouter, RequestHandler } from 'express'
import type { z } from 'zod'
import { requireScope } from '../access/caller.js'
import { readBody } from '../request/body.js'

/**
 * One call of the API: what is served and what is documented of it are read from here, so neither can be forgotten. Its
 * key in a table is its `operationId`.
 */
export interface Operation {
  method: 'get' | 'post' | 'patch' | 'delete'
  /** As express writes it: `/v1/jobs/:id`. */
  path: string
  tag: Tag
  summary: string
  description?: string
  /** What the caller's key must allow. Undefined: no key is needed. */
  scope?: Scope
  /** Names of the path, each with its schema. */
  params?: z.ZodObject
  /** What a handler parses its query with: the documented types are those after parsing. */
  query?: z.ZodObject
  headers?: z.ZodObject
  body?: { schema: z.ZodType; limitBytes: number; examples: Readonly<Record<string, unknown>> }
  replies: Readonly<Record<number, Reply>>
  /** Beside those that follow from the above, see `errorCodesOf`. */
  errors?: readonly ErrorCode[]
}

export interface Reply {
  description: string
  /** Beside `request-id`, which is in every reply. */
  headers?: readonly ReplyHeader[]
  /** Undefined: the reply has no body. */
  content?: { type: string; schema: z.ZodType | 'text'; example: unknown }
}

export const TAGS = {
  jobs: 'Prompts, from being enqueued to their one outcome.',
  sessions: 'Conversations that go on over many jobs and outlive the worker that ran them.',
  schedules: 'Prompts that come again at the times of a cron expression.',
  webhooks: 'Addresses that are told when jobs end, by the Standard Webhooks specification.',
  fleet: 'The workers and the figures.',
  service: 'The API itself: health, metrics, this document. No key is needed.',
} as const
export type Tag = keyof typeof TAGS

export type ReplyHeader = 'location' | 'cache-control' | 'x-accel-buffering'

export type Operations = Readonly<Record<string, Operation>>

/**
 * Serves every operation of a table. In front of its handler stand, as the table says, the check of the caller's scope,
 * the refusal of a query where none is known, and the reading of the body.
 */
export function serve<T extends Operations>(
  router: IRouter,
  operations: T,
  handlers: Record<keyof T, RequestHandler>,
): void {
  const byPath = new Map<string, Partial<Record<Operation['method'], RequestHandler[]>>>()
  for (const [id, operation] of Object.entries(operations)) {
    const { path, method, scope, query, body } = operation
    const chain: RequestHandler[] = [
      (req, res, next) => {
        auditAs(res, { action: id, target: typeof req.params['id'] === 'string' ? req.params['id'] : undefined })
        next()
      },
      ...(scope === undefined ? [] : [requireScope(scope)]),
      ...(scope === undefined || query !== undefined ? [] : [refuseQuery]),
      ...(body === undefined ? [] : readBody(body.limitBytes)),
      handlers[id as keyof T],
    ]
    byPath.set(path, { ...byPath.get(path), [method]: chain })
  }
  for (const [path, methods] of byPath) resource(router, path, methods)
}

/** What a call does not know may be meant to hold it back, as `?dryRun=true`: it is not left unheard. */
const refuseQuery: RequestHandler = (req, _res, next) => {
  const names = Object.keys(req.query)
  if (names.length > 0) throw invalidInput(names.map((path) => ({ path, message: 'is not a known field' })))
  next()
}

/** Every error an operation may be answered with. */
export function errorCodesOf({ scope, params, body, errors = [] }: Operation): ErrorCode[] {
  return [
    // Without keys: a foreign Host or Origin.
    'INVALID_REQUEST',
    'FORBIDDEN',
    ...(scope === undefined ? [] : (['UNAUTHENTICATED', 'TOO_MANY_REQUESTS', 'UNAVAILABLE'] as const)),
    ...(params === undefined ? [] : (['NOT_FOUND'] as const)),
    ...(body === undefined ? [] : (['PAYLOAD_TOO_LARGE', 'UNSUPPORTED_MEDIA_TYPE'] as const)),
    ...errors,
    'INTERNAL',
  ]
}
