/**
 * A soak: `npm run soak -- [--minutes N] [--seed N] [--report FILE]`. A fleet of four workers under every kind of job and
 * a random fault every few seconds; at the end it is proven that nothing was lost. Default: 30 minutes, a new seed.
 */
import { spawnSync } from 'node:child_process'
import { parseArgs } from 'node:util'

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '30' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31)) },
    report: { type: 'string' },
  },
})
const minutes = Number(values.minutes)
if (!(minutes > 0)) throw new RangeError('--minutes is a number above 0')

const vitest = ['node_modules/vitest/vitest.mjs', 'run', '--config', 'vitest.soak.config.ts']
const { status } = spawnSync(process.execPath, vitest, {
  stdio: 'inherit',
  env: {
    ...process.env,
    SOAK_MINUTES: values.minutes,
    SOAK_SEED: values.seed,
    ...(values.report === undefined ? {} : { SOAK_REPORT: values.report }),
  },
})
process.exit(status ?? 1)
