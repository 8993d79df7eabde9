import { appendFile, mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openAuditLog } from './log.js'
import { verifyAudit } from './verify.js'

let folder: string
beforeAll(async () => void (folder = await mkdtemp(join(tmpdir(), 'audit-'))))
afterAll(() => rm(folder, { recursive: true }))

const LOG = pino({ level: 'silent' })
const facts = (action: string) => ({
  action,
  who: 'k_0123456789ab',
  tenant: 'acme',
  from: '127.0.0.1',
  requestId: 'req',
  status: 202,
})

/** Two processes at one file, one of them started again; 15 lines. */
async function written(file: string): Promise<string[]> {
  const [api, board] = [
    await openAuditLog({ log: LOG }, { role: 'api', file }),
    await openAuditLog({ log: LOG }, { role: 'board', file }),
  ]
  for (let at = 0; at < 5; at += 1) {
    api.record(facts(`api-${at}`))
    board.record(facts(`board-${at}`))
  }
  await Promise.all([api.close(), board.close()])
  const again = await openAuditLog({ log: LOG }, { role: 'api', file })
  for (let at = 0; at < 5; at += 1) again.record(facts(`again-${at}`))
  await again.close()
  return (await readFile(file, 'utf8')).trimEnd().split('\n')
}

test('what was written is whole, whoever else writes, and what is done to any of its lines is found', async () => {
  const file = join(folder, 'audit')
  const lines = await written(file)
  expect((await stat(file)).mode & 0o777).toBe(0o600)
  const good = await verifyAudit(lines)
  expect(good).toMatchObject({ lines: 15, chains: 3, faults: [] })
  expect((await verifyAudit(lines, good.head)).faults).toEqual([])
  // The end of a run is missed where the next one began behind it, or by who knows the head.
  const ends = new Set(lines.flatMap((line, at) => (/"seq":5,/.test(line) ? [at] : [])))
  const linked = new Set(lines.map((line) => (JSON.parse(line) as { prev: string }).prev))
  const missed = (at: number) =>
    !ends.has(at) || linked.has((JSON.parse(lines[at] ?? '') as { hash: string }).hash) || at === lines.length - 1
  expect([...lines.keys()].filter(missed)).toHaveLength(14)
  for (const at of lines.keys()) {
    const rest = lines.toSpliced(at, 1)
    const { faults } = await verifyAudit(rest, good.head)
    expect({ at, found: faults.length > 0 }).toEqual({ at, found: missed(at) })
    const changed = lines.with(at, (lines[at] ?? '').replace('"status":202', '"status":200'))
    expect((await verifyAudit(changed)).faults).toContainEqual({ line: at + 1, fault: 'it was changed' })
    expect((await verifyAudit(lines.with(at, lines[at]?.slice(0, 40) ?? ''))).faults).not.toEqual([])
  }
  const [first = '', second = '', ...rest] = lines.slice(-5)
  expect((await verifyAudit([...lines.slice(0, -5), second, first, ...rest])).faults).not.toEqual([])
})

test('a process that was ended within a line is seen, and those after it go on', async () => {
  const file = join(folder, 'torn')
  await written(file)
  await appendFile(file, '{"v":1,"chain":"x"')
  const log = await openAuditLog({ log: LOG }, { role: 'api', file })
  log.record(facts('after'))
  await log.close()
  const { lines, faults } = await verifyAudit((await readFile(file, 'utf8')).split('\n'))
  expect([lines, faults]).toEqual([17, [{ line: 16, fault: 'it is not a whole line of an audit log' }]])
})

test('a file that cannot be written is a wrong setting', async () => {
  await expect(openAuditLog({ log: LOG }, { role: 'api', file: join(folder, 'none', 'x') })).rejects.toThrow(
    'FLEET_AUDIT_LOG: cannot open',
  )
})
