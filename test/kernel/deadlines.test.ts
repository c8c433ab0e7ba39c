import { expect, test } from 'vitest'
import { Deadlines } from '../../src/kernel/deadlines.ts'

test('a call that is not answered fails when its deadline is looked at, and one that is answered in time does not', async () => {
  let now = 0
  const deadlines = new Deadlines({ now: () => now })
  const hung = deadlines.within(10, 'the actor', Promise.withResolvers<string>().promise)
  const answered = Promise.withResolvers<string>()
  const other = deadlines.within(20, 'the other', answered.promise)
  now = 9
  deadlines.expire(now)
  expect(deadlines.size).toBe(2)
  now = 10
  deadlines.expire(now)
  await expect(hung).rejects.toThrow('the actor timed out after 10 ms')
  answered.resolve('here')
  expect(await other).toBe('here')
  expect(deadlines.size).toBe(0)
})

test('a call that fails fails as it did, and is forgotten', async () => {
  const deadlines = new Deadlines({ now: () => 0 })
  await expect(deadlines.within(10, 'the actor', Promise.reject(new Error('broken')))).rejects.toThrow('broken')
  await Promise.resolve()
  expect(deadlines.size).toBe(0)
})
