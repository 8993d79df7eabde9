import { readdir, readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { livingAfter, livingOf, startDaemonBench } from '../testing/daemons.js'
import { PATH } from '../testing/claude.js'
import { startSmallWorker } from '../testing/worker.js'
import { createProcessCare } from './care.js'
import { ownCgroup } from './cgroup.js'

const linux = process.platform === 'linux'
const AFTER_MS = 5_000

test.runIf(linux)('a worker whose event loop stalls for 2 s loses nothing', async () => {
  const bench = await startDaemonBench()
  const worker = startSmallWorker({ ...bench, prompt: '[[bytes:900]][[slow:60,50]]', care: { path: PATH } })
  const { pid = 0, supervisor = 0 } = await worker.said(({ message }) => message === 'text')

  worker.send({ stallMs: 2_000 })

  await worker.said(({ stalled }) => stalled === true)
  await worker.said(({ message }) => message === 'end')
  expect(await livingOf([pid, supervisor])).toEqual([pid, supervisor])
  expect(worker.all.filter(({ event, exit }) => event !== undefined || exit !== undefined)).toEqual([])
})

test.runIf(linux)('a supervisor that dies or hangs is replaced; sessions go on, and are covered again', async () => {
  const bench = await startDaemonBench('[[ignore-term]][[ignore-eof]]')
  const times = { beatMs: 100, silenceMs: 1_000 }
  const worker = startSmallWorker({ ...bench, prompt: '[[bytes:9000]][[slow:1000,50]]', care: { path: PATH, times } })
  const { pid = 0, supervisor: first = 0 } = await worker.said(({ message }) => message === 'text')

  process.kill(first, 'SIGKILL')
  const { supervisor: second = 0 } = await worker.said(
    ({ supervisor }) => supervisor !== undefined && supervisor !== first,
  )
  process.kill(second, 'SIGSTOP')
  const { supervisor: third = 0 } = await worker.said(
    ({ supervisor }) => supervisor !== undefined && supervisor !== first && supervisor !== second,
  )
  expect(await livingOf([first, second, pid, third])).toEqual([pid, third])

  worker.signal('SIGKILL')
  expect(await livingAfter([pid, third], AFTER_MS)).toEqual([])
})

test.runIf(linux)(
  'when worker and supervisor are killed at once, claude still ends, and the next worker ends the rest',
  async () => {
    const bench = await startDaemonBench()
    const worker = startSmallWorker({
      ...bench,
      prompt: '[[daemons:stubborn]][[bytes:9000]][[slow:1000,50]]',
      care: { path: PATH },
    })
    const { pid = 0, supervisor = 0 } = await worker.said(({ message }) => message === 'text')
    const daemons = await bench.pids(4)
    // The supervisor may not see its worker die.
    process.kill(supervisor, 'SIGSTOP')
    worker.signal('SIGKILL')
    process.kill(supervisor, 'SIGKILL')
    expect(await livingAfter([pid], AFTER_MS)).toEqual([])

    // Any worker that starts on this host does it; another test's may have been quicker.
    const care = await createProcessCare({ path: PATH, supervised: false })

    expect(await livingOf(daemons)).toEqual([])
    const cgroups = await readdir(await ownCgroup()).catch(() => [])
    expect(cgroups.filter((name) => name.includes(`-${worker.pid}-`))).toEqual([])
    await care.close()
  },
)

test.runIf(linux)('the supervisor has no environment, no folder and no process group of its worker', async () => {
  const care = await createProcessCare({ path: PATH })
  const stat = await readFile(`/proc/${care.supervisorPid}/stat`, 'utf8')
  const [, , group, session] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  expect({ group, session }).toEqual({ group: String(care.supervisorPid), session: String(care.supervisorPid) })
  expect(await readFile(`/proc/${care.supervisorPid}/environ`, 'utf8')).toBe('')
  const pid = care.supervisorPid ?? 0
  await care.close()
  expect(await livingOf([pid])).toEqual([])
})
