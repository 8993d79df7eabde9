import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import type { StreamEvent } from '@claude-fleet/core'

export interface SseOptions {
  /** Between two `: ping`, ms. */
  pingMs: number
  /** A reader that has taken nothing for this long is cut off, ms. */
  stallMs: number
}

/** Proxies: neither keep, nor compress and so hold back, nor buffer. */
export const EVENT_STREAM_HEADERS = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-store, no-transform',
  'x-accel-buffering': 'no',
} as const

/**
 * Writes events as Server-Sent Events until they end or the reader is gone. Never holds more than the socket's own
 * buffer and one event: the next event is asked for when the last one has left. A cut-off reader resumes by `id`.
 */
export async function sendEvents(
  res: ServerResponse,
  events: AsyncIterable<StreamEvent>,
  options: SseOptions,
): Promise<void> {
  res.writeHead(200, { ...EVENT_STREAM_HEADERS, connection: 'keep-alive' })
  res.flushHeaders()
  const gone = new AbortController()
  const leave = () => gone.abort()
  res.once('close', leave)
  const timer = setInterval(pinger(res, options.stallMs), options.pingMs)
  try {
    for await (const event of events) {
      if (gone.signal.aborted) return
      if (!res.write(frame(event))) await once(res, 'drain', { signal: gone.signal })
    }
    res.end()
  } catch (error) {
    if (!gone.signal.aborted) throw error
  } finally {
    clearInterval(timer)
    res.off('close', leave)
  }
}

/** Readers of one stream share its events, so each is written out once however many readers it has. */
const frames = new WeakMap<StreamEvent, string>()

/** JSON has no raw line break, so no event can forge another's lines. */
function frame(event: StreamEvent): string {
  let text = frames.get(event)
  if (text === undefined) {
    text = `id: ${event.seq}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`
    frames.set(event, text)
  }
  return text
}

/** What happens at every ping: a word to a reader that keeps up, an end to one that has long stopped. */
function pinger(res: ServerResponse, stallMs: number): () => void {
  let blockedSince: number | undefined
  return () => {
    if (!res.writableNeedDrain) {
      blockedSince = undefined
      res.write(': ping\n\n')
      return
    }
    blockedSince ??= performance.now()
    if (performance.now() - blockedSince >= stallMs) res.destroy()
  }
}
