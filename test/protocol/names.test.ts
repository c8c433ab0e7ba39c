import { describe, expect, test } from 'vitest'
import { jobId, queueName } from '../../src/protocol/job-fields.ts'
import { scheduleName } from '../../src/protocol/schedules-api.ts'
import { namespaceName } from '../../src/protocol/namespaces-api.ts'
import { userId } from '../../src/protocol/payloads.ts'
import { usageQuery } from '../../src/protocol/usage-api.ts'

const names = { userId, jobId, queueName, scheduleName, namespaceName }

describe.each(Object.entries(names))('a %s', (_, name) => {
  test.each(['.', '..'])('is not %j, to which no path leads', (dots) => {
    expect(new URL(`http://parley/v1/things/${dots}`).pathname).not.toContain(dots)
    expect(name.safeParse(dots).success).toBe(false)
  })

  test.each(['...', 'a.b', '.a', 'a..', 'constructor'])('may be %j', (text) => {
    expect(name.parse(text)).toBe(text)
  })
})

test('no namespace is called as what every object has and JSON may not', () => {
  expect(namespaceName.safeParse('__proto__').success).toBe(false)
})

test('nothing was used before there was anything', () => {
  expect(usageQuery.safeParse({ to: '0000-01-01' }).success).toBe(false)
  expect(usageQuery.parse({ to: '2026-11-22' })).toEqual({ to: '2026-11-22' })
})
