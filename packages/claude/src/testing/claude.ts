import { mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'
import { findClaude } from '../launch/binary.js'
import { createSessionStarter, type SessionStarterOptions } from '../starter.js'
import type { ClaudeSession, SessionSpec, TurnFacts, TurnMessage, TurnOptions } from '../types.js'
import { startModel, type Model, type ModelStep, type ModelRequest } from './model.js'

export const PATH = `${dirname(process.execPath)}:/usr/local/bin:/usr/bin:/bin`

const projectRoot = fileURLToPath(new URL('../../../..', import.meta.url))

/** The claude that is pinned by the project. */
export const claude = findClaude({ path: PATH, resolveFrom: [projectRoot] })

/** A real claude with a model on loopback, folders of its own, and nothing left of either after the test. */
export interface Bench {
  model: Model
  spec: SessionSpec
  start(more?: Partial<SessionSpec>, options?: Partial<SessionStarterOptions>): Promise<ClaudeSession>
}

export async function startBench(reply: (request: ModelRequest, count: number) => ModelStep[]): Promise<Bench> {
  const root = await realpath(await mkdtemp(join(tmpdir(), 'cf-')))
  onTestFinished(() => rm(root, { recursive: true, force: true }))
  const model = await startModel(reply)
  onTestFinished(() => model.close())
  const spec: SessionSpec = {
    tenant: 't',
    cwd: await mkdtemp(join(root, 'ws-')),
    home: await mkdtemp(join(root, 'home-')),
    credential: 'default',
    env: { ANTHROPIC_API_KEY: 'fake-key', ANTHROPIC_BASE_URL: model.url },
    permissionMode: 'dontAsk',
    allowedTools: ['Bash'],
    trustWorkspace: false,
  }
  return {
    model,
    spec,
    async start(more = {}, options = {}) {
      const startSession = await createSessionStarter({ claude: await claude, path: PATH, ...options })
      const session = await startSession({ ...spec, ...more }, new AbortController().signal)
      onTestFinished(() => session.close())
      return session
    },
  }
}

/** Runs one turn to its end. `onMessage` may look at each message as it comes. */
export async function runTurn(
  session: ClaudeSession,
  prompt: string | undefined,
  options: Partial<TurnOptions> = {},
  onMessage: (message: TurnMessage) => void = () => undefined,
): Promise<{ messages: TurnMessage[]; facts: TurnFacts }> {
  const messages: TurnMessage[] = []
  const turn = session.turn(prompt, {
    signal: new AbortController().signal,
    timeoutMs: 20_000,
    idleTimeoutMs: 10_000,
    ...options,
  })
  for await (const message of turn) {
    if (message.type === 'end') return { messages, facts: message.facts }
    messages.push(message)
    onMessage(message)
  }
  throw new Error('the turn ended without an end')
}
