import { expect, test } from 'vitest'
import type { Cage } from '../care/cage.js'
import { endTree } from './tree.js'

const cage: Cage = {
  mark: { value: '', nonce: '', limit: 0n },
  wrapper: [],
  started: () => undefined,
  leader: async () => undefined,
  members: async () => [],
  strays: async () => [],
  strike: async () => [1],
  remove: async () => undefined,
}

test('a process that cannot be ended is an error, not a success', async () => {
  const root = { pid: 2 ** 22 + 1, living: () => false, exited: Promise.resolve() }
  await expect(endTree(root, cage, { termMs: 10, killMs: 50 })).rejects.toMatchObject({
    code: 'INTERNAL',
    details: { pids: [1] },
  })
})

test('a process that has not entered its cage yet is waited for', async () => {
  let exit = () => {}
  const exited = new Promise<void>((resolve) => (exit = resolve))
  const root = { pid: 2 ** 22 + 1, living: () => true, exited }
  let ended = false
  const end = endTree(root, { ...cage, strike: async () => [] }, { termMs: 10, killMs: 60_000 }).then(
    () => (ended = true),
  )
  await new Promise((resolve) => setTimeout(resolve, 50))
  expect(ended).toBe(false)
  exit()
  await end
})
