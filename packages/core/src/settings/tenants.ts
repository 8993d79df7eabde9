import { z } from 'zod'
import { findJsonFault } from '../json.js'
import { TENANT_PATTERN } from '../job.js'
import { SettingsError } from './read.js'

const SETTING = 'FLEET_TENANTS_FILE'
const most = (max: number) =>
  z
    .number({ error: 'is not a number' })
    .int('is not a whole number')
    .min(0, 'is below 0')
    .max(max, `is above ${max}`)
    .optional()

/** What one tenant may have, fleet-wide. What is left out has no limit; the weight is 1. */
export const tenantLimitsSchema = z.strictObject({
  /** Its part of the slots where several tenants have jobs waiting, against the weights of the others. */
  weight: z.number({ error: 'is not a number' }).min(0.01, 'is below 0.01').max(1_000, 'is above 1000').optional(),
  /** Jobs that are `waiting`, `delayed` or `parked`. */
  maxQueued: most(10_000_000),
  /** Jobs that are `active`. 0: none is begun. */
  maxConcurrent: most(100_000),
  /** Calls of the HTTP API in any 60 s. */
  requestsPerMinute: most(1_000_000),
  /** USD in one day (UTC), over all jobs. */
  dailyUsd: z.number({ error: 'is not a number' }).min(0, 'is below 0').max(1_000_000, 'is above 1000000').optional(),
})
export type TenantLimits = z.output<typeof tenantLimitsSchema>

const fileSchema = z.record(z.string(), tenantLimitsSchema)

/** Stands for every tenant that has no entry of its own. */
export const OTHER_TENANTS = '*'

/**
 * Parses the text of `FLEET_TENANTS_FILE`: JSON, name of a tenant (or `*`) to its limits. Throws SettingsError that names
 * the entry and the field.
 */
export function parseTenants(text: string): ReadonlyMap<string, TenantLimits> {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (cause) {
    throw new SettingsError(SETTING, 'is not JSON', { cause })
  }
  const fault = findJsonFault(json)
  if (fault !== undefined) throw new SettingsError(SETTING, `${fault.path} ${fault.message}`)
  const parsed = fileSchema.safeParse(json)
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    throw new SettingsError(SETTING, `${issue?.path.join('.') ?? ''} ${issue?.message ?? 'is not allowed'}`)
  }
  for (const name of Object.keys(parsed.data)) {
    if (name === OTHER_TENANTS || TENANT_PATTERN.test(name)) continue
    throw new SettingsError(SETTING, `${JSON.stringify(name)} is neither a tenant name nor *`)
  }
  return new Map(Object.entries(parsed.data))
}
