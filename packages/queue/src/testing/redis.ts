import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A private Redis of one test file, on a socket in its own folder. */
export interface TestRedis {
  url: string
  pid: number
  /** Ends it as a crash would. */
  kill(): Promise<void>
  stop(): Promise<void>
}

/** Starts a Redis; `dir` reuses the folder of an earlier one. */
export async function startTestRedis(options: { dir?: string } = {}): Promise<TestRedis & { dir: string }> {
  const dir = options.dir ?? (await mkdtemp(join(tmpdir(), 'fleet-redis-')))
  const socket = join(dir, 'redis.sock')
  const binary = process.env['FLEET_TEST_REDIS_SERVER'] ?? 'redis-server'
  const args = ['--port', '0', '--unixsocket', socket, '--dir', dir, '--save', '', '--appendonly', 'yes']
  const server = spawn(binary, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const exited = new Promise<void>((resolve) => server.once('exit', () => resolve()))
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.once('exit', (code) => reject(new Error(`redis-server exited with ${code}`)))
    server.stdout.on('data', (chunk: Buffer) => {
      if (/ready to accept/i.test(chunk.toString())) resolve()
    })
  })
  const kill = async () => {
    server.kill('SIGKILL')
    await exited
  }
  return {
    dir,
    url: `unix://${socket}`,
    pid: server.pid ?? 0,
    kill,
    async stop() {
      await kill()
      await rm(dir, { recursive: true, force: true })
    },
  }
}
