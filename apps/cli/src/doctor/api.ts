import { isLoopback, type Check } from '@claude-fleet/core'
import { z } from 'zod'

const ASK_MS = 5_000

export interface ApiAddress {
  /** Of the API; may have a path. */
  url: string
  apiKey: string | undefined
}

interface Answer {
  status: number
  json: unknown
}

const FIX_KEY = 'export FLEET_API_KEY=...   # a key whose SHA-256 is in FLEET_API_KEYS of the API'

/** Looks at the API: is it one, does it reach its Redis, does it take the key, can others listen? Never rejects. */
export async function checkApi({ url, apiKey }: ApiAddress, signal: AbortSignal): Promise<readonly Check[]> {
  const base = new URL(url)
  // fetch would quote them in what it throws.
  if (base.username !== '' || base.password !== '') {
    const fix = 'export FLEET_URL=...   # without them; a key goes into FLEET_API_KEY'
    return [{ name: 'api.reachable', status: 'fail', found: 'FLEET_URL holds a name or password', fix }]
  }
  const address = base.href.replace(/\/$/, '')
  const ask = async (path: string, headers: Record<string, string> = {}): Promise<Answer> => {
    const deadline = AbortSignal.any([signal, AbortSignal.timeout(ASK_MS)])
    const response = await fetch(address + path, { headers, redirect: 'manual', signal: deadline })
    const text = await response.text()
    return { status: response.status, json: parse(text) }
  }
  const startedAt = performance.now()
  let took = 0
  try {
    const [alive, ready, listed] = await Promise.all([
      ask('/healthz').finally(() => (took = performance.now() - startedAt)),
      ask('/readyz'),
      ask('/v1/jobs?limit=1', apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }),
    ])
    if (alive.status !== 200 || !z.object({ status: z.literal('ok') }).safeParse(alive.json).success) {
      const found = `what answers at ${address} is no API of a fleet (HTTP ${alive.status})`
      return [
        {
          name: 'api.reachable',
          status: 'fail',
          found,
          fix: 'export FLEET_URL=...   # where claude-fleet api listens',
        },
      ]
    }
    return [
      { name: 'api.reachable', status: 'ok', found: `${address} answers in ${Math.round(took)} ms` },
      readyCheck(ready, address),
      keyCheck(listed, apiKey !== undefined),
      ...transportCheck(base),
    ]
  } catch (error) {
    const found = `${address}: ${reason(error)}`
    return [{ name: 'api.reachable', status: 'fail', found, fix: 'claude-fleet api   # on its host, or set FLEET_URL' }]
  }
}

function readyCheck({ status, json }: Answer, address: string): Check {
  if (status === 200) return { name: 'api.ready', status: 'ok', found: 'reaches its Redis' }
  const detail = z.object({ detail: z.string() }).safeParse(json).data?.detail ?? ''
  const found = `HTTP ${status} ${detail}`.trim()
  return {
    name: 'api.ready',
    status: 'fail',
    found,
    expected: 'ready',
    fix: `curl -s ${address}/readyz; claude-fleet doctor   # on its host`,
  }
}

function keyCheck({ status }: Answer, hasKey: boolean): Check {
  const name = 'api.key'
  if (status === 200) return { name, status: 'ok', found: hasKey ? 'accepted' : 'none, and none is wanted' }
  if (status === 403 && hasKey) return { name, status: 'ok', found: 'accepted, without the scope read' }
  if (status === 401)
    return { name, status: 'fail', found: hasKey ? 'not accepted' : 'none, and one is wanted', fix: FIX_KEY }
  return { name, status: 'warn', found: `cannot be told (HTTP ${status})` }
}

function transportCheck(base: URL): Check[] {
  if (base.protocol === 'https:') return [{ name: 'api.transport', status: 'ok', found: 'TLS' }]
  if (isLoopback(base.hostname.replace(/^\[|\]$/g, '')))
    return [{ name: 'api.transport', status: 'ok', found: 'loopback' }]
  const found = `plain text to ${base.hostname}: who is on the way can read prompts and the key`
  const fix = 'put the API behind a proxy with TLS, then FLEET_URL=https://...'
  return [{ name: 'api.transport', status: 'warn', found, expected: 'TLS off loopback', fix }]
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function reason(error: unknown): string {
  if (error instanceof Error && error.name === 'TimeoutError') return `no answer within ${ASK_MS / 1_000} s`
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  return cause instanceof Error ? cause.message || ('code' in cause ? String(cause.code) : cause.name) : String(cause)
}
