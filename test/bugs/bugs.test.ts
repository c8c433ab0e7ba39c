import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { bugs } from './bugs.ts'

// Whether the tests see them takes minutes to say (bugs.long.test.ts); that they can still be made is said at once.
test.each(bugs)('the bug can be made: $name', ({ file, from, to }) => {
  const source = readFileSync(join(import.meta.dirname, '../..', file), 'utf8')
  expect(source.split(from)).toHaveLength(2)
  expect(to).not.toBe(from)
})
