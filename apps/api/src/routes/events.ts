import { FleetError, isEndState, parseInput, type StreamEvent } from '@claude-fleet/core'
import type { EventReader, Producer } from '@claude-fleet/queue'
import type { Request, RequestHandler } from 'express'
import type { Allowance } from '../access/allowance.js'
import { callerOf, tenantOf } from '../access/caller.js'
import { eventsHeaderSchema, eventsQuerySchema } from '../openapi/operations/jobs.js'
import { EVENT_STREAM_HEADERS, logOf, sendEvents, type SseOptions } from '@claude-fleet/http'
import { found, jobId } from './job-id.js'

export interface EventRoutesDeps {
  producer: Producer
  reader: EventReader
  allowance: Allowance
  /** Aborts when the server stops: every stream ends then, and its reader resumes elsewhere. */
  closing: AbortSignal
  /** Told of each stream; calls what it returns when the stream has ended. */
  streamOpened: () => () => void
}

const positionSchema = eventsQuerySchema.extend(eventsHeaderSchema.shape)

/** `GET /v1/jobs/:id/events`. */
export function streamEvents(
  { producer, reader, allowance, closing, streamOpened }: EventRoutesDeps,
  options: SseOptions,
): RequestHandler {
  return async (req, res) => {
    const after = positionOf(req)
    const id = jobId(req)
    const job = found(await producer.get(tenantOf(req), id))
    if (req.method === 'HEAD') {
      res.set(EVENT_STREAM_HEADERS).end()
      return
    }
    const { keyId, revoked } = callerOf(req)
    const freed = allowance.stream(keyId)
    const streamClosed = streamOpened()
    const stop = new AbortController()
    const leave = () => stop.abort()
    res.once('close', leave)
    closing.addEventListener('abort', leave, { once: true })
    revoked.addEventListener('abort', leave, { once: true })
    if (closing.aborted || revoked.aborted || res.destroyed) leave()
    const events = reader.events(tenantOf(req), id, { after, signal: stop.signal })[Symbol.asyncIterator]()
    try {
      // Only a job that has ended may have nothing more to say; for any other the headers go out at once.
      const first = isEndState(job.state) ? await events.next() : undefined
      if (first?.done === true) {
        if (stop.signal.aborted) throw new FleetError('UNAVAILABLE', 'the server stops')
        res.status(204).end()
        return
      }
      await sendEvents(res, continued(first?.value, events), options)
    } catch (error) {
      if (!res.headersSent) throw error
      // The reader sees an end without a last event, and comes back.
      logOf(req).warn({ err: error, jobId: id }, 'event stream broke off')
      res.end()
    } finally {
      freed()
      streamClosed()
      res.off('close', leave)
      closing.removeEventListener('abort', leave)
      revoked.removeEventListener('abort', leave)
      stop.abort()
      await events.return?.()
    }
  }
}

/** Where to go on. `Last-Event-ID` wins: a browser sends it when it reconnects to an address that has an old `after`. */
function positionOf(req: Request): number {
  const header = req.headers['last-event-id']
  const given = { ...req.query, ...(header === undefined || header === '' ? {} : { 'Last-Event-ID': header }) }
  const parsed = parseInput(positionSchema, given)
  return parsed['Last-Event-ID'] ?? parsed.after ?? 0
}

async function* continued(
  first: StreamEvent | undefined,
  rest: AsyncIterator<StreamEvent>,
): AsyncGenerator<StreamEvent> {
  if (first !== undefined) yield first
  for (let next = await rest.next(); next.done !== true; next = await rest.next()) yield next.value
}
