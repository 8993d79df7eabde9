import type { Check } from '@claude-fleet/worker'

const ASK_MS = 5_000

/** Looks at the API at `url`: is it up, does it reach its Redis, does it take the key? Never rejects. */
export async function checkApi(url: string, apiKey: string | undefined, signal: AbortSignal): Promise<Check[]> {
  const ask = async (path: string, headers: Record<string, string> = {}) => {
    const late = AbortSignal.any([signal, AbortSignal.timeout(ASK_MS)])
    const response = await fetch(`${url.replace(/\/$/, '')}${path}`, { headers, redirect: 'manual', signal: late })
    await response.body?.cancel()
    return response.status
  }
  try {
    const [ready, key] = await Promise.all([
      ask('/readyz'),
      ask('/v1/stats', apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }),
    ])
    return [
      ready === 200
        ? { name: 'api', status: 'ok', found: `${url} is ready` }
        : { name: 'api', status: 'fail', found: `${url} answers ${ready}`, fix: `curl -s ${url}/readyz` },
      key === 401
        ? { name: 'api key', status: 'fail', found: 'not accepted', fix: 'export FLEET_API_KEY=...' }
        : { name: 'api key', status: 'ok', found: key === 403 ? 'accepted, without the scope read' : 'accepted' },
    ]
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
    const found = `${url} cannot be reached: ${cause instanceof Error ? cause.message : String(cause)}`
    return [{ name: 'api', status: 'fail', found, fix: 'start it: claude-fleet api' }]
  }
}
