import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startFleet, type TestFleet } from '../support/fleet.js'
import { CLAUDE_FLEET, startNode, type RunningProcess } from '../support/service.js'
import { launchChromium } from './chromium.js'

/** Pictures for people to look at; kept after the run. */
const SHOTS = join(import.meta.dirname, '..', '..', 'test-output', 'browser')
const LOGIN = { username: 'operator', password: 'a long password' }

let fleet: TestFleet
let board: RunningProcess
let browser: Browser
let url: string
beforeAll(async () => {
  await mkdir(SHOTS, { recursive: true })
  browser = await launchChromium()
  fleet = await startFleet()
  await fleet.worker('worker-1')
  board = startNode([CLAUDE_FLEET, 'board'], {
    env: {
      REDIS_URL: fleet.redisUrl,
      FLEET_BOARD_PORT: '0',
      FLEET_ADMIN_USER: LOGIN.username,
      FLEET_ADMIN_PASSWORD: LOGIN.password,
    },
  })
  url = await board.message((message) => (message as { url?: string }).url)
})
afterAll(async () => {
  await browser?.close()
  await board?.stop()
  await fleet?.[Symbol.asyncDispose]()
})

/** A page of a signed-in operator. What a browser would complain of in its console is a fault. */
async function openPage(options: Parameters<Browser['newContext']>[0] = {}) {
  const context: BrowserContext = await browser.newContext({ httpCredentials: LOGIN, ...options })
  const page: Page = await context.newPage()
  const faults: string[] = []
  page.on('console', (message) => void (message.type() === 'error' && faults.push(message.text())))
  page.on('pageerror', (error) => faults.push(String(error)))
  return { page, faults, [Symbol.asyncDispose]: () => context.close() }
}

test('without a sign-in nothing is shown', async () => {
  const context = await browser.newContext()
  const page = await context.newPage()
  // With nobody to ask for a name and password, Chromium shows no page at all.
  await expect(page.goto(url)).rejects.toThrow('ERR_INVALID_AUTH_CREDENTIALS')
  for (const path of ['/', '/admin/queues', '/api/fleet'])
    expect((await context.request.get(url + path)).status()).toBe(401)
  expect((await context.request.get(`${url}/healthz`)).status()).toBe(200)
  await context.close()
})

test('the fleet page shows workers, figures, charts and jobs, and changes by itself', async () => {
  await using opened = await openPage()
  const { page, faults } = opened
  await page.goto(url)
  await page.getByRole('region', { name: 'Workers' }).getByText('worker-1').waitFor()
  const jobs = await Promise.all([1, 2, 3].map((at) => fleet.http.enqueue({ prompt: `[[text:answer ${at}]]` })))
  await Promise.all(jobs.map((job) => job.result()))
  const failing = await fleet.http.enqueue({ prompt: '[[status:400]] no' })
  await failing.result().catch(() => undefined)
  await page.getByRole('link', { name: failing.id }).waitFor()
  await page.getByRole('row', { name: /INVALID_REQUEST/ }).waitFor()
  await expect.poll(() => page.locator('.card', { hasText: 'completed' }).locator('b').textContent()).toBe('3')
  expect(await page.locator('.uplot canvas').count()).toBe(2)
  const session = await fleet.http.sessions.create()
  const turn = await fleet.http.enqueue({ prompt: '[[text:in a session]]', session: session.id })
  await turn.result()
  await page.getByRole('row', { name: new RegExp(`${session.id} \\S+ idle 1 0 `) }).waitFor()
  await page.getByLabel('State').selectOption('failed')
  await page.getByRole('link', { name: jobs[0]?.id ?? '' }).waitFor({ state: 'detached' })
  expect(await page.locator('tbody a').count()).toBe(1)
  await page.getByLabel('State').selectOption('')
  await page.getByRole('link', { name: jobs[0]?.id ?? '' }).waitFor()
  await page.screenshot({ path: join(SHOTS, 'fleet.png') })
  expect(faults).toEqual([])
})

