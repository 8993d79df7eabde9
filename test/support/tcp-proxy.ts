import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'

/** A line between a client and a server of this machine that can be made bad. */
export interface TcpProxy extends AsyncDisposable {
  port: number
  /**
   * Carries nothing either way, in silence: connections stay open and new ones are accepted, as behind a firewall that
   * drops. Until `restore`; what was sent meanwhile arrives then.
   */
  drop(): void
  /** Delivers every piece `ms` late, in order. */
  delay(ms: number): void
  /** Breaks every connection with a reset; new ones are carried. */
  reset(): void
  /** Carries as it should again. */
  restore(): void
  close(): Promise<void>
}

/** Starts a proxy to 127.0.0.1:`port` on a port of its own, at `host` (default 127.0.0.1). */
export async function startTcpProxy(target: { port: number; host?: string }): Promise<TcpProxy> {
  const pairs = new Set<{ sockets: Socket[]; flow: () => void }>()
  let dropping = false
  let delayMs = 0

  const server = createServer((client) => {
    const upstream = connect(target.port, '127.0.0.1')
    const pair = { sockets: [client, upstream], flow }
    pairs.add(pair)
    const ways = [
      [client, upstream],
      [upstream, client],
    ] as const
    function flow() {
      for (const [from] of ways) {
        if (dropping) from.pause()
        else from.resume()
      }
    }
    for (const [from, to] of ways) {
      const later = createLater(() => delayMs)
      from.setNoDelay(true)
      from.on('data', (piece) => later(() => to.write(piece)))
      from.on('end', () => later(() => to.end()))
      from.on('error', () => to.destroy())
      from.on('close', () => {
        later(() => to.destroy())
        pairs.delete(pair)
      })
    }
    flow()
  })
  server.listen(0, target.host ?? '127.0.0.1')
  await once(server, 'listening')

  const flowAll = () => {
    for (const { flow } of pairs) flow()
  }
  const close = async () => {
    const closed = once(server, 'close')
    server.close()
    for (const { sockets } of pairs) for (const socket of sockets) socket.destroy()
    await closed
  }
  return {
    port: (server.address() as AddressInfo).port,
    drop() {
      dropping = true
      flowAll()
    },
    delay: (ms) => void (delayMs = ms),
    reset() {
      for (const { sockets } of pairs) for (const socket of sockets) socket.resetAndDestroy()
    },
    restore() {
      dropping = false
      delayMs = 0
      flowAll()
    },
    close,
    [Symbol.asyncDispose]: close,
  }
}

/** Delivers in the order given, each after the delay of its moment: one timer, for the first in line. */
function createLater(delayMs: () => number): (deliver: () => void) => void {
  const waiting: { dueAt: number; deliver: () => void }[] = []
  const pump = () => {
    while (waiting[0] !== undefined && waiting[0].dueAt <= performance.now()) waiting.shift()?.deliver()
    if (waiting[0] !== undefined) setTimeout(pump, Math.ceil(waiting[0].dueAt - performance.now()))
  }
  return (deliver) => {
    if (waiting.length === 0 && delayMs() === 0) return deliver()
    waiting.push({ dueAt: performance.now() + delayMs(), deliver })
    if (waiting.length === 1) setTimeout(pump, delayMs())
  }
}
