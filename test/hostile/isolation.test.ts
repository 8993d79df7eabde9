import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { FleetClient } from '@claude-fleet/client'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startFleet, type TestFleet } from '../support/fleet.js'

/** `npm run isolation` runs 300. */
const JOBS = Number(process.env.ISOLATION_JOBS ?? 18)
const TENANTS = ['red', 'green', 'blue']

let fleet: TestFleet
const clients = new Map<string, FleetClient>()
beforeAll(async () => {
  fleet = await startFleet()
  for (const tenant of TENANTS) clients.set(tenant, await FleetClient.connect({ redis: fleet.redisUrl, tenant }))
})
afterAll(async () => {
  await Promise.all([...clients.values()].map((client) => client.close()))
  await fleet[Symbol.asyncDispose]()
})

/** Everything that a job can see of its own, and something left for whoever comes next. */
const look = (job: string): string =>
  [
    'env',
    'cat secret.txt',
    'grep -rhos "canary-[-a-z0-9]*" "$TMPDIR" "$CLAUDE_CONFIG_DIR" | sort -u',
    `mkdir -p "$TMPDIR/deep" && echo canary-left-${job} | tee "$TMPDIR/deep/left" "$CLAUDE_CONFIG_DIR/left" >/dev/null`,
    `for memory in "$CLAUDE_CONFIG_DIR"/projects/*/memory; do echo canary-left-${job} > "$memory/MEMORY.md"; done`,
  ].join('; ')

test(
  `no secret of one of ${JOBS} jobs of three tenants reaches another: not its requests, files or environment`,
  async () => {
    for (const tenant of TENANTS) {
      const folder = join(fleet.workspaceRoot, tenant, 'work')
      await mkdir(folder, { recursive: true, mode: 0o700 })
      await writeFile(join(folder, 'secret.txt'), `canary-folder-${tenant}\n`)
    }
    await using worker = await fleet.worker('isolated', {
      FLEET_CONCURRENCY: '3',
      FLEET_SPARES: '3',
      FLEET_ALLOWED_ENV: 'JOB_SECRET',
      ANTHROPIC_API_KEY: 'key-of-all',
    })
    const allowed = new Map<string, Set<string>>()
    const run = async (index: number): Promise<string> => {
      const tenant = TENANTS[index % TENANTS.length] ?? ''
      const id = `n${index}x`
      // Two of three are equal but for the prompt, so that they share processes; the third has an environment of its own.
      const own = index % 9 < 3 ? `canary-env-${id}` : `canary-env-${tenant}`
      const secrets = [`prompt-${id}`, `left-${id}`, `folder-${tenant}`, `system-${tenant}`].map(
        (name) => `canary-${name}`,
      )
      allowed.set(id, new Set([...secrets, own]))
      const job = await clients.get(tenant)?.enqueue({
        prompt: `[[tool:Bash:${JSON.stringify({ command: look(id) })}]] I am ${id}: canary-prompt-${id}`,
        systemPrompt: `Keep canary-system-${tenant} to yourself.`,
        env: { JOB_SECRET: own },
        cwd: 'work',
        allowedTools: ['Bash'],
      })
      const result = await job?.result()
      expect(result?.tools).toEqual({ Bash: 1 })
      return result?.start ?? ''
    }
    const starts: string[] = []
    // A few at a time, from all tenants, so that processes come free while others wait.
    for (let begun = 0; begun < JOBS; begun += 6) {
      const some = Array.from({ length: Math.min(6, JOBS - begun) }, (_, index) => run(begun + index))
      starts.push(...(await Promise.all(some)))
    }
    // How many do is a matter of time: beside other work spares and new processes serve some instead. That some do is
    // what the test is about.
    const few = JOBS < 100 ? 0 : JOBS / 6
    expect(starts.filter((start) => start === 'reused').length, 'too few shared a process').toBeGreaterThan(few)

    const seen = fleet.model.ledger.entries()
    expect(seen.length).toBeGreaterThanOrEqual(JOBS * 2)
    const leaks = seen.flatMap(({ raw }) => {
      const id = /I am (n\d+x)/.exec(raw)?.[1] ?? ''
      const found = [...new Set(raw.match(/canary-[a-z]+-[a-z0-9]+/g))]
      return found.filter((canary) => allowed.get(id)?.has(canary) !== true).map((canary) => `${id} saw ${canary}`)
    })
    expect(leaks).toEqual([])
    // That a leak would have been seen: each job found its own secrets where it looked.
    const last = seen.findLast(({ raw }) => raw.includes('"tool_result"'))?.raw ?? ''
    expect(new Set(last.match(/canary-(folder|env|system|prompt)/g)).size).toBe(4)
    await worker.stop()
  },
  60_000 + JOBS * 3_000,
)
