import { z } from 'zod'

export const CHECK_STATUSES = ['ok', 'warn', 'fail', 'skipped'] as const

/**
 * What a look at one thing of a host or a server came to. `fail`: the fleet does not work, or may lose or show what it
 * must not. `warn`: it works, and somebody should know. `skipped`: it was not or could not be looked at. No text of it
 * holds a secret.
 */
export const checkSchema = z.object({
  /** Of what, and what of it: `redis.version`. */
  name: z.string().regex(/^[a-z]+\.\S+$/),
  status: z.enum(CHECK_STATUSES),
  found: z.string(),
  expected: z.string().optional(),
  /** The command, or the setting, that mends it. */
  fix: z.string().optional(),
})
export type Check = z.infer<typeof checkSchema>
export type CheckStatus = Check['status']

/** `text` as one word of a shell command, quoted where it must be. */
export function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`
}

/** Why a check gave up, and what it is to be about. */
export interface CheckLimit {
  name: string
  /** Longest time for all of it, ms. */
  ms: number
  fix?: string
}

/**
 * Runs checks, at most `ms`. What takes longer, or throws, is a failed check of this name, so that one thing that hangs
 * hides none of the others. What it waited for is left to its own deadline.
 */
export async function runChecks(limit: CheckLimit, run: () => Promise<readonly Check[]>): Promise<readonly Check[]> {
  let timer: NodeJS.Timeout | undefined
  const failed = (found: string): Check[] => [
    { name: limit.name, status: 'fail', found, ...(limit.fix === undefined ? {} : { fix: limit.fix }) },
  ]
  const late = new Promise<readonly Check[]>((resolve) => {
    timer = setTimeout(() => resolve(failed(`no answer within ${limit.ms / 1_000} s`)), limit.ms)
  })
  try {
    return await Promise.race([run(), late])
  } catch (error) {
    return failed(error instanceof Error ? error.message : String(error))
  } finally {
    clearTimeout(timer)
  }
}
