import { shellWord, type Check } from '@claude-fleet/core'
import type { Redis } from 'ioredis'
import { createKeys } from '../../keys.js'
import { within } from '../deadline.js'

const CALL_MS = 2_500

/**
 * May this user do what the fleet does: run scripts on its keys and use its channels? A user of Redis 7 who was given keys
 * still has no channel. Writes nothing; the message that is published is an empty batch of events of no job.
 */
export async function accessCheck(client: Redis, { prefix, cli }: { prefix: string; cli: string }): Promise<Check> {
  const name = 'redis.access'
  const keys = createKeys(prefix)
  const key = `${prefix}:doctor`
  const tries: [what: string, right: string, call: () => Promise<unknown>][] = [
    ['scripts', '+@scripting', () => client.eval('return 1', 0)],
    ['keys', `~${prefix}:*`, () => client.eval("return redis.call('EXISTS', KEYS[1])", 1, key)],
    ['channels', `&${prefix}:*`, () => client.publish(keys.events('doctor'), '[]')],
  ]
  const refused: [what: string, right: string][] = []
  for (const [what, right, call] of tries) {
    if (!(await isAllowed(within(CALL_MS, call(), what)))) refused.push([what, right])
  }
  if (refused.length === 0) return { name, status: 'ok', found: 'scripts, keys and channels of the fleet' }
  return {
    name,
    status: 'fail',
    found: `this user may not use ${refused.map(([what]) => what).join(', ')} of the fleet`,
    fix: `${cli} ACL SETUSER NAME ${refused.map(([, right]) => shellWord(right)).join(' ')}   # as an administrator`,
  }
}

async function isAllowed(reply: Promise<unknown>): Promise<boolean> {
  try {
    await reply
    return true
  } catch (error) {
    if (error instanceof Error && /NOPERM|not allowed|No permissions|unknown command/i.test(error.message)) return false
    throw error
  }
}
