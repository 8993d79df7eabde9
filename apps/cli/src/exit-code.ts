import { isFleetError, SettingsError, type ErrorCode, type ErrorDetails, type FleetError } from '@claude-fleet/core'

/** Exit codes of the command line (contract, section 6). */
export const EXIT = {
  ok: 0,
  jobFailed: 1,
  usage: 2,
  unreachable: 69,
  parked: 75,
  settings: 78,
  timedOut: 124,
  interrupted: 130,
} as const

/** The exit code for a job that failed with this code. */
export function exitCodeOfJobError(code: ErrorCode): number {
  return code === 'TIMEOUT' || code === 'IDLE_TIMEOUT' ? EXIT.timedOut : EXIT.jobFailed
}

/** An error for programs: what `--json` prints on stderr. `USAGE` and `SETTINGS` beside the codes of FleetError. */
export interface Problem {
  code: string
  message: string
  retryable: boolean
  jobId?: string
  details?: ErrorDetails
}

/** The exit code of an error that ended a command, one line for people, and the same for programs. */
export function describeError(error: unknown): { exitCode: number; line: string; problem: Problem } {
  const message = error instanceof Error ? error.message : String(error)
  if (error instanceof SettingsError) {
    const problem = { code: 'SETTINGS', message, retryable: false, details: { setting: error.setting } }
    return { exitCode: EXIT.settings, line: message, problem }
  }
  if (!isFleetError(error)) {
    return { exitCode: EXIT.jobFailed, line: message, problem: { code: 'INTERNAL', message, retryable: false } }
  }
  const { code, retryable, details, jobId } = error
  const problem: Problem = {
    code,
    message,
    retryable,
    ...(jobId === undefined ? {} : { jobId }),
    ...(Object.keys(details).length > 0 ? { details } : {}),
  }
  const exitCode = exitCodeOf(error)
  const isKey = exitCode === EXIT.settings
  return { exitCode, line: isKey ? `FLEET_API_KEY: ${message}` : `${code}: ${message}`, problem }
}

function exitCodeOf(error: FleetError): number {
  if (isOfNoFleet(error)) return EXIT.unreachable
  switch (error.code) {
    case 'UNAVAILABLE':
    case 'TOO_MANY_REQUESTS':
      return EXIT.unreachable
    case 'UNAUTHENTICATED':
      return EXIT.settings
    case 'FORBIDDEN':
      // With a field it is the job that asks too much; without, it is the key that may too little.
      return Array.isArray(error.details['errors']) ? EXIT.usage : EXIT.settings
    case 'INVALID_REQUEST':
    case 'PAYLOAD_TOO_LARGE':
    case 'IDEMPOTENCY_MISMATCH':
      return EXIT.usage
    case 'CANCELLED':
      return EXIT.interrupted
    default:
      return exitCodeOfJobError(error.code)
  }
}

/** Did something answer that is no fleet, such as another web server? A fleet's refusals have a request id. */
function isOfNoFleet({ code, details }: FleetError): boolean {
  return code !== 'UNAUTHENTICATED' && typeof details['status'] === 'number' && details['requestId'] === undefined
}
