import type { DocumentedOperation } from '../document.js'
import { EXAMPLES } from '../examples.js'

/** A command line that makes the call, for a shell with `FLEET_URL` and `FLEET_API_KEY`. */
export function renderCurl(call: { method: string; path: string; operation: DocumentedOperation }): string {
  const { method, path, operation } = call
  const body = Object.values(operation.requestBody?.content['application/json']?.examples ?? {})[0]?.value
  const streams = Object.values(operation.responses).some(
    (response) => 'content' in response && response.content?.['text/event-stream'] !== undefined,
  )
  const id = path.startsWith('/v1/workers/') ? EXAMPLES.drainReply.id : EXAMPLES.waitingJob.id
  const query = operation.operationId === 'waitForResult' ? '?wait=60' : ''
  return [
    streams ? 'curl -N' : 'curl',
    ...(method === 'get' || body !== undefined ? [] : [`-X ${method.toUpperCase()}`]),
    `"$FLEET_URL${path.replace('{id}', id)}${query}"`,
    ...(operation.security.some((one) => 'bearer' in one) ? ['-H "authorization: Bearer $FLEET_API_KEY"'] : []),
    ...(body === undefined ? [] : ["-H 'content-type: application/json'", `-d '${JSON.stringify(body)}'`]),
  ].join(' \\\n  ')
}
