import { expect, test } from 'vitest'
import { limitChecks } from './limits.js'

test('more sessions than a host can carry are said with what to set', async () => {
  const checks = await limitChecks({ sessions: 1_000_000, spares: 0 })
  expect(checks.find(({ name }) => name === 'limits.memory')).toMatchObject({
    status: 'warn',
    fix: expect.stringMatching(/^export FLEET_CONCURRENCY=[1-9]\d*$/),
  })
  expect(checks.find(({ name }) => name === 'limits.cores')?.status).toBe('warn')
  const few = await limitChecks({ sessions: 1, spares: 0 })
  expect(few.map(({ name }) => name)).toEqual([
    'limits.memory',
    'limits.open-files',
    'limits.processes',
    'limits.cores',
  ])
  expect(few.filter(({ name, status }) => name !== 'limits.memory' && status !== 'ok')).toEqual([])
})
