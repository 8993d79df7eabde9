import { expect, test } from 'vitest'
import { runTurn, startBench } from '../testing/claude.js'
import type { SpawnPlace } from '../launch/launch.js'

test('a wrapper that stays above claude is told the places, is no stray, and claude below it can be ended and used again', async () => {
  const bench = await startBench(() => [{ text: 'x' }])
  const places: SpawnPlace[] = []
  const spawnWrapper = (place: SpawnPlace) => {
    places.push(place)
    return ['/bin/sh', '-c', '"$0" "$@"; exit $?']
  }
  const session = await bench.start({}, { spawnWrapper })
  const { tenant, cwd, home } = bench.spec
  expect(places).toMatchObject([{ tenant, cwd, home }])
  expect(places[0]?.config.startsWith(`${home}/sessions/`)).toBe(true)
  expect((await runTurn(session, 'one')).facts.result).toMatchObject({ subtype: 'success' })
  expect(await session.strays()).toEqual([])
  expect(await session.memoryBytes()).toBeGreaterThan(50 * 1_048_576)
  expect(await session.reset()).toBeUndefined()
  await session.close()
  // claude ends by SIGTERM with 143; a wrapper that had been told in its place would have left it to be killed.
  expect(await session.exited).toMatchObject({ code: 143 })
})
