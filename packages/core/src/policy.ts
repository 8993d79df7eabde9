import type { FieldFault } from './errors.js'
import type { JobSpec } from './job.js'
import { DEFAULTS } from './limits.js'
import type { JobPolicy } from './settings/settings.js'

/** A job that its schema allows and the operator does not. `code` says whether it is bad input or a refusal. */
export interface PolicyFault extends FieldFault {
  code: 'INVALID_REQUEST' | 'FORBIDDEN'
}

/** What of a job, or of a session, the operator has a say in. */
export interface PolicySubject {
  env?: JobSpec['env'] | undefined
  /** Undefined: the default. */
  permissionMode?: JobSpec['permissionMode'] | undefined
}

/** What of a job the operator's settings do not allow, or undefined. */
export function findPolicyFault(spec: PolicySubject, policy: JobPolicy): PolicyFault | undefined {
  const foreign = Object.keys(spec.env ?? {}).find((name) => !policy.allowedEnv.has(name))
  if (foreign !== undefined) {
    const allowed = policy.allowedEnv.size === 0 ? 'none' : [...policy.allowedEnv].join(', ')
    return {
      code: 'INVALID_REQUEST',
      path: `env.${foreign}`,
      message: `is not a variable that jobs may set; allowed: ${allowed}`,
    }
  }
  const { permissionMode = DEFAULTS.permissionMode } = spec
  if (!policy.permissionModes.has(permissionMode)) {
    const allowed = [...policy.permissionModes].join(', ')
    return {
      code: 'FORBIDDEN',
      path: 'permissionMode',
      message: `${permissionMode} is not allowed here; allowed: ${allowed}`,
    }
  }
  return undefined
}
