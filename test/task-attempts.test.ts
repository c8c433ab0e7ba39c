import { expect, test } from 'vitest'
import { TaskAttempts } from '../durable-objects/shared/task-attempts.ts'

/** The attempts of one task over several lives of its process. */
function processes() {
  const stored = new Map<string, string>()
  const settings = {
    get: (name: string) => stored.get(name),
    set: (name: string, value: string) => void stored.set(name, value),
  }
  const time = { now: 1_000_000 }
  return { time, next: () => new TaskAttempts(settings, 'inboxes', { now: () => time.now }) }
}

test('a task whose process died twice is parked for pauses that grow from half a minute to an hour', () => {
  const { time, next } = processes()
  const pauses = Array.from({ length: 8 }, () => {
    next().begin()
    const { parkedUntil } = next()
    return parkedUntil === 0 ? 0 : parkedUntil - time.now
  })
  expect(pauses).toEqual([0, 30_000, 120_000, 480_000, 1_920_000, 3_600_000, 3_600_000, 3_600_000])
})

test('a run that ends, well or with an error, counts for nothing', () => {
  const { next } = processes()
  next().begin()
  const second = next()
  second.begin()
  second.end()
  next().begin()
  expect(next().parkedUntil).toBe(0)
  expect(next().lost).toBe(1)
})

test('a run of several steps is one run', () => {
  const { next } = processes()
  const attempts = next()
  for (let step = 0; step < 5; step++) attempts.begin()
  expect(next().lost).toBe(1)
})
