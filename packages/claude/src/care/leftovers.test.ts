import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { expect, onTestFinished, test } from 'vitest'
import { createOwner, OWNER_VARIABLE } from '../process/owner.js'
import { readEntry } from '../process/process-table.js'
import { endLeftovers } from './leftovers.js'

const NO_PROCESS = 4_194_304

/** A process with nothing in its environment but `mark`, or with `limit` and nothing at all. */
async function sleeper(marks: { value?: string; limit?: bigint }): Promise<number> {
  const command = marks.limit === undefined ? 'echo; exec sleep 300' : `ulimit -w ${marks.limit}; echo; exec sleep 300`
  const child = spawn('/bin/sh', ['-c', command], {
    env: marks.value === undefined ? {} : { [OWNER_VARIABLE]: marks.value },
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  onTestFinished(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    const exited = once(child, 'exit')
    child.kill('SIGKILL')
    await exited
  })
  await once(child.stdout, 'data')
  return child.pid ?? 0
}

test.runIf(process.platform === 'linux')('only what a dead worker of this boot left behind is ended', async () => {
  const own = (await createOwner()).mark()
  const [boot, pid, startTicks, nonce] = own.value.split(':') as [string, string, string, string]
  const withPid = (other: number) => (own.limit & ~(0x3fffffn << 32n)) | (BigInt(other) << 32n)
  const spared = await Promise.all([
    sleeper({ value: own.value }),
    sleeper({ value: `other-boot:${NO_PROCESS}:1:${nonce}` }),
    sleeper({ limit: own.limit }),
    // Somebody's own limit.
    sleeper({ limit: 1_000n }),
    sleeper({ limit: 2n ** 62n }),
  ])
  const left = await Promise.all([
    sleeper({ value: `${boot}:${pid}:${Number(startTicks) - 1}:${nonce}` }),
    sleeper({ value: `${boot}:${NO_PROCESS}:1:${nonce}` }),
    sleeper({ limit: own.limit ^ (1n << 18n) }),
    sleeper({ limit: withPid(NO_PROCESS - 1) }),
  ])

  // Any worker that starts on this host does it; another test's may have been quicker, so who ended them is not asked.
  await endLeftovers()

  for (const one of left) expect(await readEntry(one)).toBeUndefined()
  for (const one of spared) expect(await readEntry(one)).toBeDefined()
})
