// docs/errors.md, from the tables of codes.
import { table } from './markdown.mjs'

/** `core` and `cli`: what those packages export. */
export function errorsPage(core, cli) {
  const common = (name) => [core.ERROR_GUIDE[name].means, core.ERROR_GUIDE[name].advice]
  const exitOfJob = (name) => (core.RETRY_DECISIONS[name] === 'park' ? cli.EXIT.parked : cli.exitCodeOfJobError(name))
  const exitOfCall = (name) => cli.describeError(new core.FleetError(name, '')).exitCode
  const jobs = core.JOB_ERROR_CODES.map((name) => [
    `\`${name}\``,
    core.RETRY_DECISIONS[name],
    yesNo(core.isRetryable(name)),
    core.HTTP_STATUSES[name],
    exitOfJob(name),
    ...common(name),
  ])
  const calls = core.API_ERROR_CODES.map((name) => [
    `\`${name}\``,
    core.HTTP_STATUSES[name],
    yesNo(core.isRetryable(name)),
    exitOfCall(name),
    ...common(name),
  ])
  return `# Errors

Every error has a \`code\` to branch on, a sentence to read, and \`retryable\`: whether the same thing, sent again unchanged, may
go well. The HTTP API answers with \`application/problem+json\` (\`type, title, status, detail, code, retryable, requestId\`, and
\`errors: [{path, message}]\` for bad input), the Node client throws \`FleetError\`, the command line prints one line on stderr.

## How a job can fail

\`error\` of a failed job is \`{code, message, retryable, attempt, details}\`. What follows a failed attempt: \`retry\` is tried again while the
job's \`attempts\` last, \`park\` waits for a known moment and spends none, \`fail\` ends the job at once, because the same would only be paid for
twice. The exit code is that of \`claude-fleet run\`.

${table(['code', 'then', 'retryable', 'HTTP', 'exit', 'means', 'do'], jobs)}

The HTTP status is the one of an answer with this code, such as \`INVALID_REQUEST\`, \`FORBIDDEN\` or \`INTERNAL\`; a failed job itself is
answered with \`200\`.

## What a call can be answered with

${table(['code', 'HTTP', 'retryable', 'exit', 'means', 'do'], calls)}
`
}

const yesNo = (value) => (value ? 'yes' : 'no')
