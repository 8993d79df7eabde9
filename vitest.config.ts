import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: [
      'packages/*/src/**/*.test.ts',
      'apps/*/src/**/*.test.ts',
      'scripts/**/*.test.mjs',
      'test/{e2e,faults,fuzz,hostile,support}/**/*.test.ts',
    ],
    globalSetup: 'test/support/run.ts',
    // Processes: what a test leaves behind dies with its file's process or is seen; threads share signals and cwd.
    pool: 'forks',
    // One more than the cores of a small machine: much of the time is spent waiting for other processes.
    maxWorkers: 3,
    // Of the fault tests, which mostly wait: each has a Redis, two workers and their claudes.
    maxConcurrency: 4,
    testTimeout: 30_000,
    hookTimeout: 60_000,
    teardownTimeout: 30_000,
    expect: { requireAssertions: true },
    reporters: ['default'],
  },
})
