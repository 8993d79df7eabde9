import { readlinkSync } from 'node:fs'

/**
 * The PID namespace this process is in, as the kernel names it: its own pids mean something there alone. Empty where
 * the system has none.
 */
export function pidSpace(): string {
  try {
    return readlinkSync('/proc/self/ns/pid')
  } catch {
    return ''
  }
}
