import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { expect, test } from 'vitest'
import { startSimulator } from './simulator.js'

const BIN = join(import.meta.dirname, '../bin/claude-fleet-simulator.mjs')

test.each(['SIGTERM', 'SIGINT'] as const)('the command serves until %s, and ends with 0', async (signal) => {
  const command = run('--port', '0', '--log')
  const [line] = (await command.stdout.next()) as [string]
  const url = /ANTHROPIC_BASE_URL=(\S+) ANTHROPIC_API_KEY=simulated\n$/.exec(line)?.[1] ?? ''
  const messages = [{ role: 'user', content: '[[hang-after:1]] hello' }]
  const body = JSON.stringify({ model: 'm', stream: true, messages })
  const reply = await fetch(`${url}/v1/messages?beta=true`, { method: 'POST', body })
  command.kill(signal)
  await expect(reply.text()).rejects.toThrow('terminated')
  expect(await command.ended).toBe(0)
  expect(await command.stderr).toMatch(/^POST \/v1\/messages\?beta=true 200 \d+ ms\n$/)
})

test('a port that is taken is said in one line', async () => {
  const taken = await startSimulator()
  const command = run('--port', String(taken.port))
  expect(await command.stderr).toMatch(/^listen EADDRINUSE.*\n$/)
  expect(await command.ended).toBe(1)
  await taken.close()
})

test.each([['--port', '70000'], ['--port', '1e3'], ['--nope']])('%s %s is bad usage', async (...args) => {
  const command = run(...args.filter((one) => one !== undefined))
  expect(await command.stderr).toContain('usage: claude-fleet-simulator')
  expect(await command.ended).toBe(2)
})

function run(...args: string[]) {
  const child = spawn(process.execPath, [BIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
  const chunks = child.stdout.setEncoding('utf8').iterator() as AsyncIterator<string>
  return {
    stdout: { next: async () => [(await chunks.next()).value] },
    stderr: text(child.stderr),
    ended,
    kill: (signal: NodeJS.Signals) => child.kill(signal),
  }
}
