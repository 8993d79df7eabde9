import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, ListenOptions } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { StartSession } from '@claude-fleet/claude'
import type { EgressHost } from '@claude-fleet/core'
import type { Log } from '@claude-fleet/queue'
import { EnvHttpProxyAgent } from 'undici'
import { proxiesOf } from '../host/proxies.js'
import { authorise, forward, type Refusal } from './forward.js'
import { makeGrant, type Grant } from './grant.js'
import { createTunnels } from './tunnels.js'

/** Keeps keys and tokens in the worker: `claude` and its tools have worthless ones. */
export interface Egress {
  /**
   * The same, but no session has a credential in its environment. Each has tokens of its own, which end with it. What
   * cannot be kept here (Bedrock, Vertex) is left as it is. With a list of hosts its tools are told of this proxy.
   */
  keyless(start: StartSession): StartSession
  /** Where it listens on loopback. */
  readonly port: number
  /** Absolute path of a socket that leads to the same, for a sandbox that has no network of the host. Undefined unless asked for. */
  readonly socket: string | undefined
  /** Ends every connection. Resolves when the port is free and the socket gone. */
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
  { log, onRefused = () => {} }: { log: Log; onRefused?: () => void },
  {
    networkEnv,
    withSocket = false,
    egressHosts,
  }: {
    networkEnv: Readonly<Record<string, string>>
    withSocket?: boolean
    egressHosts?: readonly EgressHost[] | undefined
  },
): Promise<Egress> {
  const grants = new Map<string, Grant>()
  const dispatcher = new EnvHttpProxyAgent({ ...proxiesOf(networkEnv), headersTimeout: 0, bodyTimeout: 0 })
  const serve = (request: IncomingMessage, response: ServerResponse) => {
    const to = authorise(request, (digest) => grants.get(digest))
    if ('refusal' in to) return refuse(request, response, to.refusal)
    forward(request, response, to, dispatcher).catch((error: unknown) =>
      log.warn({ err: error, host: new URL(to.origin).host }, 'a request to the model API failed'),
    )
  }
  const tunnels = egressHosts && createTunnels({ log, onRefused }, { hosts: egressHosts, networkEnv })
  const make = () => {
    const server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS, requestTimeout: 0 }, serve)
    // Without a listener Node ends such a connection itself.
    return tunnels === undefined ? server : server.on('connect', tunnels.open)
  }
  const onLoopback = make()
  const servers = [onLoopback]
  await listening(onLoopback, { port: 0, host: '127.0.0.1' })
  const folder = withSocket ? await makeSocketFolder() : undefined
  const socket = folder === undefined ? undefined : join(folder, 's')
  if (socket !== undefined) {
    const onSocket = make()
    servers.push(onSocket)
    await listening(onSocket, { path: socket })
  }
  const { port } = onLoopback.address() as AddressInfo
  const address = `http://127.0.0.1:${port}`

  return {
    port,
    socket,
    keyless: (start) => async (spec, signal) => {
      const made = makeGrant(spec.env, address)
      const pass = tunnels?.admit(spec.tenant, address)
      if (made === undefined && pass === undefined) return start(spec, signal)
      const tokens = [...(made?.grant.secrets.keys() ?? [])]
      const revoke = () => {
        tokens.forEach((token) => grants.delete(token))
        pass?.revoke()
      }
      if (made !== undefined) for (const token of tokens) grants.set(token, made.grant)
      const env = made?.env ?? spec.env
      try {
        const session = await start(
          { ...spec, env: pass === undefined ? env : { ...withoutProxies(env), ...pass.env } },
          signal,
        )
        void session.exited.then(revoke)
        return session
      } catch (error) {
        revoke()
        throw error
      }
    },
    async close() {
      const closed = servers.map((server) => new Promise<void>((resolve) => server.close(() => resolve())))
      for (const server of servers) server.closeAllConnections()
      tunnels?.close()
      await dispatcher.destroy()
      await Promise.all(closed)
      if (folder !== undefined) await rm(folder, { recursive: true, force: true })
    },
  }
}

/** The proxy of the network is for this worker to ask, not for tools to go around the list by. */
function withoutProxies(env: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !/^(https?|all|no)_proxy$/i.test(name)))
}

/**
 * A folder of this user alone. Not below the state's, since the path of a socket has at most 107 bytes. What workers have left
 * that were killed is removed with it.
 */
async function makeSocketFolder(): Promise<string> {
  for (const name of await readdir(tmpdir())) {
    const pid = /^cfe-(\d+)-/.exec(name)?.[1]
    if (pid !== undefined && !isAlive(Number(pid))) await rm(join(tmpdir(), name), { recursive: true, force: true })
  }
  return mkdtemp(join(tmpdir(), `cfe-${process.pid}-`))
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

async function listening(server: Server, where: ListenOptions): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(where, resolve)
  })
}

function refuse(request: IncomingMessage, response: ServerResponse, { status, type, message }: Refusal): void {
  request.resume()
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(JSON.stringify({ type: 'error', error: { type, message } }))
}
