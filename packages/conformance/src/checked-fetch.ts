import type { Conformance } from './conformance.js'

export interface CheckedFetch {
  /** As `fetch`, but rejects when the reply is not as documented. What is wrong with a stream is kept for `faults`. */
  fetch(url: string, init?: RequestInit): Promise<Response>
  /** What was wrong with streams so far, also with those that were left early. */
  faults(): string[]
}

/** A `fetch` that holds every reply against the document. */
export function checkedFetch(conformance: Conformance): CheckedFetch {
  const faults: string[] = []
  return {
    faults: () => faults,
    async fetch(url, init = {}) {
      const reply = await fetch(url, init)
      const { pathname, search } = new URL(url)
      const request = {
        method: (init.method ?? 'GET').toUpperCase(),
        url: pathname + search,
        requestBody: typeof init.body === 'string' ? init.body : undefined,
      }
      const { status, headers } = reply
      const check = (body: string, cut: boolean) => conformance.faultsOf({ ...request, status, headers, body, cut })
      if (reply.body !== null && headers.get('content-type')?.startsWith('text/event-stream') === true) {
        const body = tapped(reply.body, (text) => faults.push(...check(text, true)))
        return new Response(body, { status, headers })
      }
      const found = check(await reply.clone().text(), false)
      if (found.length > 0) throw new Error(found.join('\n'))
      return reply
    },
  }
}

/** Passes a body on, and tells all of its text once when it ends, breaks or is left. */
function tapped(body: ReadableStream<Uint8Array>, onEnd: (text: string) => void): ReadableStream<Uint8Array> {
  const reader = body.getReader()
  const decoder = new TextDecoder()
  let text = ''
  return new ReadableStream({
    async pull(controller) {
      try {
        const next = await reader.read()
        if (next.done) {
          onEnd(text)
          controller.close()
          return
        }
        text += decoder.decode(next.value, { stream: true })
        controller.enqueue(next.value)
      } catch (error) {
        onEnd(text)
        controller.error(error)
      }
    },
    async cancel(reason) {
      onEnd(text)
      await reader.cancel(reason)
    },
  })
}
