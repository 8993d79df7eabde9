import { RETRY_DECISIONS, type JobErrorCode } from '@claude-fleet/core'
import type { ResultMessage, TurnFacts, TurnStop, Verdict } from './types.js'

/**
 * What a turn amounts to. Pure and total: the same facts give the same verdict, and every set of facts has one.
 *
 * A turn failed when `subtype` is not `success` or `is_error` is true: an API failure is a `success` with `is_error`,
 * and older versions leave `is_error` false on some error subtypes. The exit code says nothing.
 */
export function verdict(facts: TurnFacts): Verdict {
  const { result, stop } = facts
  if (stop === 'aborted') return { outcome: 'cancelled' }
  if (stop === 'output') return stopped(stop, facts)
  // A success that came while the turn was being stopped is paid for and complete: it counts.
  if (result !== undefined && result.subtype === 'success' && !result.is_error) return success(result, facts)
  if (stop !== undefined) return stopped(stop, facts)
  if (result !== undefined) return failure(result, facts)
  return noResult(facts)
}

function success(result: ResultMessage, facts: TurnFacts): Verdict {
  if (!facts.wantsStructuredOutput) return { outcome: 'completed', text: facts.text, structuredOutput: undefined }
  if (result.structured_output === undefined) {
    // A model that never calls the tool ends in a plain success (measured).
    return failed('STRUCTURED_OUTPUT', 'The model answered without the structured output that was asked for.', facts)
  }
  return { outcome: 'completed', text: result.result ?? facts.text, structuredOutput: result.structured_output }
}

const STOPS: Readonly<Record<Exclude<TurnStop, 'aborted'>, { code: JobErrorCode; message: string }>> = {
  timeout: { code: 'TIMEOUT', message: 'The turn ran longer than its time limit.' },
  idle: { code: 'IDLE_TIMEOUT', message: 'Nothing came from the model for longer than the idle limit.' },
  turns: { code: 'MAX_TURNS', message: 'The turn needed more model round trips than it was allowed.' },
  budget: { code: 'MAX_BUDGET', message: 'The turn cost more than it was allowed.' },
  output: { code: 'OUTPUT_TOO_LARGE', message: 'The answer is larger than what is kept of one.' },
  startup: { code: 'SPAWN_FAILED', message: 'The claude process did not begin the turn.' },
}

function stopped(stop: Exclude<TurnStop, 'aborted'>, facts: TurnFacts): Verdict {
  return failed(STOPS[stop].code, STOPS[stop].message, facts)
}

const SUBTYPES: ReadonlyMap<string, { code: JobErrorCode; message: string }> = new Map(
  Object.entries({
    error_max_turns: STOPS.turns,
    error_max_budget_usd: STOPS.budget,
    error_max_structured_output_retries: {
      code: 'STRUCTURED_OUTPUT',
      message: 'The model did not give a structured output that fits the schema.',
    },
  } as const),
)

/** `error` classes of claude's synthetic messages that say more than an HTTP status does. */
const ERROR_CLASSES: ReadonlyMap<string, JobErrorCode> = new Map(
  Object.entries({
    billing_error: 'INSUFFICIENT_CREDITS',
    authentication_failed: 'AUTH_FAILED',
    model_not_found: 'MODEL_NOT_FOUND',
    max_output_tokens: 'OUTPUT_TOO_LARGE',
    overloaded: 'OVERLOADED',
  } as const),
)

const STATUSES: Readonly<Record<number, JobErrorCode>> = {
  401: 'AUTH_FAILED',
  402: 'INSUFFICIENT_CREDITS',
  403: 'AUTH_FAILED',
  404: 'MODEL_NOT_FOUND',
  408: 'NETWORK',
  413: 'PROMPT_TOO_LONG',
  429: 'RATE_LIMITED',
  529: 'OVERLOADED',
}

function failure(result: ResultMessage, facts: TurnFacts): Verdict {
  const bySubtype = SUBTYPES.get(result.subtype)
  if (bySubtype !== undefined) return failed(bySubtype.code, bySubtype.message, facts)
  if (result.subtype !== 'success') return brokenOff(result, facts)

  const said = sentence(result.result)
  const code = codeOfApiFailure(result, facts)
  if (code === 'RATE_LIMITED' && facts.usageLimit !== undefined) {
    return failed(
      'USAGE_LIMIT',
      said ?? 'The usage limit of this credential is reached.',
      facts,
      facts.usageLimit.resetsAt,
    )
  }
  return failed(code, said ?? 'The model request failed.', facts)
}

