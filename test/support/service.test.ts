import { existsSync } from 'node:fs'
import { expect, test } from 'vitest'
import { makeFolder } from './folder.js'
import { processesOf } from './processes.js'
import { startRedis } from './redis.js'
import { runNode, startNode } from './service.js'

const SERVICE = `
  process.on('SIGTERM', () => { console.error('stopping'); process.exit(3) })
  process.send({ type: 'ready', url: 'http://127.0.0.1:1' })
  console.log('listening on 1')
  console.log(JSON.stringify(Object.keys(process.env).filter((name) => name.startsWith('PLANTED'))))
  setInterval(() => {}, 1_000)`

test('a service is waited for by its line or its message, and stopped', async () => {
  process.env['PLANTED_KEY'] = 'x'
  await using service = startNode(['-e', SERVICE], { env: { PLANTED: 'y' } })
  expect((await service.line(/listening on (\d)/))[1]).toBe('1')
  expect(await service.message((message) => (message as { url?: string }).url)).toBe('http://127.0.0.1:1')
  expect((await service.line(/^\[.*\]$/))[0]).toBe('["PLANTED"]')
  expect(await service.stop()).toMatchObject({ code: 3, signal: null, stderr: 'stopping\n' })
  await expect(service.line(/never/)).rejects.toThrow('it ended first (3): stopping')
})

test('a service that does not stop is ended', async () => {
  const service = startNode(['-e', `process.on('SIGTERM', () => {}); console.log('up'); setInterval(() => {}, 1_000)`])
  await service.line(/up/)
  expect((await service.stop(100)).signal).toBe('SIGKILL')
})

test('a command is run to its end with its input', async () => {
  const end = await runNode(['-e', 'process.stdin.pipe(process.stdout)'], { stdin: 'said\n' })
  expect(end).toEqual({ code: 0, signal: null, stdout: 'said\n', stderr: '' })
})

test('a Redis and a folder are gone after use', async () => {
  let redis
  {
    await using folder = await makeFolder()
    await using first = await startRedis({ dataDir: folder.path })
    redis = first
    expect(first.dataDir).toBe(folder.path)
    await first.kill()
    await using again = await startRedis({ dataDir: folder.path })
    expect(again.pid).not.toBe(first.pid)
  }
  expect(existsSync(redis.dataDir)).toBe(false)
})

test.runIf(process.platform === 'linux')('a process is found by its mark and by its ancestors', async () => {
  await using marked = startNode(['-e', `console.log('up'); setInterval(() => {}, 1_000)`, 'a-mark-of-this-test'])
  await marked.line(/up/)
  const found = await processesOf('a-mark-of-this-test', 1 << 30)
  expect(found?.map(({ pid }) => pid)).toEqual([marked.pid])
  const below = await processesOf('a mark of no process', process.pid)
  expect(below?.map(({ pid }) => pid)).toContain(marked.pid)
})
