import { expect, test } from 'vitest'
import { fillSpawnWrapper, parseSpawnWrapper, SPAWN_PLACES, type SpawnPlaceName } from './spawn-wrapper.js'

test.each([
  ['bwrap', 'is not a JSON array of words'],
  ['{"a":1}', 'is not a JSON array of 1 to 100 words'],
  ['[]', 'is not a JSON array of 1 to 100 words'],
  ['["/bin/env", 1]', 'is not a JSON array of 1 to 100 words'],
  ['["bwrap"]', 'must begin with the absolute path of a program'],
  ['["/{home}/x"]', 'must begin with the absolute path of a program'],
  ['["/bin/env", "{HOME}"]', 'has {HOME}, which is none of {tenant}'],
  ['["/bin/env", "{}"]', 'has {}, which is none of'],
])('%s is refused: %s', (text, problem) => {
  expect(parseSpawnWrapper(text)).toEqual({ problem: expect.stringContaining(problem) as string })
})

test('places are filled in once: what a name or a path holds is no place', () => {
  const parsed = parseSpawnWrapper('["/bin/box", "--bind", "{workspace}:{cwd}", "{tenant}"]')
  const words = 'words' in parsed ? parsed.words : []
  const places = Object.fromEntries(SPAWN_PLACES.map((name) => [name, `<${name}>`])) as Record<SpawnPlaceName, string>
  expect(fillSpawnWrapper(words, { ...places, cwd: '/ws/{tenant}' })).toEqual([
    '/bin/box',
    '--bind',
    '<workspace>:/ws/{tenant}',
    '<tenant>',
  ])
})
