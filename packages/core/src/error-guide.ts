import type { ErrorCode } from './errors.js'

/** What a code means to who meets it, and what to do about it. */
export interface ErrorAdvice {
  means: string
  advice: string
}

/** For people, total as the other tables of codes are. `docs/errors.md` is made of it. */
export const ERROR_GUIDE: Readonly<Record<ErrorCode, ErrorAdvice>> = {
  AUTH_FAILED: {
    means: 'The API of the model refuses the credential, or the worker has none.',
    advice:
      'On the worker: `claude-fleet doctor --online`. Put a good key in its place, start the worker anew, retry the job. Others of that credential wait until then.',
  },
  INSUFFICIENT_CREDITS: {
    means: "The credential's account has no credit left.",
    advice:
      'Add credit, `claude-fleet credentials resume NAME`, retry the job; or name another `credential`. Others of it wait until then.',
  },
  RATE_LIMITED: {
    means: 'The API took too many requests of this credential, and did not say when its limit is reset.',
    advice:
      'Wait: it is tried again with growing delays. If it comes often, lower `FLEET_CONCURRENCY` or use more credentials.',
  },
  USAGE_LIMIT: {
    means: "The credential's usage limit is reached; when it is reset is known.",
    advice: 'Nothing: the job is parked until then (`resumesAt`), and no attempt is spent.',
  },
  OVERLOADED: {
    means: 'The API of the model is overloaded.',
    advice: 'Wait: it is tried again with growing delays.',
  },
  API_ERROR: {
    means: 'The API of the model failed (HTTP 5xx).',
    advice: 'Wait: it is tried again. If it lasts, look at the status page of the API.',
  },
  NETWORK: {
    means: 'The worker got no answer from the API of the model.',
    advice: 'On the worker: `claude-fleet doctor --online`; its network, `HTTPS_PROXY` and `ANTHROPIC_BASE_URL`.',
  },
  INVALID_REQUEST: {
    means: 'A field is wrong, or the API of the model does not take the request.',
    advice: 'Read `errors` (`path`, `message`) or `message`; send it corrected.',
  },
  MODEL_NOT_FOUND: {
    means: 'There is no such model, or the credential may not use it.',
    advice: 'Correct `model`, or leave it out.',
  },
  PROMPT_TOO_LONG: {
    means: "The prompt and the conversation are longer than the model's window.",
    advice: 'Shorten the prompt, or begin a new session.',
  },
  REFUSED: {
    means: 'The model refused to answer.',
    advice: 'Change the prompt: the same one would most likely be refused again.',
  },
  MAX_TURNS: {
    means: "The attempts that failed and the one that ran have had the round trips that the job's `maxTurns` allows.",
    advice: 'Raise `maxTurns`, or ask for less at once.',
  },
  MAX_BUDGET: {
    means:
      "All attempts together cost what the job's `maxBudgetUsd` allows; or, as the answer to a request, the tenant's day is spent.",
    advice:
      'Raise `maxBudgetUsd`; `costUsd` of the job has what was spent. Of a day: wait until midnight UTC, as `Retry-After` says.',
  },
  STRUCTURED_OUTPUT: {
    means: 'The model gave no output that fits `outputSchema`.',
    advice: 'Make the schema simpler, or say in the prompt what it wants.',
  },
  TIMEOUT: {
    means: "An attempt ran longer than the job's `timeoutMs`.",
    advice: 'Raise `timeoutMs`, or ask for less at once; the events show how far it came.',
  },
  IDLE_TIMEOUT: {
    means: "Nothing came from the model for longer than the job's `idleTimeoutMs`.",
    advice: 'It is tried again. If it lasts, look at the network, or raise `idleTimeoutMs`.',
  },
  CANCELLED: { means: 'Somebody cancelled the job.', advice: 'Nothing; `retry` makes a new job of it.' },
  PROCESS_CRASHED: {
    means: 'The `claude` process ended without a result.',
    advice: 'It is tried again. If it lasts: `details` and the log of the worker; memory of its host.',
  },
  SPAWN_FAILED: {
    means: 'The `claude` process could not be started, or did not begin.',
    advice: 'On the worker: `claude-fleet doctor`.',
  },
  WORKER_LOST: {
    means: 'The worker that ran the job was lost, again and again.',
    advice:
      'Look at the log and the memory of the workers: the job may be what kills them. `details` has the losses and the tools that ran.',
  },
  INVALID_JOB: {
    means:
      'What stands in Redis under this id is no job: somebody else wrote it, with another FLEET_JOB_KEY or none, or an older version.',
    advice: 'Enqueue it again, with one version of the fleet and one FLEET_JOB_KEY for all its parts.',
  },
  SESSION_CLOSED: {
    means: 'The session is closed, or its conversation is gone.',
    advice: 'Begin a new session.',
  },
  FORBIDDEN: {
    means: 'The key lacks the scope, or the operator does not allow what the job asks for.',
    advice:
      'Ask the operator: scopes in `FLEET_API_KEYS`, `FLEET_PERMISSION_MODES`, tenants of the credential, `FLEET_WEBHOOK_KEY` for webhooks.',
  },
  OUTPUT_TOO_LARGE: {
    means: 'The answer is larger than what the model may write, or than what is kept of one.',
    advice: 'Ask for less at once, or have it written to a file.',
  },
  INTERNAL: {
    means: 'The fleet itself failed.',
    advice: 'Look for the `request-id` or the job in its log, and report it.',
  },
  UNAUTHENTICATED: {
    means: 'There is no API key, or one that is not known.',
    advice: 'Send `Authorization: Bearer KEY`; its SHA-256 must be in `FLEET_API_KEYS` of the API.',
  },
  NOT_FOUND: {
    means: 'There is no such job, session, worker or address, or none that this tenant may see.',
    advice: 'Check the id and the key. Ended jobs go after `FLEET_RETENTION_MS`.',
  },
  METHOD_NOT_ALLOWED: {
    means: 'This address knows other methods.',
    advice: 'Use one that `allow` of the answer names.',
  },
  CONFLICT: {
    means:
      'It is not in the state for this: a job that has not ended, a name that is in use, a Redis that is set wrongly.',
    advice: 'Read `detail`; wait for the end, or change what it names.',
  },
  IDEMPOTENCY_MISMATCH: {
    means: 'The `Idempotency-Key` was used within 24 h for another body.',
    advice: 'Use a new key for a new job, and the same body for a repeated one.',
  },
  PAYLOAD_TOO_LARGE: {
    means: 'The body or the prompt is larger than is taken.',
    advice: 'A prompt has at most 1 MiB, a job 8 MiB, a batch 16 MiB: send less, or split the batch.',
  },
  UNSUPPORTED_MEDIA_TYPE: { means: 'The body is not JSON.', advice: 'Send `content-type: application/json`.' },
  TOO_MANY_REQUESTS: {
    means: 'Too many requests, streams or waiting jobs for this key or its tenant.',
    advice: 'Wait as `retry-after` says; `detail` names the limit.',
  },
  UNAVAILABLE: {
    means: 'The fleet or its Redis cannot be reached, is out of memory (`detail` says so), or is stopping.',
    advice: 'Try again; clients do. If it lasts: `claude-fleet doctor`, `GET /readyz`.',
  },
}
