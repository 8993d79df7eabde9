import type { AttemptOutcome, Claim } from '@claude-fleet/queue'

const USAGE = { inputTokens: 10, outputTokens: 5, cacheReadTokens: 1, cacheCreationTokens: 2 }
const SPENT = { costUsd: 0.25, usage: USAGE, tools: {} }

/** Says what it was asked, word by word, and completes: what a worker does, without claude. */
export async function echo(claim: Claim): Promise<AttemptOutcome> {
  claim.write({ type: 'started', worker: 'w1', sessionId: 'session', start: 'cold' })
  for (const word of claim.spec.prompt.split(' ')) claim.write({ type: 'text', text: `${word} ` })
  return completed(claim)
}

/** Starts, and goes on until it is cancelled or handed back. */
export async function hang(claim: Claim): Promise<AttemptOutcome> {
  claim.write({ type: 'started', worker: 'w1', sessionId: 'session', start: 'cold' })
  if (!claim.signal.aborted) {
    await new Promise((resolve) => claim.signal.addEventListener('abort', resolve, { once: true }))
  }
  const stop = claim.signal.reason as { kind: string }
  if (stop.kind === 'cancelled') return { type: 'cancelled', reason: 'cancelled by request', ...SPENT }
  return { type: 'returned', delayMs: 0, reason: 'drain', ...SPENT }
}

export function completed(claim: Claim): AttemptOutcome {
  const result = {
    text: claim.spec.prompt,
    sessionId: 'session',
    numTurns: 1,
    durationMs: 1,
    queueMs: claim.queueMs,
    attempt: claim.attempt,
    start: 'cold' as const,
    usage: USAGE,
    costUsd: 0.25,
    model: 'model',
    tools: {},
    permissionDenials: [],
    log: { lines: 0, errors: 0, warnings: 0 },
    worker: 'w1',
  }
  return { type: 'completed', result, firstTextMs: 1, ...SPENT }
}
