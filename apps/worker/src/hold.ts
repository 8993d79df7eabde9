import type { ClaudeSession } from '@claude-fleet/claude'
import type { Claim, Log } from '@claude-fleet/queue'

/**
 * Suspends the session's processes whenever the lock of its job is doubtful, and lets them go on when it is sure again:
 * another worker may be about to run the job, and two may not work on it at once. A lost lock ends them through the
 * claim's signal; they never go on then. Resolves, when the lock is sure or the claim aborted, to what ends the watch: a
 * prompt is sent with a sure lock only.
 */
export async function holdWhileDoubtful(
  claim: Pick<Claim, 'jobId' | 'lock' | 'signal'>,
  session: Pick<ClaudeSession, 'suspend' | 'resume'>,
  log: Log,
): Promise<() => void> {
  await sureOrAborted(claim)
  const leave = claim.lock.onChange((state) => {
    if (claim.signal.aborted) return
    if (state === 'sure') return session.resume()
    session.suspend().catch((error: unknown) => log.error({ err: error, jobId: claim.jobId }, 'suspending failed'))
  })
  return () => {
    leave()
    if (!claim.signal.aborted) session.resume()
  }
}

async function sureOrAborted({ lock, signal }: Pick<Claim, 'lock' | 'signal'>): Promise<void> {
  if (lock.state === 'sure' || signal.aborted) return
  await new Promise<void>((resolve) => {
    const done = () => {
      leave()
      signal.removeEventListener('abort', done)
      resolve()
    }
    const leave = lock.onChange((state) => {
      if (state === 'sure') done()
    })
    signal.addEventListener('abort', done, { once: true })
  })
}
