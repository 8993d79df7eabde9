import { expect, test } from 'vitest'
import { isMountedReadOnly } from './credentials.js'

test('a secret that an orchestrator mounted read-only is told from a file of the host', () => {
  const mounts = [
    '22 1 0:20 / / rw,relatime - overlay overlay rw',
    '30 22 0:30 / /etc/claude-fleet/secrets ro,relatime - tmpfs tmpfs rw',
    '31 22 8:1 /secrets/key /run/secrets/key ro,nosuid - ext4 /dev/sda1 rw',
    '32 22 8:1 / /run/secrets-of-host rw - ext4 /dev/sda1 rw',
    '33 30 0:31 / /etc/claude-fleet/secrets/own rw - tmpfs tmpfs rw',
  ].join('\n')
  const is = (path: string) => isMountedReadOnly(`${mounts}\n`, path)
  expect(is('/etc/claude-fleet/secrets/..data/key')).toBe(true)
  expect(is('/run/secrets/key')).toBe(true)
  expect(is('/run/secrets-of-host/key')).toBe(false)
  expect(is('/etc/claude-fleet/secrets/own/key')).toBe(false)
  expect(is('/home/key')).toBe(false)
  expect(isMountedReadOnly('', '/home/key')).toBe(false)
})
