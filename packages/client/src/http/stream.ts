import { FleetError, streamEventSchema, type StreamEvent } from '@claude-fleet/core'
import { createParser } from 'eventsource-parser'
import { linkSignals } from '../signals.js'
import { guarded, send, type HttpEndpoint } from './request.js'

/** The server speaks every 15 s at the least. Three times in silence means that nobody is there any more. */
const SILENCE_MS = 45_000

/**
 * The events of one connection. Ends when the server closes it, and at once when it has nothing after `after` (`204`).
 * Reads only as fast as it is read from. Throws as `send` does, and `UNAVAILABLE` after 45 s of silence.
 */
export async function* streamEvents(
  endpoint: HttpEndpoint,
  { path, after, signal }: { path: string; after: number; signal: AbortSignal },
): AsyncGenerator<StreamEvent> {
  using linked = linkSignals(signal)
  try {
    const headers = { accept: 'text/event-stream', ...(after > 0 ? { 'last-event-id': String(after) } : {}) }
    const response = await bounded(linked, () => send(endpoint, { method: 'GET', path, headers }, linked.signal))
    if (response.status === 204 || response.body === null) return
    const received: StreamEvent[] = []
    const parser = createParser({ onEvent: ({ data }) => received.push(...parseEvent(data)) })
    const decoder = new TextDecoder()
    const reader = response.body.getReader()
    for (;;) {
      const chunk = await bounded(linked, () => guarded(reader.read(), linked.signal))
      if (chunk.done) return
      parser.feed(decoder.decode(chunk.value, { stream: true }))
      yield* received.splice(0)
    }
  } finally {
    // Ends the connection, however this one ended.
    linked.abort(undefined)
  }
}

async function bounded<T>(linked: { abort(reason: unknown): void }, work: () => Promise<T>): Promise<T> {
  const silent = () => linked.abort(new FleetError('UNAVAILABLE', `nothing came from the fleet for ${SILENCE_MS} ms`))
  const timer = setTimeout(silent, SILENCE_MS)
  try {
    return await work()
  } finally {
    clearTimeout(timer)
  }
}

/** None for a kind of event that this client is too old for. */
function parseEvent(data: string): StreamEvent[] {
  let json: unknown
  try {
    json = JSON.parse(data)
  } catch (cause) {
    throw new FleetError('UNAVAILABLE', 'an event was cut off', { cause })
  }
  const parsed = streamEventSchema.safeParse(json)
  return parsed.success ? [parsed.data] : []
}
