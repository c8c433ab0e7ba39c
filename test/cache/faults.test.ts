import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { TenantRecord } from '../../src/tenants/record.ts'
import { Deployment } from '../support/cache/deployment.ts'

let deployment: Deployment

beforeEach(() => {
  vi.spyOn(console, 'warn').mockImplementation(() => undefined)
  deployment = new Deployment()
  deployment.provision('acme', ['first', 'second'])
})
afterEach(() => {
  vi.restoreAllMocks()
  vi.unstubAllGlobals()
  vi.useRealTimers()
})

const keysOf = (record: TenantRecord | undefined) => record?.keys.map(({ id }) => id)

const never = () => new Promise<never>(() => undefined)
const fails = async (): Promise<never> => {
  throw new TypeError('connection refused')
}

const faults: readonly (readonly [state: string, fault: (name: string, value: string) => Promise<unknown>])[] = [
  ['slow', never],
  ['down', fails],
  ['full', async (name, value) => (name === 'SET' ? await fails() : value)],
  ['empty', async () => null],
  ['answering text that is no JSON', async () => '<html>'],
  ['answering another form', async () => JSON.stringify({ id: 'acme', keys: [{ id: 'first' }] })],
  ['answering a record without its stamp', async () => JSON.stringify({ value: {}, until: 1e15, took: 1 })],
  ['answering numbers', async () => 7],
]

describe.each(faults)('while Redis is %s', (_, fault) => {
  test('a tenant is read from its actor, and a revoked key is refused from a second later', async () => {
    deployment.redis.fault = fault
    const [one, other] = [await deployment.newProcess(), await deployment.newProcess()]
    for (const process of [one, other]) expect(keysOf(await process.record('acme'))).toEqual(['first', 'second'])
    const { asked } = deployment.tenant('acme')
    for (const process of [one, other]) await process.record('acme')
    expect(deployment.tenant('acme').asked).toBe(asked)

    deployment.tenant('acme').revokeKey('first')
    await one.forget('acme')
    expect(keysOf(await one.record('acme'))).toEqual(['second'])
    deployment.pass(1000)
    expect(keysOf(await other.record('acme'))).toEqual(['second'])
  })
})

test('a value that Redis gives again after its invalidation is not used', async () => {
  const { redis } = deployment
  const [one, other] = [await deployment.newProcess(), await deployment.newProcess()]
  await one.record('acme')
  await redis.quiet()
  const before = new Map(redis.values)
  expect(before.size).toBeGreaterThan(0)

  deployment.tenant('acme').revokeKey('first')
  await one.forget('acme')
  await redis.quiet()
  for (const [key, value] of before) redis.values.set(key, value)
  expect(keysOf(await other.record('acme'))).toEqual(['second'])
})

test('a process reads what another has put into Redis, and asks no actor', async () => {
  const [one, other] = [await deployment.newProcess(), await deployment.newProcess()]
  await one.record('acme')
  await deployment.redis.quiet()
  expect(keysOf(await other.record('acme'))).toEqual(['first', 'second'])
  expect(deployment.tenant('acme').asked).toBe(1)
})

describe('while the log of invalidations does not answer', () => {
  test('no value is used for longer than a second, and the actor is asked once a second', async () => {
    const process = await deployment.newProcess()
    deployment.hasLog = false
    for (let reads = 0; reads < 10; reads++) await process.record('acme')
    expect(deployment.tenant('acme').asked).toBe(1)
    deployment.tenant('acme').revokeKey('first')
    deployment.pass(1000)
    expect(keysOf(await process.record('acme'))).toEqual(['second'])
    expect(deployment.tenant('acme').asked).toBe(2)
  })

  test('an invalidation fails, and the process that tried uses nothing older', async () => {
    const process = await deployment.newProcess()
    await process.record('acme')
    deployment.hasLog = false
    deployment.redis.values.clear()
    deployment.tenant('acme').revokeKey('first')
    await expect(process.forget('acme')).rejects.toThrow('the log does not answer')
    expect(keysOf(await process.record('acme'))).toEqual(['second'])
  })
})
