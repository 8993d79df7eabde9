import { readdirSync, readFileSync } from 'node:fs'
import type { Rig } from '../faults/rig/rig.js'

/** Keys that stay whatever ends: a fixed number of each tenant, or of none. Without the prefix. */
const FIXED = [
  /^(counters|credentials|metrics|reaper|session-counts|slots|tenants|workers)$/,
  /^prompts:(events|id|meta|marker|stalled-check)$/,
  /^(ticks|webhooks):(events|id|meta|marker|stalled-check)$/,
  /^totals:acme$/,
  // One of each credential that workers have, with what is known of its limit.
  /^credential:[\w.-]+$/,
]
/** Keys that go by themselves: each has a time to live. */
const LAPSING = [
  /^(stats|spent):acme:\d+$/,
  /^idem:acme:/,
  /^tally:/,
  /^(window|coming)$/,
  /^worker:/,
  /^schedule-keeper$/,
  /^delivery:/,
]

/** What is in Redis beside the fixed set, with its type. */
export async function keysLeft(rig: Rig): Promise<string[]> {
  const reply = await rig.command('KEYS', 'fleet:*')
  if (!/^\*\d+\r\n/.test(reply)) throw new Error(`KEYS answered ${JSON.stringify(reply.slice(0, 200))}`)
  const keys = linesOf(reply)
  const left: string[] = []
  for (const key of keys) {
    const name = key.slice('fleet:'.length)
    if (FIXED.some((pattern) => pattern.test(name))) continue
    if (LAPSING.some((pattern) => pattern.test(name))) {
      const ttl = Number((await rig.command('PTTL', key)).slice(1))
      if (ttl > 0 || ttl === -2) continue
    }
    left.push(name)
  }
  return left
}

/** Bytes that Redis uses. */
export async function memoryOfRedis(rig: Rig): Promise<number> {
  return Number(/used_memory:(\d+)/.exec(await rig.command('INFO', 'memory'))?.[1])
}

/** What a process holds now. */
export interface Level {
  residentMb: number
  descriptors: number
}

export function levelOf(pid: number): Level {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return {
    residentMb: Math.round(Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]) / 1_024),
    descriptors: readdirSync(`/proc/${pid}/fd`).length,
  }
}

/** The texts of a raw array of bulk strings. */
function linesOf(reply: string): string[] {
  return reply.split('\r\n').filter((line) => line !== '' && !/^[*$]\d+$/.test(line))
}
