import { afterAll, beforeAll, expect, test } from 'vitest'
import { keyEntry, startTestApi, type TestApi } from '../../testing/api.js'
import { startTestRedis } from '../../testing/redis.js'
import { createDocument } from '../document.js'
import { html, prose } from './markup.js'
import { OPERATIONS } from '../../routes/service.js'

let redis: Awaited<ReturnType<typeof startTestRedis>>
let api: TestApi
beforeAll(async () => {
  redis = await startTestRedis()
  api = await startTestApi(redis.url, { keys: keyEntry('acme', 'key') })
})
afterAll(async () => {
  await api[Symbol.asyncDispose]()
  await redis.stop()
})

test('the page and the document need no key, and the page may load nothing', async () => {
  expect((await api.ask('/openapi.json')).status).toBe(200)
  const reply = await api.ask('/docs')
  expect(reply.status).toBe(200)
  expect(reply.headers.get('content-security-policy')).toMatch(
    /^default-src 'none';style-src 'sha256-[^']+';base-uri 'none';form-action 'none';frame-ancestors 'none'$/,
  )
  const page = await reply.text()
  expect(page).not.toMatch(/<script|<link|<img|style=|(href|src|action)="?'?(https?:)?\/\/|url\(/)
})

test('every call and every shape has its place, and every link leads to one', async () => {
  const page = await (await api.ask('/docs')).text()
  const places = new Set([...page.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id))
  const links = [...page.matchAll(/href="#([^"]+)"/g)].map(([, id]) => id)
  expect(links.filter((id) => !places.has(id))).toEqual([])
  const document = createDocument(OPERATIONS, '1')
  const shapes = Object.keys(document.components.schemas).map((name) => `schema-${name}`)
  expect([...Object.keys(OPERATIONS), ...shapes].filter((id) => !places.has(id))).toEqual([])
  expect(page.match(/<pre tabindex="0">curl/g)).toHaveLength(Object.keys(OPERATIONS).length)
})

test('what is put into the page is text', () => {
  expect(html`<p title="${'"><script>'}">${prose('a `<b>` & c')}</p>`.html).toBe(
    '<p title="&quot;&gt;&lt;script&gt;">a <code>&lt;b&gt;</code> &amp; c</p>',
  )
})