test('a job is followed live, cancelled after a question, and run again', async () => {
  await using opened = await openPage()
  const { page, faults } = opened
  const job = await fleet.http.enqueue({ prompt: '[[bytes:3000]][[slow:300,100]]' })
  await page.goto(`${url}/jobs/${job.id}`)
  const text = page.locator('.event.text pre')
  await text.waitFor()
  const before = (await text.textContent())?.length ?? 0
  await expect.poll(async () => (await text.textContent())?.length ?? 0, { timeout: 10_000 }).toBeGreaterThan(before)
  await page.screenshot({ path: join(SHOTS, 'job.png') })

  await page.getByRole('button', { name: 'Cancel', exact: true }).click()
  await page.getByRole('button', { name: 'Go back' }).click()
  expect((await job.get()).state).toBe('active')
  await page.getByRole('button', { name: 'Cancel', exact: true }).click()
  await page.getByRole('button', { name: 'Cancel the job' }).click()
  await page.getByRole('status').getByText('cancelled').waitFor()
  expect(await job.get()).toMatchObject({
    state: 'cancelled',
    error: { message: 'cancelled by the operator operator' },
  })

  const done = await fleet.http.enqueue({ prompt: '[[text:once]]' })
  await done.result()
  await page.goto(`${url}/jobs/${done.id}`)
  await page.getByRole('button', { name: 'Retry' }).click()
  await page.getByRole('button', { name: 'Run it again' }).click()
  await page.getByText('retry of').waitFor()
  await page.locator('.event.completed').waitFor()
  expect(await page.getByRole('link', { name: done.id }).count()).toBe(1)
  expect(faults).toEqual([])
})

test('what jobs say is text and never part of the page', async () => {
  await using opened = await openPage()
  const { page, faults } = opened
  const hostile = '<img src=x onerror="document.title=1"><script>document.title=2</script>\u001b]52;c;x\u0007\u202e'
  const job = await fleet.http.enqueue({
    prompt: `[[text:${hostile}]]`,
    metadata: { '<b>name</b>': hostile },
    systemPrompt: hostile,
  })
  await job.result()
  for (const path of [`/jobs/${job.id}`, '/']) {
    await page.goto(url + path)
    await page.getByText('<img src=x').first().waitFor()
    expect(await page.locator('main img, main script').count()).toBe(0)
    expect(await page.title()).toContain('claude-fleet')
  }
  await page.goto(`${url}/jobs/${job.id}`)
  await page.getByText('\\u001b]52').first().waitFor()
  expect(faults).toEqual([])
})

test('everything can be reached by keyboard', async () => {
  await using opened = await openPage()
  const { page } = opened
  const job = await fleet.http.enqueue({ prompt: '[[hang]]' })
  for await (const event of job.events()) if (event.type === 'started') break
  await page.goto(`${url}/jobs/${job.id}`)
  await page.getByRole('button', { name: 'Cancel', exact: true }).waitFor()
  for (let presses = 0; presses < 12; presses += 1) {
    await page.keyboard.press('Tab')
    if ((await page.evaluate('document.activeElement.textContent')) === 'Cancel') break
  }
  await page.keyboard.press('Enter')
  // The answer that changes nothing has the focus, and Escape means the same.
  expect(await page.evaluate('document.activeElement.textContent')).toBe('Go back')
  await page.keyboard.press('Escape')
  expect((await job.get()).state).toBe('active')
  expect(await page.evaluate('document.activeElement.textContent')).toBe('Cancel')
  await page.keyboard.press('Enter')
  await page.keyboard.press('Tab')
  await page.keyboard.press('Enter')
  await page.getByRole('status').getByText('cancelled').waitFor()
})

test.each([
  ['dark', { colorScheme: 'dark' as const }],
  ['phone', { viewport: { width: 380, height: 760 } }],
])('it reads well: %s', async (name, options) => {
  await using opened = await openPage(options)
  const { page, faults } = opened
  await page.goto(url)
  await page.getByRole('region', { name: 'Workers' }).getByText('worker-1').waitFor()
  const overflow = await page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth')
  expect(overflow).toBeLessThanOrEqual(0)
  const [ground, ink] = await page.evaluate<[string, string]>(
    '[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]',
  )
  const light = (colour: string) => Number(/\d+/.exec(colour)?.[0]) > 128
  expect([light(ground), light(ink)]).toEqual(name === 'dark' ? [false, true] : [true, false])
  await page.screenshot({ path: join(SHOTS, `fleet-${name}.png`), fullPage: true })
  expect(faults).toEqual([])
})

test('Bull Board shows the queue, loads nothing from elsewhere, and changes nothing', async () => {
  await using opened = await openPage()
  const { page } = opened
  const outside: string[] = []
  page.on('response', (response) => void (response.url().startsWith(url) || outside.push(response.url())))
  await page.goto(`${url}/admin/queues`)
  await page.getByText('prompts').first().waitFor()
  await page.screenshot({ path: join(SHOTS, 'bull-board.png') })
  expect(outside).toEqual([])
  const put = (path: string) =>
    page.evaluate(
      `fetch(${JSON.stringify(path)}, { method: 'PUT', headers: { 'x-fleet-board': '1' } }).then((r) => r.status)`,
    )
  for (const path of ['pause', 'obliterate', 'clean/completed', 'promote'])
    expect(await put(`/admin/queues/api/queues/prompts/${path}`)).toBe(405)
})
