import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { StartSession } from '@claude-fleet/claude'
import type { Log } from '@claude-fleet/queue'
import { EnvHttpProxyAgent } from 'undici'
import { proxiesOf } from '../host/proxies.js'
import { authorise, forward, type Refusal } from './forward.js'
import { makeGrant, type Grant } from './grant.js'

/** Keeps keys and tokens in the worker: `claude` and its tools have worthless ones. */
export interface Egress {
  /**
   * The same, but no session has a credential in its environment. Each has tokens of its own, which end with it. What
   * cannot be kept here (Bedrock, Vertex) is left as it is.
   */
  keyless(start: StartSession): StartSession
  /** Ends every connection. Resolves when the port is free. */
  close(): Promise<void>
}

/** ms a connection is kept that nobody uses. Longer than a warm claude is idle, who would meet a closed one. */
const KEEP_ALIVE_MS = 3_600_000

/**
 * Starts a server on loopback that sends requests on to the API of the model, to the credential's own
 * `ANTHROPIC_BASE_URL` and nowhere else, with the real credential in the place of the worthless one. `networkEnv` names
 * the proxy of the network. How long an answer may take is claude's to say.
 */
export async function createEgress(
  { log }: { log: Log },
  { networkEnv }: { networkEnv: Readonly<Record<string, string>> },
): Promise<Egress> {
  const grants = new Map<string, Grant>()
  const dispatcher = new EnvHttpProxyAgent({ ...proxiesOf(networkEnv), headersTimeout: 0, bodyTimeout: 0 })
  const server = createServer(
    { keepAliveTimeout: KEEP_ALIVE_MS, requestTimeout: 0 },
    (request: IncomingMessage, response: ServerResponse) => {
      const to = authorise(request, (digest) => grants.get(digest))
      if ('refusal' in to) return refuse(request, response, to.refusal)
      forward(request, response, to, dispatcher).catch((error: unknown) =>
        log.warn({ err: error, host: new URL(to.origin).host }, 'a request to the model API failed'),
      )
    },
  )
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`

  return {
    keyless: (start) => async (spec, signal) => {
      const made = makeGrant(spec.env, address)
      if (made === undefined) return start(spec, signal)
      const tokens = [...made.grant.secrets.keys()]
      const revoke = () => tokens.forEach((token) => grants.delete(token))
      for (const token of tokens) grants.set(token, made.grant)
      try {
        const session = await start({ ...spec, env: made.env }, signal)
        void session.exited.then(revoke)
        return session
      } catch (error) {
        revoke()
        throw error
      }
    },
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      server.closeAllConnections()
      await dispatcher.destroy()
      await closed
    },
  }
}

function refuse(request: IncomingMessage, response: ServerResponse, { status, type, message }: Refusal): void {
  request.resume()
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(JSON.stringify({ type: 'error', error: { type, message } }))
}
