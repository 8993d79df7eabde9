import { lookup, Resolver } from 'node:dns/promises'
import { isIP } from 'node:net'
import { hostOf } from './address.js'

const QUERY_MS = 3_000
const TRIES = 2

/** All addresses of a receiver's host. Rejects when there is none, or `signal` aborts. */
export type Resolve = (url: URL, options: { isNamed: boolean; signal: AbortSignal }) => Promise<string[]>

/**
 * Asks the name servers themselves: `getaddrinfo` has four threads for the whole process, and a tenant whose name server
 * is slow would take them from all others. Only hosts that the operator names are looked up as the system does.
 */
export const resolveHost: Resolve = async (url, { isNamed, signal }) => {
  const host = hostOf(url)
  if (isIP(host) !== 0) return [host]
  if (isNamed) return (await lookup(host, { all: true })).map(({ address }) => address)
  const resolver = new Resolver({ timeout: QUERY_MS, tries: TRIES })
  const cancel = () => resolver.cancel()
  signal.addEventListener('abort', cancel, { once: true })
  try {
    const answers = await Promise.allSettled([resolver.resolve4(host), resolver.resolve6(host)])
    return answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []))
  } finally {
    signal.removeEventListener('abort', cancel)
  }
}
