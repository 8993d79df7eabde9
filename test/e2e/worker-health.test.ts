import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startFleet, type TestFleet } from '../support/fleet.js'
import { makeFolder } from '../support/folder.js'

let fleet: TestFleet
let folder: Awaited<ReturnType<typeof makeFolder>>
beforeAll(async () => {
  fleet = await startFleet()
  folder = await makeFolder()
})
afterAll(async () => {
  await fleet[Symbol.asyncDispose]()
  await folder.remove()
})

test('a probe sees a worker that claims, one that drains, and none once it has left', async () => {
  const worker = await fleet.worker('w1', { FLEET_HEALTH_DIR: folder.path })
  const ageMs = async (name: string) =>
    stat(join(folder.path, name)).then(
      ({ mtimeMs }) => Date.now() - mtimeMs,
      () => undefined,
    )
  await expect.poll(() => ageMs('ready')).toBeLessThan(30_000)
  expect(await ageMs('alive')).toBeLessThan(30_000)

  const job = await fleet.http.enqueue({ prompt: '[[slow:40,50]][[text:still here]]' })
  for await (const event of job.events()) if (event.type === 'text') break
  worker.signal('SIGTERM')
  await expect.poll(() => ageMs('ready')).toBeUndefined()
  expect(await ageMs('alive')).toBeLessThan(30_000)

  expect(await worker.ended).toMatchObject({ code: 0 })
  expect((await job.result()).text).toBe('still here')
  expect([await ageMs('ready'), await ageMs('alive')]).toEqual([undefined, undefined])
})

test('a folder that cannot be written ends the worker with a line that names the setting', async () => {
  await expect(fleet.worker('w2', { FLEET_HEALTH_DIR: '/dev/null/health' })).rejects.toThrow('FLEET_HEALTH_DIR: ')
})
