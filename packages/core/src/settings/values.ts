import { z } from 'zod'
import { parseSpawnWrapper } from './spawn-wrapper.js'

/** A whole number written in digits, from `min` to `max`. */
export function wholeNumber(min: number, max: number) {
  const message = `is not a whole number from ${min} to ${max}`
  return z
    .string()
    .regex(/^\d{1,15}$/, message)
    .transform(Number)
    .refine((value) => value >= min && value <= max, message)
    .meta({ allowed: `whole number, ${min} to ${max}` })
}

export const port = wholeNumber(0, 65_535)

/** Milliseconds, from `min` to one week. */
export const durationMs = (min: number) => wholeNumber(min, 7 * 24 * 3_600_000)

export const host = z
  .string()
  .regex(/^[A-Za-z0-9.:_-]{1,253}$/, 'is not a host name or address')
  .meta({
    allowed: 'host name or address',
  })

const SENTINELS = /^redis-sentinel:\/\/([^@/]*@)?[\w.-]+(:\d{1,5})?(,[\w.-]+(:\d{1,5})?)*\/[\w.-]+(\/\d{1,3})?$/

/**
 * `redis://` or `rediss://`, `unix:///path`, or `redis-sentinel://host:port,host:port/master`. The message never repeats
 * the value: it may hold a password.
 */
export const redisUrl = z
  .string({ error: 'is not set; give the address of a Redis, such as redis://127.0.0.1:6379' })
  .refine((value) => {
    if (SENTINELS.test(value)) return true
    try {
      const url = new URL(value)
      if (url.protocol === 'unix:') return url.pathname.length > 1
      return (
        (url.protocol === 'redis:' || url.protocol === 'rediss:') &&
        url.hostname !== '' &&
        /^(\/|\/\d{1,3})?$/.test(url.pathname)
      )
    } catch {
      return false
    }
  }, 'is not a Redis address such as redis://127.0.0.1:6379 or rediss://user:password@host:6380/0')
  .meta({
    allowed:
      '`redis://` or `rediss://[user:password@]host[:port][/database]`, `unix:///path`, or `redis-sentinel://[user:password@]host:port,.../master[/database]`',
  })

/** Prefix of every key. Braces make it a hash tag, for Redis Cluster. */
export const prefix = z
  .string()
  .regex(/^[A-Za-z0-9_{}.-]{1,64}$/, 'may have letters, digits and _ - . { } only, at most 64')
  .meta({ allowed: 'letters, digits and _ - . { } , at most 64; braces make a hash tag' })

const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const

export const logLevel = z
  .enum(LOG_LEVELS, { error: `is not one of ${LOG_LEVELS.join(', ')}` })
  .meta({ allowed: LOG_LEVELS.join(', ') })

export const onOff = z.enum(['on', 'off'], { error: 'is not on or off' }).meta({ allowed: 'on, off' })

export const absolutePath = z
  .string()
  .refine((value) => value.startsWith('/') && !value.includes('\0'), 'is not an absolute path')
  .meta({ allowed: 'absolute path' })

/** Keys of 32 bytes each, comma separated; hexadecimal or base64. The message never repeats the value. */
export const secretKeys = z
  .string()
  .transform((text, context) => {
    const keys = parseSecretKeys(text)
    if (keys === undefined) context.addIssue('is not a key of 32 bytes, in hexadecimal or base64')
    return keys ?? []
  })
  .meta({ allowed: '32 random bytes in hexadecimal or base64; several, comma separated' })

/** The keys of a comma separated list; undefined when one of them is none. */
export function parseSecretKeys(text: string): Uint8Array[] | undefined {
  const keys = text.split(',').map((entry) => parseKey(entry.trim()))
  return keys.every((key) => key !== undefined) ? keys : undefined
}

function parseKey(text: string): Uint8Array | undefined {
  if (/^[0-9a-f]{64}$/i.test(text)) return new Uint8Array(Buffer.from(text, 'hex'))
  return /^[A-Za-z0-9+/_-]{43}=?$/.test(text) ? new Uint8Array(Buffer.from(text, 'base64')) : undefined
}

/** A comma separated list; blanks around entries do not count. */
export const commaList = z.string().transform((value) =>
  value
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== ''),
)

/** The words of the command that starts every claude. */
export const spawnWrapper = z.string().transform((text, context): readonly string[] => {
  const parsed = parseSpawnWrapper(text)
  if ('words' in parsed) return parsed.words
  context.addIssue(parsed.problem)
  return z.NEVER
})
