import { z } from 'zod'
import { ENV_NAME_PATTERN, PERMISSION_MODES, WORKER_ID_PATTERN, type PermissionMode } from '../job.js'
import { DEFAULTS, LIMITS } from '../limits.js'
import { egressHosts } from './egress-hosts.js'
import * as value from './values.js'
import { SPAWN_PLACES } from './spawn-wrapper.js'
import { LABEL_PATTERN } from '../session.js'

/**
 * The settings of each part: what each may be, its default, and in `meta` what it does. `docs/settings.md` is made of
 * them, so each says `description`; `unset` says what holds where there is no default, `allowed` what may be written.
 */

/** Names that a job may never set, whatever the operator lists: each runs code in claude or moves its key elsewhere. */
const NEVER_ALLOWED_ENV =
  /^(BUN_|NODE_|LD_|DYLD_|ANTHROPIC_|CLAUDE_|AWS_|GOOGLE_|GIT_|MCP_|OTEL_|XDG_|BASH|SHELLOPTS$|PROMPT_COMMAND$|PS4$|ENV$|PATH$|HOME$|SHELL$|IFS$|TMPDIR$|IS_SANDBOX$|FLEET_|(HTTPS?|NO|ALL)_PROXY$|SSL_CERT_)/i

const FLEET_REDIS_PLAINTEXT = z.enum(['allow'], { error: 'is not allow' }).optional().meta({
  description:
    'Lets REDIS_URL name another machine without TLS: prompts, results and the password then travel readable. For a network that is yours alone.',
  allowed: '`allow`',
  unset: 'another machine needs `rediss://`; exit 78',
})

/** What every part that speaks to Redis reads. */
export const sharedShape = {
  REDIS_URL: value.redisUrl.meta({
    description: 'Redis that holds the jobs.',
    unset: 'exit 78; `up` and `demo` start a private one',
  }),
  FLEET_REDIS_PLAINTEXT,
  FLEET_PREFIX: value.prefix.default('fleet').meta({
    description: 'Begins every key and channel in Redis. The same for all parts of a fleet.',
  }),
  FLEET_LOG_LEVEL: value.logLevel
    .default('info')
    .meta({ description: 'Least level of the log, JSON lines on stdout.' }),
  FLEET_JOB_KEY: value.secretKeys.optional().meta({
    description:
      'Signs jobs and the jobs of schedules, so that a worker runs nothing that another writer of Redis has put there. The same for all parts of a fleet; never in Redis. Of several keys the first signs and all verify, so that one can be replaced.',
    unset:
      'jobs are not signed: whoever can write Redis can run prompts; `up` and `demo` make one for their private Redis',
  }),
  FLEET_RETENTION_MS: value.durationMs(1_000).default(86_400_000).meta({
    description: 'How long ended jobs and their logs are kept, ms. The same for all parts of a fleet.',
  }),
}

const policyShape = {
  FLEET_ALLOWED_ENV: value.commaList
    .default([])
    .superRefine((names, context) => {
      for (const name of names) {
        if (!ENV_NAME_PATTERN.test(name)) context.addIssue(`has ${JSON.stringify(name)}, which is not a variable name`)
        else if (NEVER_ALLOWED_ENV.test(name)) context.addIssue(`has ${name}, which a job may never set`)
      }
    })
    .meta({
      description: "Variables that jobs may set in `env`. The API checks it, and the worker's own list counts.",
      allowed: 'names of variables, comma separated; none that would run code in `claude` or move its key elsewhere',
    }),
  FLEET_PERMISSION_MODES: value.commaList
    .default(['default', 'dontAsk', 'acceptEdits', 'plan'])
    .transform((names, context) =>
      names.map((name): PermissionMode => {
        const mode = PERMISSION_MODES.find((known) => known === name)
        if (mode === undefined)
          context.addIssue(`has ${JSON.stringify(name)}, which is not one of ${PERMISSION_MODES.join(', ')}`)
        return mode ?? 'dontAsk'
      }),
    )
    .meta({
      description:
        "Permission modes that jobs may ask for. The API checks it, and the worker's own list counts. `bypassPermissions` needs FLEET_SPAWN_WRAPPER on the worker.",
      allowed: `of ${PERMISSION_MODES.join(', ')}; comma separated`,
    }),
}

/** What the two sites read. */
const siteShape = {
  FLEET_AUDIT_LOG: value.absolutePath.optional().meta({
    description:
      'File to which who did what is appended, JSON lines that are chained by their hashes; `claude-fleet audit verify` reads it. Several processes may share it.',
    unset: 'what changes something is a line of the log',
  }),
}

