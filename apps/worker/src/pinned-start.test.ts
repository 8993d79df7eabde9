import type { ClaudeSession, SessionSpec } from '@claude-fleet/claude'
import { expect, test, vi } from 'vitest'
import { pinnedStart } from './pinned-start.js'

const spec = {} as SessionSpec
const { signal } = new AbortController()

function sessionOf(version: string) {
  return { version, close: vi.fn<() => Promise<void>>(async () => {}) } as unknown as ClaudeSession
}

test('a claude of the version that was found is given out, and so is one that does not say', async () => {
  for (const version of ['2.1.330', '']) {
    const session = sessionOf(version)
    const other = vi.fn<(found: string) => void>()
    expect(await pinnedStart(async () => session, '2.1.330', other)(spec, signal)).toBe(session)
    expect(other).not.toHaveBeenCalled()
  }
})

test('another version is ended before it gets a prompt', async () => {
  const session = sessionOf('2.1.331')
  const others: string[] = []
  const start = pinnedStart(
    async () => session,
    '2.1.330',
    (found) => others.push(found),
  )
  await expect(start(spec, signal)).rejects.toMatchObject({ code: 'SPAWN_FAILED' })
  expect(session.close).toHaveBeenCalledOnce()
  expect(others).toEqual(['2.1.331'])
})
