import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import {
  FleetError,
  parseIdempotencyKey,
  parseInput,
  SESSION_ID_PATTERN,
  sessionListQuerySchema,
  type JobPolicy,
  type SessionView,
} from '@claude-fleet/core'
import type { Sessions } from '@claude-fleet/queue'
import type { IRouter, Request, RequestHandler, Response } from 'express'
import { tenantOf } from '../access/caller.js'
import { serve } from '../openapi/operation.js'
import { sessionOperations } from '../openapi/operations/sessions.js'
import { jsonBody } from '../request/body.js'
import { refuseIdempotencyKey, sessionImport, sessionInput } from '../request/input.js'

/** `/v1/sessions` and what is below it. */
export function addSessionRoutes(router: IRouter, sessions: Sessions, { policy }: { policy: JobPolicy }): void {
  const createSession: RequestHandler = async (req, res) => {
    const idempotencyKey = parseIdempotencyKey(req.headers['idempotency-key'])
    const spec = sessionInput(jsonBody(req), policy)
    const { session, created } = await sessions.create(tenantOf(req), spec, { idempotencyKey })
    answerCreated(res, session, created ? 201 : 200)
  }

  const importSession: RequestHandler = async (req, res) => {
    refuseIdempotencyKey(req)
    answerCreated(res, await sessions.import(tenantOf(req), sessionImport(jsonBody(req), policy)), 201)
  }

  const listSessions: RequestHandler = async (req, res) => {
    res.json(await sessions.list(tenantOf(req), parseInput(sessionListQuerySchema, { ...req.query })))
  }

  const getSession: RequestHandler = async (req, res) => {
    res.json(found(await sessions.get(tenantOf(req), sessionId(req))))
  }

  const closeSession: RequestHandler = async (req, res) => {
    res.status(202).json(found(await sessions.close(tenantOf(req), sessionId(req))))
  }

  const exportSession: RequestHandler = async (req, res) => {
    const pieces = found(await sessions.export(tenantOf(req), sessionId(req)))
    res.type('application/x-ndjson')
    if (req.method === 'HEAD') return void res.end()
    await pipeline(Readable.from(linesOf(pieces)), res)
  }

  serve(router, sessionOperations, {
    createSession,
    importSession,
    listSessions,
    getSession,
    closeSession,
    exportSession,
  })
}

function answerCreated(res: Response, session: SessionView, status: 200 | 201): void {
  res.status(status).location(`/v1/sessions/${session.id}`).json(session)
}

async function* linesOf(pieces: AsyncIterable<string[]>): AsyncGenerator<string> {
  for await (const rows of pieces) yield rows.map((row) => `${row}\n`).join('')
}

/** The id in the path. What cannot be an id is answered as an unknown one, without asking Redis. */
function sessionId(req: Request): string {
  const { id } = req.params
  if (typeof id !== 'string' || !SESSION_ID_PATTERN.test(id)) throw noSuchSession()
  return id
}

function found<T>(value: T | undefined): T {
  if (value === undefined) throw noSuchSession()
  return value
}

const noSuchSession = () => new FleetError('NOT_FOUND', 'there is no such session')
