import { expect, test } from 'vitest'
import type { Conversation, SessionSpec } from '../types.js'
import { launchKey, reuseKey } from './keys.js'

const base: SessionSpec = {
  tenant: 't1',
  cwd: '/ws/t1',
  home: '/state/t1',
  credential: 'default',
  env: { A: '1', B: '2' },
  permissionMode: 'dontAsk',
  trustWorkspace: false,
}

const launched: Record<string, Partial<SessionSpec>> = {
  tenant: { tenant: 't2' },
  cwd: { cwd: '/ws/t1/sub' },
  home: { home: '/state/t2' },
  credential: { credential: 'other' },
  'value in env': { env: { A: '1', B: '3' } },
  'name in env': { env: { A: '1' } },
  permissionMode: { permissionMode: 'plan' },
  model: { model: 'haiku' },
  allowedTools: { allowedTools: ['Bash'] },
  disallowedTools: { disallowedTools: ['Bash'] },
  trustWorkspace: { trustWorkspace: true },
}

const conversation: Conversation = {
  id: 's1',
  revision: '1',
  interrupted: false,
  load: async () => ({ sessionId: '', rows: [] }),
}

const initialized: Record<string, Partial<SessionSpec>> = {
  systemPrompt: { systemPrompt: '' },
  appendSystemPrompt: { appendSystemPrompt: 'x' },
  outputSchema: { outputSchema: {} },
  conversation: { conversation },
}

test.each(Object.entries(launched))('another %s needs another process', (_field, change) => {
  expect(launchKey({ ...base, ...change })).not.toBe(launchKey(base))
  expect(reuseKey({ ...base, ...change })).not.toBe(reuseKey(base))
})

test.each(Object.entries(initialized))('another %s may have an unused process, not a used one', (_field, change) => {
  expect(launchKey({ ...base, ...change })).toBe(launchKey(base))
  expect(reuseKey({ ...base, ...change })).not.toBe(reuseKey(base))
})

test('every field of a spec is in a case above', () => {
  const full: Required<SessionSpec> = {
    ...base,
    model: '',
    systemPrompt: '',
    appendSystemPrompt: '',
    allowedTools: [],
    disallowedTools: [],
    outputSchema: {},
    conversation,
  }
  const cases = [...Object.values(launched), ...Object.values(initialized)].flatMap((change) => Object.keys(change))
  expect(new Set(cases)).toEqual(new Set(Object.keys(full)))
})

test('the order in which names and fields are written does not matter', () => {
  const { env: _env, ...rest } = base
  expect(reuseKey({ env: { B: '2', A: '1' }, ...rest })).toBe(reuseKey(base))
})

test('a process that has a conversation serves it only as far as it has come, and by its kept key', () => {
  const spec = { ...base, conversation }
  expect(reuseKey({ ...base, conversation: { ...conversation, id: 's2' } })).not.toBe(reuseKey(spec))
  expect(reuseKey({ ...base, conversation: { ...conversation, revision: '2' } })).not.toBe(reuseKey(spec))
  expect(reuseKey(base, { id: 's1', revision: '1' })).toBe(reuseKey(spec))
})