function codeOfApiFailure(result: ResultMessage, facts: TurnFacts): JobErrorCode {
  if (result.stop_reason === 'refusal') return 'REFUSED'
  if (result.terminal_reason === 'prompt_too_long' || result.terminal_reason === 'blocking_limit')
    return 'PROMPT_TOO_LONG'
  const byClass = facts.assistantError === undefined ? undefined : ERROR_CLASSES.get(facts.assistantError)
  if (byClass !== undefined) return byClass
  const status = statusOf(result)
  if (status !== undefined) return STATUSES[status] ?? (status >= 500 ? 'API_ERROR' : 'INVALID_REQUEST')
  if (facts.assistantError === 'rate_limit') return 'RATE_LIMITED'
  if (facts.assistantError === 'invalid_request') return 'INVALID_REQUEST'
  // No status: no HTTP reply came. Refused, reset, not found and timed out connections all look like this.
  return 'NETWORK'
}

/** Before 2.1 a result has no status, but its text begins with it. */
function statusOf(result: ResultMessage): number | undefined {
  if (typeof result.api_error_status === 'number') return result.api_error_status
  const status = /^API Error: (\d{3})\b/.exec(result.result ?? '')?.[1]
  return status === undefined ? undefined : Number(status)
}

/** `error_during_execution` and subtypes of a later claude. */
function brokenOff(result: ResultMessage, facts: TurnFacts): Verdict {
  if (result.errors?.some((error) => error.startsWith('No conversation found')) === true) {
    return failed('SESSION_CLOSED', 'The conversation to be continued is not there any more.', facts)
  }
  if (result.terminal_reason?.startsWith('aborted') === true) {
    return failed('PROCESS_CRASHED', 'The turn was interrupted from outside the fleet.', facts)
  }
  return failed('PROCESS_CRASHED', 'claude broke the turn off.', facts)
}

function noResult(facts: TurnFacts): Verdict {
  const { exit } = facts
  if (exit === undefined) return failed('INTERNAL', 'The turn ended without a result and without a reason.', facts)
  const how = exit.signal === null ? `with exit code ${exit.code}` : `by ${exit.signal}`
  if (facts.sessionId === '') return failed('SPAWN_FAILED', `claude ended ${how} before the turn began.`, facts)
  return failed('PROCESS_CRASHED', `claude ended ${how} in the middle of the turn.`, facts)
}

function failed(code: JobErrorCode, message: string, facts: TurnFacts, retryAt?: number): Verdict {
  const { result, exit, apiRetries, usageLimit } = facts
  const details: Record<string, unknown> = {}
  if (result !== undefined) {
    details.subtype = result.subtype
    if (result.terminal_reason !== undefined) details.terminalReason = result.terminal_reason
    if (typeof result.api_error_status === 'number') details.status = result.api_error_status
    const why = sentence(result.errors?.[0])
    if (why !== undefined) details.error = why
  }
  if (exit !== undefined && result === undefined) {
    details.exitCode = exit.code
    details.signal = exit.signal
    const tail = masked(exit.stderrTail.slice(-1_000)).trim()
    if (tail !== '') details.stderr = tail
  }
  if (apiRetries !== undefined) details.apiRetries = apiRetries.count
  if (usageLimit !== undefined) details.usageLimit = usageLimit.type
  return { outcome: 'failed', code, message, decision: RETRY_DECISIONS[code], retryAt, details }
}

/** Claude's own words, short and without a key. */
function sentence(text: string | undefined): string | undefined {
  const line = text?.trim()
  if (line === undefined || line === '') return undefined
  return masked(line.length > 500 ? `${line.slice(0, 500)}…` : line)
}

/** The second line of defence: keys and bearer tokens by their looks. Redaction by value is the publisher's. */
function masked(text: string): string {
  return text.replace(/\b(sk-[\w-]{6})[\w-]{6,}/g, '$1…').replace(/\b(Bearer\s+)[\w.~+/=-]{8,}/gi, '$1…')
}
