import { randomBytes } from 'node:crypto'
import { lookup } from 'node:dns/promises'
import { request as askHttp, type IncomingMessage } from 'node:http'
import { request as askHttps } from 'node:https'
import { connect, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { EgressHost } from '@claude-fleet/core'
import type { Log } from '@claude-fleet/queue'
import { proxiesOf } from '../host/proxies.js'
import { digestOf } from './grant.js'
import { createHostList, permits } from './hosts.js'

/** Connections of tools to the hosts that the operator lists. */
export interface Tunnels {
  /**
   * Lets one process of a tenant ask for connections. `env`: what tells its tools of the proxy at `address`. `revoke` ends those
   * that are open, and lets it open none.
   */
  admit(tenant: string, address: string): { env: Record<string, string>; revoke(): void }
  /** Serves a CONNECT request. */
  open(request: IncomingMessage, socket: Duplex, head: Buffer): void
  close(): void
}

/** Connections of one process at a time. */
const TUNNELS_MAX = 100
const CONNECT_MS = 15_000
/** Warnings in the log for each process: a tool must not fill it. */
const WARNINGS_MAX = 20
const USER = 'claude'

interface Pass {
  tenant: string
  /** Lines of the log about it. */
  told: number
  open: Set<Duplex>
}
type Refusal = {
  status: '403 Forbidden' | '407 Proxy Authentication Required' | '502 Bad Gateway' | '503 Service Unavailable'
  message: string
}

/** `networkEnv` names the proxy of the network, which then is asked for every connection and looks up its host. */
export function createTunnels(
  { log, onRefused }: { log: Log; onRefused: () => void },
  { hosts, networkEnv }: { hosts: readonly EgressHost[]; networkEnv: Readonly<Record<string, string>> },
): Tunnels {
  const list = createHostList(hosts)
  const upstream = proxiesOf(networkEnv).httpsProxy
  const passes = new Map<string, Pass>()

  function passOf({ headers }: IncomingMessage): Pass | undefined {
    const basic = /^Basic (\S+)$/i.exec(headers['proxy-authorization'] ?? '')?.[1] ?? ''
    const [, token = ''] = /^[^:]*:(.*)$/.exec(Buffer.from(basic, 'base64').toString()) ?? []
    return passes.get(digestOf(token))
  }

  function tell(
    pass: Pass | undefined,
    { target, ...about }: { target: string; [more: string]: unknown },
    text: string,
  ) {
    const loud = pass !== undefined && (pass.told += 1) <= WARNINGS_MAX
    log[loud ? 'warn' : 'debug']({ tenant: pass?.tenant, target: target.slice(0, 300), ...about }, text)
  }

  async function openFor(pass: Pass, target: string): Promise<Duplex | Refusal> {
    const [, host = '', digits] = /^([\w.-]+):(\d{1,5})$/.exec(target) ?? []
    const entry = list.find(pass.tenant, host, Number(digits))
    if (entry === undefined) return forbidden(`FLEET_EGRESS_HOSTS does not list ${host === '' ? 'this host' : target}`)
    if (pass.open.size > TUNNELS_MAX) {
      return { status: '503 Service Unavailable', message: `a process may have ${TUNNELS_MAX} connections` }
    }
    if (upstream !== '') return through(new URL(upstream), target)
    const found = await lookup(host, { all: true })
    const address = found.find((one) => permits(entry, one.address))?.address
    if (address === undefined) return forbidden(`${host} stands for an address that a name may not stand for`)
    return connected(connect({ host: address, port: entry.port }))
  }

  return {
    admit(tenant, address) {
      const token = randomBytes(32).toString('base64url')
      const pass: Pass = { tenant, told: 0, open: new Set() }
      passes.set(digestOf(token), pass)
      const url = new URL(address)
      url.username = USER
      url.password = token
      const proxy = url.href.replace(/\/$/, '')
      const own = '127.0.0.1,localhost'
      return {
        env: { HTTPS_PROXY: proxy, https_proxy: proxy, NO_PROXY: own, no_proxy: own },
        revoke() {
          passes.delete(digestOf(token))
          for (const socket of pass.open) socket.destroy()
        },
      }
    },
    open(request, inner, head) {
      const target = request.url ?? ''
      const pass = passOf(request)
      inner.on('error', () => inner.destroy())
      const refuse = (refusal: Refusal) => {
        onRefused()
        tell(pass, { target, status: refusal.status }, 'a connection of a tool was refused')
        say(inner, refusal)
      }
      if (pass === undefined) {
        return refuse({ status: '407 Proxy Authentication Required', message: 'not a token of this worker' })
      }
      pass.open.add(inner)
      inner.once('close', () => pass.open.delete(inner))
      openFor(pass, target).then(
        (outer) => {
          if (!('pipe' in outer)) return refuse(outer)
          if (inner.destroyed) return void outer.destroy()
          log.debug({ tenant: pass.tenant, target }, 'a tool has a connection')
          inner.write('HTTP/1.1 200 Connection established\r\n\r\n')
          splice(inner, outer, head)
        },
        (error: unknown) => {
          tell(pass, { err: error, target }, 'a connection of a tool failed')
          say(inner, { status: '502 Bad Gateway', message: 'the host could not be reached' })
        },
      )
    },
    close() {
      for (const { open } of passes.values()) for (const socket of open) socket.destroy()
    },
  }
}

const forbidden = (message: string): Refusal => ({ status: '403 Forbidden', message })

function say(socket: Duplex, { status, message }: Refusal): void {
  const text = `${message}\n`
  const ask = status.startsWith('407') ? 'Proxy-Authenticate: Basic realm="claude-fleet"\r\n' : ''
  socket.end(
    `HTTP/1.1 ${status}\r\n${ask}Connection: close\r\nContent-Type: text/plain\r\nContent-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`,
  )
}

/** What breaks on one side is broken off on the other. */
function splice(inner: Duplex, outer: Duplex, head: Buffer): void {
  outer.on('error', () => inner.destroy())
  outer.once('close', () => inner.destroy())
  inner.once('close', () => outer.destroy())
  if (head.length > 0) outer.write(head)
  inner.pipe(outer).pipe(inner)
}

async function connected(socket: Socket): Promise<Duplex> {
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject).once('connect', resolve)
    socket.setTimeout(CONNECT_MS, () => socket.destroy(new Error(`no connection within ${CONNECT_MS} ms`)))
  })
  socket.setTimeout(0)
  return socket
}

