import { expect, test } from 'vitest'
import { createRedactor } from './redactor.js'

const redact = createRedactor([
  { ANTHROPIC_API_KEY: 'sk-canary-1' },
  { TOKEN: 'sk-canary-1-longer', AWS_REGION: 'eu-central-1' },
])

test('a secret is replaced wherever it stands in a published value', () => {
  const event = {
    type: 'tool_use',
    input: { command: 'echo sk-canary-1', list: ['a', 'xsk-canary-1-longery'] },
    count: 3,
  }
  expect(redact(event)).toEqual({
    type: 'tool_use',
    input: { command: 'echo [redacted]', list: ['a', 'x[redacted]y'] },
    count: 3,
  })
})

test('what is no secret stays', () => {
  expect(redact({ text: 'in eu-central-1', nothing: null })).toEqual({ text: 'in eu-central-1', nothing: null })
})
