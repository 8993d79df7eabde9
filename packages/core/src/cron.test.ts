import { expect, test } from 'vitest'
import { cronFault, latestTick, nextTick } from './cron.js'
import { parseSchedule, parseSchedulePatch } from './input.js'

const iso = (ms: number | undefined) => (ms === undefined ? undefined : new Date(ms).toISOString())

/** The next times from a moment on. */
function times(cron: string, zone: string, from: string, count: number): (string | undefined)[] {
  let at = Date.parse(from)
  return Array.from({ length: count }, () => {
    at = nextTick(cron, zone, at) ?? NaN
    return iso(at)
  })
}

test('02:30 in Berlin comes once on the day without it, an hour later, and once on the day that has it twice', () => {
  expect(times('30 2 * * *', 'Europe/Berlin', '2026-03-28T00:00:00Z', 3)).toEqual([
    '2026-03-28T01:30:00.000Z', // 02:30 +01
    '2026-03-29T01:30:00.000Z', // 03:30 +02
    '2026-03-30T00:30:00.000Z', // 02:30 +02
  ])
  expect(times('30 2 * * *', 'Europe/Berlin', '2026-10-24T00:00:00Z', 3)).toEqual([
    '2026-10-24T00:30:00.000Z', // 02:30 +02
    '2026-10-25T00:30:00.000Z', // 02:30 +02, the first of the two
    '2026-10-26T01:30:00.000Z', // 02:30 +01
  ])
})

test('within the hour that is there twice, or that is not there, the same times come as before it', () => {
  const next = (after: string) => times('30 2 * * *', 'Europe/Berlin', after, 1)[0]
  for (const after of ['00:30:00', '01:00:00', '01:29:59', '02:00:00'])
    expect(next(`2026-10-25T${after}Z`)).toBe('2026-10-26T01:30:00.000Z')
  for (const after of ['00:59:00', '01:00:00', '01:29:59'])
    expect(next(`2026-03-29T${after}Z`)).toBe('2026-03-29T01:30:00.000Z')
  expect(next('2026-03-29T01:30:00Z')).toBe('2026-03-30T00:30:00.000Z')
})

test('when day of month and day of week are both given, either is enough', () => {
  expect(times('0 9 15 * FRI', 'UTC', '2026-04-04T00:00:00Z', 3)).toEqual([
    '2026-04-10T09:00:00.000Z',
    '2026-04-15T09:00:00.000Z', // a Wednesday
    '2026-04-17T09:00:00.000Z',
  ])
})

test('every half hour goes on through both changes, none left out and none twice', () => {
  for (const from of ['2026-03-28T23:00:00Z', '2026-10-24T23:00:00Z']) {
    const found = times('*/30 * * * *', 'Europe/Berlin', from, 10)
    expect(found).toEqual(found.map((_, at) => iso(Date.parse(from) + (at + 1) * 1_800_000)))
  }
})

test('after a standstill the last of the missed times is found, also one that the clocks moved', () => {
  const latest = (tick: string, now: string, reachMs = 86_400_000) =>
    iso(latestTick('30 2 * * *', 'Europe/Berlin', { tick: Date.parse(tick), now: Date.parse(now), reachMs }))
  expect(latest('2026-03-27T01:30:00Z', '2026-03-29T01:31:00Z')).toBe('2026-03-29T01:30:00.000Z')
  expect(latest('2026-03-27T01:30:00Z', '2026-03-29T01:30:00Z')).toBe('2026-03-29T01:30:00.000Z')
  expect(latest('2026-03-27T01:30:00Z', '2026-03-27T01:30:05Z')).toBe('2026-03-27T01:30:00.000Z')
  // Nothing in reach: the one that came stays the answer, and is too late.
  expect(latest('2026-03-27T01:30:00Z', '2026-03-29T12:00:00Z', 3_600_000)).toBe('2026-03-27T01:30:00.000Z')
})

test.each([
  ['* * * * *'],
  ['  0 9 * * MON-FRI '],
  ['30 */5 * * * *'],
  ['@daily'],
  ['0 0 29 2 *'],
  ['0 9 L * *'],
  ['0 9 * * 1#1'],
])('%j is taken', (cron) => {
  expect(parseSchedule({ cron, job: { prompt: 'p' } }).cron).toBe(cron.trim())
})

test.each([
  ['', /five fields/],
  ['* * *', /five fields/],
  ['* * * * * * *', /five fields/],
  ['61 * * * *', /61/],
  ['*/0 * * * *', /is no cron expression/],
  ['5-1 * * * *', /is no cron expression/],
  ['@reboot', /is no cron expression/],
  ['* * * * * *', /more often than once a minute/],
  ['0,30 * * * * *', /more often than once a minute/],
  ['@secondly', /more often than once a minute/],
  ['0 0 30 2 *', /is no cron expression/],
  ['0 0 31 4,6 *', /never comes/],
  ['H * * * *', /H is none/],
  ['0 H/2 * * *', /H is none/],
  ['0 0 * * *; rm', /five fields|characters/],
])('%j is refused', (cron, why) => {
  expect(cronFault(cron)).toMatch(why)
})

test('a schedule that cannot be names each field; its job by a path below', () => {
  const pathsOf = (read: () => unknown) => {
    try {
      read()
      return []
    } catch (error) {
      return (error as { details: { errors: { path: string }[] } }).details.errors.map(({ path }) => path)
    }
  }
  const bad = {
    cron: 'x y z q w',
    timeZone: 'Mars/Base',
    overlap: 'queue',
    catchUpMs: 5,
    job: { prompt: ' ', cwd: '/etc' },
    every: 5,
  }
  expect(pathsOf(() => parseSchedule(bad))).toEqual([
    'cron',
    'timeZone',
    'overlap',
    'catchUpMs',
    'job.prompt',
    'job.cwd',
    'every',
  ])
  expect(pathsOf(() => parseSchedule({ job: { prompt: 'p' } }))).toEqual(['cron'])
  expect(pathsOf(() => parseSchedule({ cron: '@daily', job: { prompt: 'a'.repeat(1_048_577) } }))).toEqual([
    'job.prompt',
  ])
  expect(pathsOf(() => parseSchedulePatch({}))).toEqual([''])
  for (const timeZone of ['+02:00', 'Europe', 'Europe/Berlin;', ''])
    expect(pathsOf(() => parseSchedulePatch({ timeZone }))).toEqual(['timeZone'])
  expect(parseSchedulePatch({ enabled: false })).toEqual({ enabled: false })
})
