import { expect, test } from 'vitest'
import { runChecks, shellWord } from './check.js'

test('a check that hangs or throws is a failed one, with what mends it', async () => {
  const limit = { name: 'disk.free', ms: 20, fix: 'df -h' }
  expect(await runChecks(limit, () => new Promise(() => {}))).toEqual([
    { name: 'disk.free', status: 'fail', found: 'no answer within 0.02 s', fix: 'df -h' },
  ])
  expect(await runChecks({ ...limit, ms: 60_000 }, () => Promise.reject(new Error('EIO')))).toEqual([
    { name: 'disk.free', status: 'fail', found: 'EIO', fix: 'df -h' },
  ])
  const fine = [{ name: 'disk.free', status: 'ok' as const, found: '9 GB' }]
  expect(await runChecks({ ...limit, ms: 60_000 }, () => Promise.resolve(fine))).toEqual(fine)
})

test('a path becomes one word of a shell', () => {
  expect(shellWord('/srv/fleet-1/state')).toBe('/srv/fleet-1/state')
  expect(shellWord("/srv/my state/o'clock; ls")).toBe(`'/srv/my state/o'\\''clock; ls'`)
})