/** By CONNECT of the network's own proxy, with the name and password of its address. */
async function through(proxy: URL, target: string): Promise<Duplex | Refusal> {
  const { protocol, hostname: host, port, username, password } = proxy
  const [name, word] = [decodeURIComponent(username), decodeURIComponent(password)]
  const headers =
    username === '' ? {} : { 'proxy-authorization': `Basic ${Buffer.from(`${name}:${word}`).toString('base64')}` }
  const ask = protocol === 'https:' ? askHttps : askHttp
  return new Promise((resolve, reject) => {
    const request = ask({
      host,
      port: port || (protocol === 'https:' ? 443 : 80),
      method: 'CONNECT',
      path: target,
      headers,
    })
    request.setTimeout(CONNECT_MS, () => request.destroy(new Error(`the proxy did not answer within ${CONNECT_MS} ms`)))
    request.once('error', reject)
    request.once('connect', ({ statusCode }, socket, head) => {
      if (statusCode !== 200) {
        socket.destroy()
        return resolve({ status: '502 Bad Gateway', message: `the proxy of the network answered ${statusCode}` })
      }
      socket.setTimeout(0)
      if (head.length > 0) socket.unshift(head)
      resolve(socket)
    })
    request.once('response', ({ statusCode }) => {
      request.destroy()
      resolve({ status: '502 Bad Gateway', message: `the proxy of the network answered ${statusCode}` })
    })
    request.end()
  })
}
