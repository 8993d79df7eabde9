import type { ClaudeSession } from '@claude-fleet/claude'
import type { Claim, Log } from '@claude-fleet/queue'

/**
 * Suspends the session's processes whenever the lock of its job is doubtful, and lets them go on when it is sure again:
 * another worker may be about to run the job, and two may not work on it at once. A lost lock ends them through the
 * claim's signal; they never go on then. Returns what ends the watch.
 */
export function holdWhileDoubtful(claim: Claim, session: ClaudeSession, log: Log): () => void {
  const suspend = () => {
    session.suspend().catch((error: unknown) => log.error({ err: error, jobId: claim.jobId }, 'suspending failed'))
  }
  const leave = claim.lock.onChange((state) => {
    if (claim.signal.aborted) return
    if (state === 'doubtful') suspend()
    else session.resume()
  })
  if (claim.lock.state === 'doubtful') suspend()
  return () => {
    leave()
    if (!claim.signal.aborted) session.resume()
  }
}
