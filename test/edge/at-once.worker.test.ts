import { expect, test } from 'vitest'
import { call } from '../support/worker/http.ts'
import { newTenant } from '../support/worker/tenant.ts'

test('many requests at once, far below the limit, are all let through', async () => {
  const tenant = await newTenant({ requestsPerSecondKey: 500 })
  const answers = await Promise.all(
    Array.from({ length: 100 }, () => call('GET /v1/conversations?user=alice', { as: tenant.key })),
  )
  expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 100 }, () => 200))
})