export const apiShape = {
  ...sharedShape,
  ...siteShape,
  ...policyShape,
  FLEET_API_HOST: value.host.default('127.0.0.1').meta({
    description: 'Address on which the API listens. Anything but loopback needs keys.',
  }),
  FLEET_API_PORT: value.port.default(3_000).meta({ description: 'Port of the API; 0 takes a free one.' }),
  FLEET_API_KEYS: z.string().optional().meta({
    description: 'API keys, by the SHA-256 of each, with tenant and scopes. Without scopes a key may enqueue and read.',
    allowed:
      '`tenant:sha256-hex-of-key[:scope+scope]`, separated by commas or line breaks; scopes `enqueue`, `read`, `admin`',
    unset: 'no key is asked for, and only loopback may be listened on',
  }),
  FLEET_API_RATE: value.wholeNumber(0, 1_000_000).default(1_000).meta({
    description:
      'Requests a second that one key may send to one process of the API, over time, and twice as many at once; past it `429`. 0: any number.',
  }),
  FLEET_TENANTS_FILE: value.absolutePath.optional().meta({
    description:
      'File with the limits of tenants: their weight, jobs that may wait and run, requests a minute, USD a day. It is read again when it changes, and holds for the whole fleet: give it to every process of the API.',
    allowed:
      'absolute path of a JSON file: tenant (`*`: all others) to `{"weight", "maxQueued", "maxConcurrent", "requestsPerMinute", "dailyUsd"}`, each optional',
    unset: 'the limits that are in Redis stay as they are; at first there are none',
  }),
  FLEET_API_STREAMS: value.wholeNumber(0, 1_000_000).default(1_000).meta({
    description: 'Event streams that one key may have open at one process of the API; past it `429`. 0: any number.',
  }),
  FLEET_SESSION_TTL_MS: value
    .wholeNumber(LIMITS.sessionTtlMinMs, LIMITS.sessionTtlMs)
    .default(DEFAULTS.sessionTtlMs)
    .meta({
      description: 'How long a named session that does not say so is kept after its last turn, ms.',
    }),
  FLEET_WEBHOOK_KEY: value.secretKeys.optional().meta({
    description:
      'Encrypts the secrets of webhooks in Redis. Of several keys the first encrypts and all decrypt, so that one can be replaced.',
    unset: 'there are no webhooks: their calls answer 403',
  }),
  FLEET_WEBHOOK_ALLOW: value.commaList
    .default([])
    .superRefine((entries, context) => {
      for (const entry of entries) {
        if (!/^([A-Za-z0-9.:_-]{1,253})(\/\d{1,3})?$/.test(entry)) {
          context.addIssue(`has ${JSON.stringify(entry)}, which is no host, address or CIDR`)
        }
      }
    })
    .meta({
      description:
        'Internal receivers of webhooks: they may have private addresses, and `http`. All others need a public address and `https`.',
      allowed: 'host names, addresses and CIDRs, comma separated',
    }),
}

export const boardShape = {
  ...sharedShape,
  ...siteShape,
  FLEET_BOARD_HOST: value.host.default('127.0.0.1').meta({
    description: "Address on which the operators' site listens. Behind TLS where it is a network.",
  }),
  FLEET_BOARD_PORT: value.port.default(3_001).meta({ description: "Port of the operators' site; 0 takes a free one." }),
  FLEET_ADMIN_USER: z
    .string()
    .regex(/^[^:\p{Cc}]{1,64}$/u, 'must be 1 to 64 characters without a colon')
    .meta({ allowed: '1 to 64 characters without a colon' })
    .default('admin')
    .meta({ description: "Name that signs in to the operators' site." }),
  FLEET_ADMIN_PASSWORD: z
    .string({ error: "is not set; the operators' site has no way in without it" })
    .regex(/^[^\p{Cc}]{8,256}$/u, 'must be 8 to 256 printable characters')
    .meta({
      description: "Password that signs in to the operators' site.",
      allowed: '8 to 256 printable characters',
      unset: 'exit 78; `up` makes one at each start',
    }),
}

