import { expect, test } from 'vitest'
import { locateCgroup } from './cgroup.js'

const mount = (root: string, point: string, type = 'cgroup2') =>
  `31 23 0:28 ${root} ${point} rw,relatime shared:9 - ${type} ${type} rw\n`

test.each([
  [
    'alone',
    mount('/', '/sys/fs/cgroup'),
    '0::/system.slice/fleet.service\n',
    '/sys/fs/cgroup/system.slice/fleet.service',
  ],
  [
    'beside version 1',
    mount('/', '/sys/fs/cgroup/memory', 'cgroup') + mount('/', '/sys/fs/cgroup/unified'),
    '4:memory:/a\n0::/\n',
    '/sys/fs/cgroup/unified',
  ],
  ['in a container with a namespace', mount('/', '/sys/fs/cgroup'), '0::/\n', '/sys/fs/cgroup'],
  ['in a container without one', mount('/docker/abc', '/sys/fs/cgroup'), '0::/docker/abc/x\n', '/sys/fs/cgroup/x'],
])('its own cgroup is found where version 2 is %s', (_where, mounts, cgroups, expected) => {
  expect(locateCgroup(mounts, cgroups)).toBe(expected)
})

test.each([
  ['version 1 alone', mount('/', '/sys/fs/cgroup/memory', 'cgroup'), '4:memory:/a\n'],
  ['no mount', '', '0::/\n'],
  ['a mount of something else', mount('/docker/abc', '/sys/fs/cgroup'), '0::/docker/abcd\n'],
  ['a process moved out of the namespace', mount('/', '/sys/fs/cgroup'), '0::/../other\n'],
])('there is none with %s', (_what, mounts, cgroups) => {
  expect(() => locateCgroup(mounts, cgroups)).toThrow(/cgroups of version 2/)
})
