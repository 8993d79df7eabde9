import { FleetError } from '@claude-fleet/core'
import { expect, test } from 'vitest'
import { watchRedis } from './redis-watch.js'

const log = { debug() {}, info() {}, warn() {}, error() {} }

test('a Redis that became unfit is told once, one that does not answer is not judged, and one that was mended is told', async () => {
  const unfit = () => Promise.reject(new FleetError('CONFLICT', 'maxmemory-policy is allkeys-lru'))
  const away = () => Promise.reject(new FleetError('UNAVAILABLE', 'Redis did not answer'))
  const answers = [() => Promise.resolve(), unfit, away, unfit, () => Promise.resolve()]
  const told: (string | undefined)[] = []
  const watch = watchRedis(
    { check: () => (answers.shift() ?? (() => Promise.resolve()))(), log },
    (reason) => told.push(reason),
    { everyMs: 1 },
  )
  await expect.poll(() => told).toEqual(['maxmemory-policy is allkeys-lru', undefined])
  watch.close()
})
