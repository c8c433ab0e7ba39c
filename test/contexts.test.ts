import { expect, test } from 'vitest'
import { contextsHere } from '../src/contexts.ts'

test('CONTEXTS lists the contexts of a Worker, and the main Worker has no such variable', () => {
  expect(contextsHere({})).toBeUndefined()
  expect(contextsHere({ CONTEXTS: '' })).toBeUndefined()
  expect(contextsHere({ CONTEXTS: 'jobs, limits' })).toEqual(new Set(['jobs', 'limits']))
})

test.each(['job', 'jobs,core', 'jobs;limits'])('CONTEXTS "%s" is refused with the names that there are', (text) => {
  expect(() => contextsHere({ CONTEXTS: text })).toThrow(
    /^CONTEXTS: one or more of jobs, limits, notifications, events, got "/,
  )
})
