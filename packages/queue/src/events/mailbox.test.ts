import { expect, test } from 'vitest'
import { createMailboxes } from './mailbox.js'

const { signal } = new AbortController()

test('a mailbox that is full is emptied, and its reader is sent to the log once', async () => {
  const mailbox = createMailboxes({ chars: 10, together: 100 })()
  for (const message of ['12345', '12345', '1']) mailbox.message(message)
  mailbox.message('later')
  expect(await mailbox.next(1_000, signal)).toBe('check')
  expect(await mailbox.next(1_000, signal)).toBe('later')
})

test('readers together hold no more than all may: the one that would exceed it is emptied, the others keep theirs', async () => {
  const open = createMailboxes({ chars: 10, together: 12 })
  const [slow, other] = [open(), open()]
  slow.message('1234567890')
  other.message('123')
  expect(await other.next(1_000, signal)).toBe('check')
  expect(await slow.next(1_000, signal)).toBe('1234567890')
  slow.message('1234567890')
  slow.close()
  // What a closed one held is free again.
  other.message('123456789')
  expect(await other.next(1_000, signal)).toBe('123456789')
})
