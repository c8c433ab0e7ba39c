import { afterEach, expect } from 'vitest'
import { broken } from './checked-answers.ts'

// This file runs before each file of tests, which may share the Worker; the module it imports is loaded once with the Worker.
afterEach(() => {
  expect(broken.splice(0), 'answers that break their schema').toEqual([])
})
