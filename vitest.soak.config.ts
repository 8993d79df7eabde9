import { defineConfig, mergeConfig } from 'vitest/config'
import base from './vitest.config.js'

/** `npm run soak`: a fleet under load and random faults, for as long as it is told. */
export default mergeConfig(
  { ...base, test: { ...base.test, include: [] } },
  defineConfig({ test: { include: ['test/soak/**/*.test.ts'], testTimeout: 0, hookTimeout: 0 } }),
)
