import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { TenantRecord } from '../../src/tenants/record.ts'
import { Deployment } from '../support/cache/deployment.ts'

/** Processes with memory of their own before one Redis and the same actors. */
let deployment: Deployment

beforeEach(() => {
  deployment = new Deployment()
})
afterEach(() => {
  vi.unstubAllGlobals()
  vi.useRealTimers()
})

const keysOf = (record: TenantRecord | undefined) => record?.keys.map(({ id }) => id)

test('a revoked key is refused from a second later, although a slow reader wrote the older record back to Redis', async () => {
  const { redis, tenant } = deployment
  deployment.provision('acme', ['first', 'second'])
  const slow = await deployment.newProcess()
  const operator = await deployment.newProcess()
  const other = await deployment.newProcess()
  expect(keysOf(await other.record('acme'))).toEqual(['first', 'second'])
  redis.values.clear()

  // A process reads the tenant from its actor, and is slow to write it to Redis.
  const write = redis.hold('SET')
  const reading = slow.record('acme')
  await write.reached

  // Meanwhile the operator revokes the key through another process.
  tenant('acme').revokeKey('first')
  await operator.forget('acme')

  // The slow process writes what it has read.
  write.release()
  await reading
  await redis.quiet()

  deployment.pass(1001)
  expect(keysOf(await operator.record('acme'))).toEqual(['second'])
  expect(keysOf(await slow.record('acme'))).toEqual(['second'])
  expect(keysOf(await other.record('acme'))).toEqual(['second'])
  expect(keysOf(await (await deployment.newProcess()).record('acme'))).toEqual(['second'])
})
