import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { expect, onTestFinished, test } from 'vitest'
import { createOwner, endOrphans, OWNER_VARIABLE } from './owner.js'
import { readEntry } from './process-table.js'

/** A process that carries `mark`, started with nothing else in its environment. */
function sleeper(mark: string): number {
  const child = spawn('/bin/sleep', ['300'], { env: { [OWNER_VARIABLE]: mark }, stdio: 'ignore' })
  onTestFinished(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    const exited = once(child, 'exit')
    child.kill('SIGKILL')
    await exited
  })
  return child.pid ?? 0
}

test.runIf(process.platform === 'linux')('only what a dead worker of this boot left behind is an orphan', async () => {
  const own = (await createOwner()).mark().value
  const [boot, pid, startTicks, nonce] = own.split(':') as [string, string, string, string]
  const mine = sleeper(own)
  const otherBoot = sleeper(`other-boot:${pid}:1:${nonce}`)
  const reusedPid = sleeper(`${boot}:${pid}:${Number(startTicks) - 1}:${nonce}`)
  const deadOwner = sleeper(`${boot}:4194305:1:${nonce}`)

  const ended = await endOrphans()

  expect(ended).toEqual(expect.arrayContaining([reusedPid, deadOwner]))
  expect(ended).not.toContain(mine)
  expect(ended).not.toContain(otherBoot)
  expect(await readEntry(deadOwner)).toBeUndefined()
  expect(await readEntry(mine)).toBeDefined()
})
