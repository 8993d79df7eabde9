import type { AttemptOutcome, Claim } from '@claude-fleet/queue'

const USAGE = { inputTokens: 10, outputTokens: 5, cacheReadTokens: 1, cacheCreationTokens: 2 }
const SPENT = { costUsd: 0.25, usage: USAGE, tools: {} }

/**
 * A worker's attempt without claude, told what to do by the prompt: `echo WORDS` says them, `fail` fails for good,
 * anything else goes on until it is stopped.
 */
export async function act(claim: Claim): Promise<AttemptOutcome> {
  claim.write({ type: 'started', worker: 'w1', sessionId: 'session', start: 'cold' })
  const [verb, ...words] = claim.spec.prompt.split(' ')
  if (verb === 'echo') {
    for (const word of words) claim.write({ type: 'text', text: word })
    return completed(claim, words.join(' '))
  }
  if (verb === 'fail') {
    const { attempt } = claim
    const error = { code: 'REFUSED' as const, message: 'no', retryable: false, attempt, details: { why: 'test' } }
    return { type: 'failed', error, ...SPENT }
  }
  if (!claim.signal.aborted) await new Promise((resolve) => claim.signal.addEventListener('abort', resolve))
  const stop = claim.signal.reason as { kind: string }
  if (stop.kind === 'cancelled') return { type: 'cancelled', reason: 'cancelled by request', ...SPENT }
  return { type: 'returned', delayMs: 0, reason: 'drain', ...SPENT }
}

function completed(claim: Claim, text: string): AttemptOutcome {
  const result = {
    text,
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