/** `home`: where the defaults of the two folders live, an absolute path. */
export const workerShape = (home: string) => ({
  ...sharedShape,
  ...policyShape,
  FLEET_WORKER_ID: z
    .string()
    .regex(WORKER_ID_PATTERN, 'may have letters, digits and _ - . only, at most 128')
    .optional()
    .meta({
      description: 'Name of this worker. A second live worker of the same name is refused.',
      allowed: 'letters, digits and _ - . , at most 128',
      unset: "the host's name and some random letters",
    }),
  FLEET_CONCURRENCY: value.wholeNumber(1, 512).optional().meta({
    description: 'Attempts that this worker runs at once; each is a `claude` process and its tools.',
    unset:
      'two a core, as far as half of the free memory carries with 300 MB each; of the container, where it has limits',
  }),
  FLEET_SPARES: value.wholeNumber(0, 512).optional().meta({
    description:
      'Most unused `claude` processes kept ready beside those of running attempts, so that a job does not wait for a start.',
    unset: 'one a core, as far as three quarters of the free memory carry them beside the attempts',
  }),
  FLEET_SESSION_IDLE_MS: value.durationMs(0).default(600_000).meta({
    description: 'How long a `claude` process without a job is kept for the next, ms; 0 keeps none.',
  }),
  FLEET_EVENT_WINDOW_MS: value.wholeNumber(0, 1_000).default(25).meta({
    description:
      'Time in which pieces of an answer gather into one event, ms. The first goes at once. Less is smoother, and more work for Redis.',
  }),
  FLEET_EVENT_CHARS: value.wholeNumber(256, 262_144).default(32_768).meta({
    description: 'Longest text that one event gathers, characters.',
  }),
  FLEET_WORKSPACE_ROOT: value.absolutePath.default(`${home}/.claude-fleet/workspaces`).meta({
    description: "Folder of the tenants' working folders.",
  }),
  FLEET_STATE_DIR: value.absolutePath.default(`${home}/.claude-fleet/state`).meta({
    description:
      'HOME and configuration of `claude` for each tenant, and the data of the private Redis. Not below FLEET_WORKSPACE_ROOT.',
  }),
  FLEET_DRAIN_MS: value.durationMs(0).default(60_000).meta({
    description:
      'Time that running attempts get to end when the worker is asked to stop, ms; then they go back to the queue.',
  }),
  FLEET_HEALTH_DIR: value.absolutePath.optional().meta({
    description: 'Folder in which the worker keeps the files by which a probe sees how it is.',
    unset: 'no such files',
  }),
  FLEET_TRACE_DIR: value.absolutePath.optional().meta({
    description:
      'Folder to which all that is said to and by `claude` is written, attempt by attempt, secrets replaced.',
    unset: 'nothing is written',
  }),
  FLEET_LABELS: value.commaList
    .default([])
    .superRefine((labels, context) => {
      for (const label of labels) {
        if (!LABEL_PATTERN.test(label)) context.addIssue(`has ${JSON.stringify(label)}, which is not a label`)
      }
    })
    .meta({
      description:
        'What this worker is or has, such as a folder on its disk: sessions that ask for it run their turns here.',
      allowed: 'letters, digits and _ . : / = - , at most 63 each; comma separated',
    }),
  FLEET_TRUSTED_WORKSPACES: value.commaList.default([]).meta({
    description:
      'Workspaces whose own settings, hooks and CLAUDE.md `claude` may load. Such settings run code as the worker.',
    allowed: '`tenant/folder`, comma separated',
  }),
  FLEET_CREDENTIALS_FILE: z.string().optional().meta({
    description:
      'File with the credentials that jobs may name. An entry `default` takes the place of the variables below.',
    allowed: 'path of a JSON file: name to `{"env": {...}, "tenants": [...]}`; without `tenants` it is for all',
    unset: 'the variables below alone',
  }),
  FLEET_EGRESS_PROXY: value.onOff.default('on').meta({
    description:
      'Keeps API keys and tokens in the worker: `claude` and its tools have worthless ones, for which a proxy on loopback puts the real ones. Not for Bedrock and Vertex.',
  }),
  FLEET_EGRESS_HOSTS: egressHosts.optional().meta({
    description:
      'Hosts that tools may reach by TLS through that proxy (`HTTPS_PROXY`); an entry with a tenant is for that one alone. A sandbox without a network of its own makes it a rule; else it is advice. Needs FLEET_EGRESS_PROXY=on.',
    unset: 'tools are told of the proxy of the network, if there is one',
  }),
  FLEET_SPAWN_WRAPPER: value.spawnWrapper.optional().meta({
    description:
      'Command that starts every `claude` and holds it in, such as a sandbox; `docs/security.md` says how it is called, and `deploy/sandbox` has some. Without one no job may ask for the permission mode `bypassPermissions`.',
    allowed: `JSON array of words: the path of a program, then its arguments, in which {${SPAWN_PLACES.join('}, {')}} stand for what they name`,
    unset: '`claude` is started as it is, with the rights of the worker',
  }),
  CLAUDE_BIN: z.string().optional().meta({
    description: 'The `claude` to run: the program itself, no shell script that starts it.',
    allowed: 'a path, or a name on the PATH',
    unset: 'the one that was installed with the fleet, else `claude` on the PATH',
  }),
})

export const clientShape = {
  FLEET_URL: z
    .url({ protocol: /^https?$/, error: 'is not an http:// or https:// address' })
    .optional()
    .meta({
      description: 'Address of the API.',
      allowed: '`http://` or `https://` address',
      unset: 'REDIS_URL is used',
    }),
  FLEET_API_KEY: z
    .string()
    .regex(/^[\x21-\x7e]{1,512}$/, 'is not an API key')
    .optional()
    .meta({
      description: 'Key for the API.',
      allowed: '1 to 512 printable characters without blanks',
      unset: 'none is sent',
    }),
  REDIS_URL: value.redisUrl.optional().meta({
    description: 'Clients and the command line use it when FLEET_URL is not set, as the tenant `default`.',
    unset: 'exit 78 when FLEET_URL is not set either',
  }),
  FLEET_PREFIX: sharedShape.FLEET_PREFIX,
  FLEET_REDIS_PLAINTEXT,
  FLEET_JOB_KEY: sharedShape.FLEET_JOB_KEY,
}
