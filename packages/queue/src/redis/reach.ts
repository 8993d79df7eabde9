import { connect } from 'node:net'
import type { Redis } from 'ioredis'

const CONNECT_MS = 2_000

/** Finds out whether the host of Redis can be reached, beside the connection that is not answered. */
export interface Reach {
  /**
   * True when the host accepts or refuses a connection, also while Redis itself stands still, and where it cannot be
   * told; false when nothing comes back.
   */
  reachable(): Promise<boolean>
  close(): void
}

/** Watches the client for the address it was last connected to, which with Sentinel changes. */
export function createReach(client: Redis): Reach {
  let address: { host: string; port: number } | undefined
  const note = () => {
    const { remoteAddress: host, remotePort: port } = client.stream
    if (host !== undefined && port !== undefined) address = { host, port }
  }
  client.on('connect', note)
  if (client.status === 'ready') note()
  return {
    reachable: () => (address === undefined ? Promise.resolve(true) : hostAnswers(address)),
    close: () => void client.off('connect', note),
  }
}

/** Does the host accept or refuse a connection within 2 s? */
export function hostAnswers(address: { host: string; port: number }): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(address)
    const finish = (reachable: boolean) => {
      clearTimeout(timer)
      socket.destroy()
      resolve(reachable)
    }
    const timer = setTimeout(() => finish(false), CONNECT_MS)
    socket.once('connect', () => finish(true))
    socket.on('error', (error: NodeJS.ErrnoException) =>
      finish(!['EHOSTUNREACH', 'ENETUNREACH', 'EHOSTDOWN', 'ENETDOWN', 'ETIMEDOUT'].includes(error.code ?? '')),
    )
  })
}
