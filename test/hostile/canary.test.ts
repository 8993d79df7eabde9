import { readdir, mkdir, readFile, writeFile } from 'node:fs/promises'
import { createHash, randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { FleetClient } from '@claude-fleet/client'
import { startSimulator, type Simulator } from '@claude-fleet/simulator'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { makeFolder } from '../support/folder.js'
import { openRawRedis } from '../support/raw-redis.js'
import { startRedis, type PrivateRedis } from '../support/redis.js'
import { CLAUDE_FLEET, startNode, type RunningProcess } from '../support/service.js'

const canary = (name: string) => `canary-${name}-${randomBytes(8).toString('hex')}`
const CREDENTIAL = `sk-ant-api03-${canary('credential')}`
const SECRETS = {
  credential: CREDENTIAL,
  'second credential': canary('tool'),
  'password of Redis': canary('redis'),
  'key of the API': canary('api'),
  'password of the operators': canary('admin'),
  'key of jobs': randomBytes(32).toString('hex'),
  'key of webhooks': randomBytes(32).toString('hex'),
  'environment of the worker': canary('worker'),
}
/** May be anywhere: finding it proves that a place was searched. */
const MARKER = `marker-${randomBytes(8).toString('hex')}`

let folder: Awaited<ReturnType<typeof makeFolder>>
let redis: PrivateRedis
let model: Simulator
let url: string
let boardUrl: string
const services: RunningProcess[] = []
beforeAll(async () => {
  folder = await makeFolder()
  redis = await startRedis({ password: SECRETS['password of Redis'] })
  model = await startSimulator()
  const credentials = join(folder.path, 'credentials.json')
  const env = {
    ANTHROPIC_API_KEY: CREDENTIAL,
    ANTHROPIC_BASE_URL: model.url,
    SECOND_TOKEN: SECRETS['second credential'],
  }
  await writeFile(credentials, JSON.stringify({ default: { env } }), { mode: 0o600 })
  const sha256 = createHash('sha256').update(SECRETS['key of the API']).digest('hex')
  const shared = { REDIS_URL: redis.url, FLEET_JOB_KEY: SECRETS['key of jobs'], FLEET_LOG_LEVEL: 'debug' }
  const api = startNode([CLAUDE_FLEET, 'api'], {
    env: {
      ...shared,
      FLEET_API_PORT: '0',
      FLEET_API_KEYS: `acme:${sha256}:enqueue+read+admin`,
      FLEET_WEBHOOK_KEY: SECRETS['key of webhooks'],
      FLEET_WEBHOOK_ALLOW: '127.0.0.1',
      FLEET_AUDIT_LOG: join(folder.path, 'audit.ndjson'),
    },
  })
  const board = startNode([CLAUDE_FLEET, 'board'], {
    env: { ...shared, FLEET_BOARD_PORT: '0', FLEET_ADMIN_PASSWORD: SECRETS['password of the operators'] },
  })
  const worker = startNode([CLAUDE_FLEET, 'worker'], {
    env: {
      ...shared,
      FLEET_WORKER_ID: 'w1',
      FLEET_CONCURRENCY: '1',
      FLEET_SPARES: '0',
      FLEET_WORKSPACE_ROOT: join(folder.path, 'workspaces'),
      FLEET_STATE_DIR: join(folder.path, 'state'),
      FLEET_CREDENTIALS_FILE: credentials,
      OTHER_SECRET: SECRETS['environment of the worker'],
    },
  })
  services.push(api, board, worker)
  url = await api.message((message) => (message as { url?: string }).url)
  boardUrl = await board.message((message) => (message as { url?: string }).url)
  await worker.message((message) => ((message as { type?: string }).type === 'ready' ? true : undefined))
})
afterAll(async () => {
  await Promise.all(services.map((service) => service.stop()))
  await model.close()
  await redis.stop()
  await folder.remove()
})

/** What a tool of a job does that looks for secrets: its environment, and a file that has them, whole and in pieces. */
const LOOK = [
  'env',
  'cat planted.txt',
  'head -c 20 planted.txt; tail -c +21 planted.txt',
  'while read -r line; do echo "$line"; done < planted.txt >&2',
].join('; ')

test('no secret is in Redis, streams, results, logs, figures, pages or folders, where a marker is found', async () => {
  const work = join(folder.path, 'workspaces', 'acme')
  await mkdir(work, { recursive: true, mode: 0o700 })
  const planted = join(work, 'planted.txt')
  await writeFile(planted, `${CREDENTIAL}\n${SECRETS['second credential']}\n${MARKER}\n`)
  const client = await FleetClient.connect({ url, apiKey: SECRETS['key of the API'] })
  const hook = await client.webhooks.create({ url: 'http://127.0.0.1:9999/', description: MARKER })
  const session = await client.sessions.create({ allowedTools: ['Bash'], metadata: { marker: MARKER } })
  const prompt = `[[tool:Bash:${JSON.stringify({ command: LOOK })}]] ${MARKER}`
  const jobs = [
    await client.enqueue({ prompt, session: session.id }),
    await client.enqueue({ prompt, allowedTools: ['Bash'] }),
    await client.enqueue({ prompt: `[[status:401]] ${MARKER}`, attempts: 1 }),
  ]
  const places = new Map<string, string>()
  for (const [at, job] of jobs.entries()) {
    const events = []
    for await (const event of job.events()) events.push(event)
    places.set(`events of job ${at}`, JSON.stringify(events))
  }
  expect(places.get('events of job 1')).toContain('[redacted]')

  const bearer = { authorization: `Bearer ${SECRETS['key of the API']}` }
  const ids = jobs.map(({ id }) => id)
  const api = async (path: string, headers: Record<string, string> = bearer) =>
    (await fetch(url + path, { headers })).text()
  places.set('jobs', (await Promise.all(ids.map((id) => api(`/v1/jobs/${id}`)))).join() + (await api('/v1/jobs')))
  places.set('stream', await api(`/v1/jobs/${ids[1]}/events`))
  places.set('sessions', (await api('/v1/sessions')) + (await api(`/v1/sessions/${session.id}`)))
  const rest = [
    '/v1/stats',
    '/v1/workers',
    '/v1/credentials',
    '/metrics',
    '/readyz',
    '/openapi.json',
    '/docs',
    '/v1/none',
  ]
  places.set('figures', (await Promise.all(rest.map((path) => api(path)))).join())
  places.set('refusals', await api('/v1/jobs', { authorization: 'Bearer wrong' }))
  const login = Buffer.from(`admin:${SECRETS['password of the operators']}`).toString('base64')
  const board = (path: string) =>
    fetch(boardUrl + path, { headers: { authorization: `Basic ${login}` } }).then((reply) => reply.text())
  const pages = [
    '/',
    '/api/fleet',
    '/api/jobs',
    '/admin/queues',
    ...ids.map((id) => `/admin/queues/api/queues/prompts/${id}`),
  ]
  places.set('board', (await Promise.all(pages.map(board))).join())
  places.set('Bull Board', await board('/admin/queues/api/queues?activeQueue=prompts&status=completed&page=1'))

  places.set('Redis', await wholeRedis())
  await client.close()
  const ends = await Promise.all(services.map((service) => service.stop()))
  places.set('logs', ends.map(({ stdout, stderr }) => stdout + stderr).join())
  places.set('audit log', await readFile(join(folder.path, 'audit.ndjson'), 'utf8'))
  // It was put there to be shown; what else there is of a job is not to hold it.
  await writeFile(planted, MARKER)
  places.set('workspaces', await wholeFolder(work))

  const secrets = { ...SECRETS, 'secret of a webhook': hook.secret }
  const found = [...places].flatMap(([place, text]) =>
    Object.entries(secrets).flatMap(([name, secret]) => (text.includes(secret) ? [`${name} in ${place}`] : [])),
  )
  expect(found).toEqual([])
  const searched = [...places].filter(([, text]) => text.includes(MARKER)).map(([place]) => place)
  expect(searched).toEqual(
    expect.arrayContaining([
      'events of job 0',
      'events of job 1',
      'stream',
      'sessions',
      'Redis',
      'Bull Board',
      'workspaces',
    ]),
  )
})

/** Every key with all it holds, also what is packed. */
async function wholeRedis(): Promise<string> {
  using raw = openRawRedis(redis.url)
  // Else long texts stand compressed in a dump.
  await raw.call('CONFIG', 'SET', 'rdbcompression', 'no')
  const keys = (await raw.call('KEYS', '*')) as string[]
  const texts: string[] = []
  let unpacked = ''
  for (const key of keys) {
    texts.push(key, String(await raw.call('DUMP', key)))
    if (key.endsWith(':rows')) {
      const rows = (await raw.bytes('LRANGE', key, 0, -1)) as Buffer[]
      unpacked += rows.map((row) => gunzipSync(row).toString()).join()
    }
  }
  // The memory of the session is there, and was searched.
  expect(unpacked).toContain(MARKER)
  return texts.join('\n') + unpacked
}

async function wholeFolder(path: string): Promise<string> {
  const entries = await readdir(path, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
  return (await Promise.all(files.map((file) => readFile(file, 'latin1')))).join('\n')
}
