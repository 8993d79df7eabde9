import type { LineProcess } from '../process/process.js'
import type { ClaudeMessage } from '../protocol/message.js'

type ControlResponse = Extract<ClaudeMessage, { type: 'control_response' }>
export type ControlReply = { ok: true; response: Record<string, unknown> } | { ok: false; error: string }

/** Requests to claude over its stdin, and their replies. */
export interface Control {
  /** Resolves with the reply. Never settles when claude ends without one: race it with `exited`. */
  request(request: Record<string, unknown>): Promise<ControlReply>
  read(response: ControlResponse): void
  /** Refuses what claude asks of the host: there is nobody to ask. */
  refuse(requestId: string, subtype: string): void
}

export function createControl(send: LineProcess['send']): Control {
  const pending = new Map<string, (reply: ControlReply) => void>()
  let count = 0

  return {
    request(request) {
      count += 1
      const requestId = `fleet-${count}`
      return new Promise((resolve) => {
        pending.set(requestId, resolve)
        send({ type: 'control_request', request_id: requestId, request })
      })
    },
    read({ response }) {
      const resolve = pending.get(response.request_id)
      pending.delete(response.request_id)
      if (response.subtype === 'success') resolve?.({ ok: true, response: response.response ?? {} })
      else resolve?.({ ok: false, error: response.error ?? response.subtype })
    },
    refuse(requestId, subtype) {
      const refused =
        subtype === 'can_use_tool'
          ? {
              subtype: 'success',
              request_id: requestId,
              response: { behavior: 'deny', message: 'Nobody is here to allow this.' },
            }
          : { subtype: 'error', request_id: requestId, error: 'not supported' }
      send({ type: 'control_response', response: refused })
    },
  }
}
