import { isFleetError, SettingsError, type ErrorCode, type ErrorDetails } from '@claude-fleet/core'

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

/** An error for programs. */
export interface Problem {
  code: string
  message: string
  retryable: boolean
  details?: ErrorDetails
}

/** The exit code of an error that ended a command, one line for people, and the same for programs. */
export function describeError(error: unknown): { exitCode: number; line: string; problem: Problem } {
  const { exitCode, line } = describeForPeople(error)
  const message = error instanceof Error ? error.message : String(error)
  if (error instanceof SettingsError)
    return { exitCode, line, problem: { code: 'SETTINGS', message, retryable: false } }
  if (!isFleetError(error)) return { exitCode, line, problem: { code: 'INTERNAL', message, retryable: false } }
  const { code, retryable, details } = error
  return { exitCode, line, problem: { code, message, retryable, ...(Object.keys(details).length > 0 && { details }) } }
}

function describeForPeople(error: unknown): { exitCode: number; line: string } {
  if (error instanceof SettingsError) return { exitCode: EXIT.settings, line: error.message }
  if (!isFleetError(error)) {
    return { exitCode: EXIT.jobFailed, line: error instanceof Error ? error.message : String(error) }
  }
  const line = `${error.code}: ${error.message}`
  switch (error.code) {
    case 'UNAVAILABLE':
      return { exitCode: EXIT.unreachable, line }
    case 'UNAUTHENTICATED':
      return { exitCode: EXIT.settings, line: `FLEET_API_KEY: ${error.message}` }
    case 'INVALID_REQUEST':
    case 'PAYLOAD_TOO_LARGE':
      return { exitCode: EXIT.usage, line }
    default:
      return { exitCode: exitCodeOfJobError(error.code), line }
  }
}
