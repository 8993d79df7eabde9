import { expect, test } from 'vitest'
import { END_EVENT_TYPES, isEndEvent } from './event.js'
import { END_STATES, isEndState, JOB_STATES, JOB_TRANSITIONS } from './state.js'

test('nothing follows an end, and every other state can come to one', () => {
  for (const state of JOB_STATES) {
    const next = JOB_TRANSITIONS[state]
    if (isEndState(state)) expect(next).toEqual([])
    else expect(next).toEqual(expect.arrayContaining(['cancelled', 'failed']))
  }
})

test('every state but the first ones is reached, and only an active job completes', () => {
  const reached = new Set(JOB_STATES.flatMap((state) => JOB_TRANSITIONS[state]))
  expect(JOB_STATES.filter((state) => !reached.has(state))).toEqual([])
  expect(JOB_STATES.filter((state) => JOB_TRANSITIONS[state].includes('completed'))).toEqual(['active'])
})

test('each end state has the event of its name, which is the last', () => {
  expect([...END_EVENT_TYPES]).toEqual([...END_STATES])
  expect(isEndEvent({ type: 'failed' })).toBe(true)
  expect(isEndEvent({ type: 'parked' })).toBe(false)
})
