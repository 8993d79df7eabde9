import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'

/** A network of its own for a worker, with one link to this host that can be set down: packets then go nowhere. */
export interface NetworkNamespace {
  /** Address of this host on the link. */
  host: string
  /** Put before a command, runs it inside. */
  enter: string[]
  cut(): void
  restore(): void
  remove(): void
}

/** Makes one. Undefined where this user may not, or has no `ip` (iproute2): it takes root. */
export function makeNetworkNamespace(): NetworkNamespace | undefined {
  const name = `cf${randomBytes(4).toString('hex')}`
  const ip = (...args: string[]) => void execFileSync('ip', args, { stdio: 'pipe' })
  try {
    ip('netns', 'add', name)
  } catch {
    return undefined
  }
  // One of 16,384 networks of four addresses, so that runs beside each other do not meet.
  const [first = 0, second = 0] = randomBytes(2)
  const network = `10.231.${first}.${second & 0b1111_1100}`.split('.')
  const address = (last: number) => [...network.slice(0, 3), String(Number(network[3]) + last)].join('.')
  ip('link', 'add', name, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', name)
  ip('addr', 'add', `${address(1)}/30`, 'dev', name)
  ip('link', 'set', name, 'up')
  ip('-n', name, 'addr', 'add', `${address(2)}/30`, 'dev', 'eth0')
  ip('-n', name, 'link', 'set', 'eth0', 'up')
  ip('-n', name, 'link', 'set', 'lo', 'up')
  return {
    host: address(1),
    enter: ['ip', 'netns', 'exec', name],
    cut: () => ip('-n', name, 'link', 'set', 'eth0', 'down'),
    restore: () => ip('-n', name, 'link', 'set', 'eth0', 'up'),
    remove: () => ip('netns', 'del', name),
  }
}
