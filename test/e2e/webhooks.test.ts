import { copyFile, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startFleet, type TestFleet } from '../support/fleet.js'
import { CLAUDE_FLEET, runNode, startNode } from '../support/service.js'

const DOCS = join(import.meta.dirname, '..', '..', 'docs')
const EXAMPLE = join(DOCS, 'examples', 'webhook-receiver.mjs')

let fleet: TestFleet
beforeAll(async () => {
  fleet = await startFleet()
  await fleet.worker('w1')
})
afterAll(() => fleet[Symbol.asyncDispose]())

const cli = (...args: string[]) => runNode([CLAUDE_FLEET, 'webhooks', ...args], { env: fleet.clientEnv })
const json = async (...args: string[]) => {
  const { stdout, stderr, code } = await cli(...args, '--json')
  expect({ args, code, stderr: code === 0 ? '' : stderr }).toEqual({ args, code: 0, stderr: '' })
  return JSON.parse(stdout) as Record<string, unknown>
}

test('the page shows the receiver as it is', async () => {
  expect(await readFile(join(DOCS, 'webhooks.md'), 'utf8')).toContain(`\n${await readFile(EXAMPLE, 'utf8')}\`\`\``)
})

test('the receiver of the page gets what the command line registers it for, from a real job', async () => {
  const made = await cli('create', 'http://127.0.0.1:1024/', '--event', 'job.completed', '--disabled', '--json')
  const { id, secret } = JSON.parse(made.stdout) as { id: string; secret: string }
  expect(made.stderr).toBe('the secret is not shown again\n')
  // Beside the packages, where Node finds the client as a service that has installed it does.
  const copy = join(import.meta.dirname, '..', `receiver-${process.pid}.mjs`)
  await copyFile(EXAMPLE, copy)
  try {
    await using receiver = startNode([copy], { env: { ...fleet.clientEnv, WEBHOOK_SECRET: secret, PORT: '0' } })
    const [, url = ''] = await receiver.line(/listening on (\S+)/)
    expect(await json('update', id, '--url', url, '--enable')).toMatchObject({ url, enabled: true })
    await json('test', id)
    await receiver.line(/^webhook\.test$/)
    const job = await fleet.http.enqueue({ prompt: '[[text:The sum is 42.]]', metadata: { ticket: 'OPS-7' } })
    expect((await receiver.line(/^OPS-7: .*$/))[0]).toBe('OPS-7: The sum is 42.')
    await expect
      .poll(async () => (await fleet.http.webhooks.deliveries(id)).map(({ status }) => status))
      .toEqual(['delivered', 'delivered'])
    const table = (await cli('deliveries', id)).stdout
    expect(table).toMatch(new RegExp(`^EVENT[^]*\\njob.completed\\s+${job.id}\\s+delivered[^]*\\nwebhook.test`))
  } finally {
    await rm(copy)
  }
  expect((await cli()).stdout).toMatch(new RegExp(`^ID[^]*\\n${id}  enabled`))
  const rotated = await cli('rotate', id)
  expect(rotated.stdout).toMatch(/\nsecret\s+whsec_\S+\nold secret\s+signs for 23 h/)
  expect(rotated.stdout).not.toContain(secret)
  expect(await json('get', id)).not.toHaveProperty('secret')
  expect(await json('delete', id)).toEqual({ id, deleted: true })
  expect((await cli('get', id)).code).toBe(1)
  expect((await cli('get', '../jobs')).code).toBe(2)
  expect((await cli('create', 'https://10.0.0.1/')).stderr).toBe(
    'claude-fleet: INVALID_REQUEST: url must not be a private address\n',
  )
})
