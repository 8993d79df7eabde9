import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { availableParallelism, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { capacityOf } from './capacity.js'
import { readHostResources } from './resources.js'

const MIB = 1_024 * 1_024
const GIB = 1_024 * MIB

async function resourcesWith(files: Record<string, string>) {
  const root = await mkdtemp(join(tmpdir(), 'cf-host-'))
  onTestFinished(() => rm(root, { recursive: true, force: true }))
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true })
    await writeFile(join(root, path), text)
  }
  return readHostResources({ proc: join(root, 'proc'), cgroup: join(root, 'cgroup') })
}

const meminfo = { 'proc/meminfo': 'MemTotal: 16777216 kB\nMemAvailable:  8388608 kB\n' }

test('a host without limits gives what it has free', async () => {
  expect(await resourcesWith({ ...meminfo, 'proc/self/cgroup': '0::/\n' })).toEqual({
    cores: availableParallelism(),
    memoryFree: 8 * GIB,
    tasksFree: Infinity,
  })
})

test('of version 2 the tightest limit from the root down holds; cache that can be dropped is free', async () => {
  const found = await resourcesWith({
    ...meminfo,
    'proc/self/cgroup': '0::/box/inner\n',
    'cgroup/box/memory.max': `${2 * GIB}\n`,
    'cgroup/box/memory.current': `${GIB}\n`,
    'cgroup/box/memory.stat': `anon 5\ninactive_file ${512 * MIB}\n`,
    'cgroup/box/inner/memory.max': 'max\n',
    'cgroup/box/cpu.max': '50000 100000\n',
    'cgroup/box/inner/cpu.max': 'max 100000\n',
    'cgroup/box/inner/pids.max': '100\n',
    'cgroup/box/inner/pids.current': '40\n',
  })
  expect(found).toEqual({ cores: 0.5, memoryFree: 1.5 * GIB, tasksFree: 60 })
})

test('of version 1 each controller has a path of its own, which a container may see as the root', async () => {
  const found = await resourcesWith({
    ...meminfo,
    'proc/self/cgroup': '5:memory:/docker/abc\n4:cpu,cpuacct:/docker/abc\n3:pids:/docker/abc\n',
    'cgroup/memory/memory.limit_in_bytes': `${GIB}\n`,
    'cgroup/memory/memory.usage_in_bytes': `${256 * MIB}\n`,
    'cgroup/cpu,cpuacct/cpu.cfs_quota_us': '100000\n',
    'cgroup/cpu,cpuacct/cpu.cfs_period_us': '100000\n',
    'cgroup/cpu,cpuacct/docker/abc/cpu.cfs_quota_us': '-1\n',
    'cgroup/pids/pids.max': 'max\n',
  })
  expect(found).toEqual({ cores: 1, memoryFree: 768 * MIB, tasksFree: Infinity })
})

test.each([
  ['cores', { cores: 2, memoryFree: 64 * GIB }, { concurrency: 4, spares: 2, parallelStarts: 1 }],
  ['many cores', { cores: 16, memoryFree: 64 * GIB }, { concurrency: 32, spares: 16, parallelStarts: 8 }],
  ['memory', { cores: 16, memoryFree: 4 * GIB }, { concurrency: 6, spares: 4, parallelStarts: 8 }],
  ['a part of a core', { cores: 0.5, memoryFree: 2 * GIB }, { concurrency: 1, spares: 1, parallelStarts: 1 }],
  ['hardly any memory', { cores: 4, memoryFree: 100 * MIB }, { concurrency: 1, spares: 0, parallelStarts: 2 }],
])('the defaults follow %s', (_what, host, capacity) => {
  expect(capacityOf(host, {})).toEqual(capacity)
})

test('what is set holds, and spares take what memory is left beside it', () => {
  expect(capacityOf({ cores: 4, memoryFree: 4 * GIB }, { concurrency: 9 })).toMatchObject({ concurrency: 9, spares: 1 })
  expect(capacityOf({ cores: 4, memoryFree: GIB }, { concurrency: 9, spares: 3 })).toMatchObject({ spares: 3 })
})
