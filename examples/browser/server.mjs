import { fileURLToPath } from 'node:url'
import { FleetClient } from '@claude-fleet/client'
import express from 'express'

// The key stays here: the browser talks to this service alone.
const fleet = await FleetClient.connect({
  url: process.env['FLEET_URL'] ?? 'http://127.0.0.1:3000',
  apiKey: process.env['FLEET_API_KEY'],
})
const app = express()
app.use(express.json({ limit: '1mb' }))

app.get('/', (_request, response) => response.sendFile(fileURLToPath(new URL('page.html', import.meta.url))))

app.post('/questions', async (request, response) => {
  // A service with users notes here whose job it is, and asks below whether it is theirs.
  const job = await fleet.enqueue({ prompt: String(request.body?.prompt ?? '') })
  response.status(202).json({ id: job.id })
})

app.get('/questions/:id/events', async (request, response) => {
  const leave = new AbortController()
  response.once('close', () => leave.abort())
  const after = Number(request.get('last-event-id') ?? 0)
  const begin = () => {
    if (response.headersSent) return
    response.set({ 'content-type': 'text/event-stream', 'cache-control': 'no-store', 'x-accel-buffering': 'no' })
    response.flushHeaders()
  }
  const ping = setInterval(() => {
    begin()
    response.write(': ping\n\n')
  }, 15_000)
  try {
    for await (const event of fleet.job(request.params.id).events({ after, signal: leave.signal })) {
      begin()
      const room = response.write(`id: ${event.seq}\nevent: fleet\ndata: ${JSON.stringify(event)}\n\n`)
      // A slow browser: wait for it, in place of keeping its events in memory.
      if (!room && !leave.signal.aborted) {
        await new Promise((resolve) => {
          response.once('drain', resolve)
          response.once('close', resolve)
        })
      }
    }
    // Nothing came after the last event: 204 tells an EventSource not to come back.
    if (!response.headersSent) response.status(204)
    response.end()
  } finally {
    clearInterval(ping)
  }
})

/** @type {express.ErrorRequestHandler} */
const onError = (error, _request, response, _next) => {
  // After the first event there is no status to give: the browser comes back by itself.
  if (response.headersSent) return void response.destroy()
  const status = Number(error?.details?.status ?? (error?.code === 'INVALID_REQUEST' ? 400 : 502))
  response.status(status).json({ code: error?.code ?? 'INTERNAL' })
}
app.use(onError)

const server = app.listen(Number(process.env['PORT'] ?? 8080), '127.0.0.1', () => {
  const address = server.address()
  if (address !== null && typeof address === 'object') console.log(`http://127.0.0.1:${address.port}`)
})

process.once('SIGTERM', () => {
  server.close()
  server.closeAllConnections()
  void fleet.close()
})
