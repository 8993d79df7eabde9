import { defineConfig, mergeConfig } from 'vitest/config'
import base from './vitest.config.js'

/** `npm run test:browser`: the operators' site in a real Chromium. */
export default mergeConfig(
  { ...base, test: { ...base.test, include: [] } },
  defineConfig({ test: { include: ['test/browser/**/*.test.ts'], testTimeout: 60_000 } }),
)
