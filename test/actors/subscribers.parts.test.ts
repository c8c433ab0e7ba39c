import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Subscribers } from '../../durable-objects/shared/subscribers.ts'
import type { Env } from '../../src/env.ts'
import type { ChannelUpdate, EphemeralEvent } from '../../src/protocol/stream.ts'

// What a stream does about a gateway that cannot be reached for a while.

let waited: number[] = []
let told: ChannelUpdate[] = []
let failures = 0

beforeEach(() => {
  waited = []
  told = []
  failures = 0
  vi.stubGlobal('scheduler', {
    wait: (ms: number) => {
      waited.push(ms)
      return Promise.resolve()
    },
  })
})
afterEach(() => vi.unstubAllGlobals())

/** One stream with one listening gateway, which fails as often as `failures` says. */
function subscribers(): Subscribers {
  const publish = (update: ChannelUpdate) => {
    if (failures-- > 0) return Promise.reject(new Error('no way there'))
    told.push(update)
    return Promise.resolve(true)
  }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- nothing else of it is touched
  const env = { GATEWAY: { getByName: () => ({ publish }) } } as unknown as Env
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- nothing is read from it
  const sql = { exec: () => [] } as unknown as SqlStorage
  const listeners = new Subscribers(env, sql, false, { tenant: 'acme', channel: 'conversation:1' })
  listeners.add('enam/0')
  return listeners
}

const removal = { kind: 'removed' as const, user: 'bob', before: { epoch: 'e', offset: 1 } }

const news = (offset: number) => ({
  epoch: 'e',
  after: offset - 1,
  publications: [{ offset, data: '{}' }],
  events: [removal],
})

test('a gateway that is back at once receives the update itself', async () => {
  failures = 3
  subscribers().publish(news(1), null)
  await vi.waitFor(() => expect(told).toHaveLength(1))
  expect(told[0]).toMatchObject(news(1))
})

test('a gateway that is back later receives the position, so that it asks, and the removals', async () => {
  failures = 9
  subscribers().publish(news(7), null)
  await vi.waitFor(() => expect(told).toHaveLength(1))
  expect(told[0]).toMatchObject({ epoch: 'e', after: 7, publications: [], events: [removal] })
})

test('one that never comes back is given up after some minutes', async () => {
  failures = 1000
  subscribers().publish(news(1), null)
  await vi.waitFor(() => expect(waited.length).toBeGreaterThan(10))
  const tries = waited.length
  await new Promise((later) => setTimeout(later, 20))
  expect(waited).toHaveLength(tries)
  expect(Math.max(...waited)).toBeLessThanOrEqual(30_000)
  expect(told).toEqual([])
})

test('ephemeral events for a slow gateway are bounded: it receives the newest, and the removals', async () => {
  const listeners = subscribers()
  const passing = (n: number) => ({ kind: 'pub' as const, data: JSON.stringify(`${n} ${'x'.repeat(10_000)}`) })
  const say = (...signals: EphemeralEvent[]) =>
    listeners.publish({ epoch: '', after: 0, publications: [], events: signals }, null)
  // The first is on its way already.
  for (let n = 0; n < 2000; n++) say(...(n === 1 ? [removal] : []), passing(n))
  await vi.waitFor(() => expect(told).toHaveLength(2))
  const signals = told[1]?.events ?? []
  expect(signals[0]).toEqual(removal)
  expect(signals.at(-1)).toEqual(passing(1999))
  expect(JSON.stringify(signals).length).toBeLessThan(5_000_000)
})
