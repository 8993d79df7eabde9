import { parseArgs } from 'node:util'
import { z } from 'zod'
import { startSimulator } from './simulator.js'

const USAGE = 'usage: claude-fleet-simulator [--port N] [--log]'
const EXIT_USAGE = 2

/** Runs the simulated Messages API in the foreground. SIGINT and SIGTERM end it with 0. */
async function main(): Promise<void> {
  const flags = readFlags()
  if (flags === undefined) return
  const ending = new Promise<void>((resolve) => {
    process.once('SIGINT', resolve)
    process.once('SIGTERM', resolve)
  })
  const log = (line: string) => void process.stderr.write(`${line}\n`)
  const simulator = await startSimulator({ port: flags.port, ...(flags.log ? { log } : {}) })
  process.stdout.write(
    `simulated model at ${simulator.url} for ANTHROPIC_BASE_URL=${simulator.url} ANTHROPIC_API_KEY=simulated\n`,
  )
  await ending
  await simulator.close()
}

function readFlags(): { port: number; log: boolean } | undefined {
  try {
    const { values } = parseArgs({
      options: { port: { type: 'string' }, log: { type: 'boolean' }, help: { type: 'boolean' } },
    })
    if (values.help === true) process.stdout.write(`${USAGE}\n`)
    else return { port: portSchema.parse(values.port ?? '0'), log: values.log ?? false }
  } catch (error) {
    const why = error instanceof z.ZodError ? '--port is a number from 0 to 65535' : (error as Error).message
    process.stderr.write(`${why}\n${USAGE}\n`)
    process.exitCode = EXIT_USAGE
  }
  return undefined
}

const portSchema = z.string().regex(/^\d+$/).transform(Number).pipe(z.number().max(65_535))

try {
  await main()
} catch (error) {
  // A port that is taken, mostly.
  process.stderr.write(`${(error as Error).message}\n`)
  process.exitCode = 1
}
