// A process of readers for streams.mjs. Does what its parent says, says `begun` when all listen, and `done` with what they saw.
import { get } from 'node:http'
import { createRequire } from 'node:module'
import { join } from 'node:path'

const { Redis } = createRequire(join(import.meta.dirname, '..', '..', 'packages', 'queue', 'package.json'))('ioredis')

process.on('message', (task) => {
  const work = task.task === 'subscribe' ? subscribe(task) : follow(task)
  work.then(
    (seen) => process.send({ word: 'done', ...seen }),
    (error) => {
      console.error(error)
      process.exit(1)
    },
  )
})
async function subscribe({ redis, channel, count }) {
  const line = new Redis(redis)
  await line.subscribe(channel)
  let left = count
  const all = new Promise((resolve) =>
    line.on('message', (_channel, text) => JSON.parse(text) && (left -= 1) === 0 && resolve()),
  )
  process.send({ word: 'begun' })
  await all
  line.disconnect()
  return {}
}

async function follow({ url, ids, stamps }) {
  const latencies = []
  const counts = []
  let waiting = ids.length
  const streams = ids.map(async (id) => {
    const response = await new Promise((resolve, reject) =>
      get(`${url}/v1/jobs/${id}/events`, { agent: false }, resolve).on('error', reject),
    )
    response.setEncoding('utf8')
    let rest = ''
    let seq = 0
    let logs = 0
    for await (const chunk of response) {
      rest += chunk
      const frames = rest.split('\n\n')
      rest = frames.pop()
      for (const frame of frames) {
        const data = /^data: (.*)$/m.exec(frame)?.[1]
        if (data === undefined) continue
        const event = JSON.parse(data)
        if (event.seq !== seq + 1) throw new Error(`event ${event.seq} came after ${seq}`)
        seq = event.seq
        if (event.type === 'log') logs += 1
        if (event.type === 'started' && (waiting -= 1) === 0) process.send({ word: 'begun' })
        if (stamps && event.type === 'text') {
          const now = performance.timeOrigin + performance.now()
          for (const stamp of event.text.split(',').filter(Boolean)) latencies.push(now - Number(stamp))
        }
      }
    }
    counts.push(logs)
  })
  await Promise.all(streams)
  return { latencies, counts }
}
