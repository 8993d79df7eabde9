import { createRequire } from 'node:module'
import { join } from 'node:path'

/** Any command, as somebody sends it who knows the address of a Redis and nothing of the fleet. */
export interface RawRedis extends Disposable {
  call(command: string, ...args: (string | number)[]): Promise<unknown>
  /** As `call`; what comes back as text comes as bytes. */
  bytes(command: string, ...args: (string | number)[]): Promise<unknown>
}

interface RedisModule {
  Redis: new (
    url: string,
    options: object,
  ) => {
    call(command: string, ...args: (string | number)[]): Promise<unknown>
    callBuffer(command: string, ...args: (string | number)[]): Promise<unknown>
    on(event: 'error', listener: () => void): void
    disconnect(): void
  }
}

const ROOT = join(import.meta.dirname, '..', '..')
const { Redis } = createRequire(join(ROOT, 'packages', 'queue', 'package.json'))('ioredis') as RedisModule

/** `tls`: as Node's TLS takes it, such as `{ ca }`. */
export function openRawRedis(url: string, options: { tls?: object } = {}): RawRedis {
  const client = new Redis(url, { maxRetriesPerRequest: 1, ...options })
  // Each call says what went wrong with it.
  client.on('error', () => undefined)
  return {
    call: (command, ...args) => client.call(command, ...args),
    bytes: (command, ...args) => client.callBuffer(command, ...args),
    [Symbol.dispose]: () => client.disconnect(),
  }
}
