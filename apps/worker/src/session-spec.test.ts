import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { jobSpecSchema, type JobInput } from '@claude-fleet/core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createSessionSpecSource, type SessionSpecSource } from './session-spec.js'

let root: string
let source: SessionSpecSource
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'spec-'))
  source = createSessionSpecSource({
    policy: { allowedEnv: new Set(['LANG']), permissionModes: new Set(['dontAsk']) },
    credentials: new Map([
      ['default', { name: 'default', env: {}, tenants: undefined }],
      ['theirs', { name: 'theirs', env: {}, tenants: ['others'] }],
    ]),
    networkEnv: {},
    workspaceRoot: join(root, 'ws'),
    stateDir: join(root, 'state'),
    trustedWorkspaces: [],
  })
})
afterAll(() => rm(root, { recursive: true }))

const specOf = (input: Partial<JobInput>) =>
  source({ tenant: 'acme', spec: jobSpecSchema.parse({ prompt: 'p', ...input }) })

// The API answers the same two with 400 and 403, which are these codes.
test('what the operator does not allow is refused with the code and the field that the API would name', async () => {
  await expect(specOf({ env: { LANG: 'C', BUN_OPTIONS: '--preload x' } })).rejects.toMatchObject({
    code: 'INVALID_REQUEST',
    retryable: false,
    details: { errors: [{ path: 'env.BUN_OPTIONS', message: expect.stringContaining('allowed: LANG') as string }] },
  })
  await expect(specOf({ permissionMode: 'bypassPermissions' })).rejects.toMatchObject({
    code: 'FORBIDDEN',
    retryable: false,
    details: { errors: [{ path: 'permissionMode', message: expect.stringContaining('allowed: dontAsk') as string }] },
  })
  await expect(specOf({ credential: 'theirs' })).rejects.toMatchObject({ code: 'FORBIDDEN' })
  await expect(specOf({ env: { LANG: 'C' } })).resolves.toMatchObject({ env: { LANG: 'C' }, permissionMode: 'dontAsk' })
})
