import { expect, test } from 'vitest'
import { PresenceNotifier } from '../../durable-objects/conversation/presence-notifier.ts'
import type { ClientInfo } from '../../src/protocol/replies.ts'
import type { EphemeralEvent } from '../../src/protocol/stream.ts'

/** An usher whose gateways answer when the test lets them, with whom they held when they were asked. */
function ushered() {
  const here = new Map<string, ClientInfo>()
  const asked: (() => void)[] = []
  const told: string[] = []
  const tell = (signals: readonly EphemeralEvent[]) => {
    for (const signal of signals)
      if (signal.kind === 'join' || signal.kind === 'leave') told.push(`${signal.kind} ${signal.info.client}`)
  }
  const roster = () => {
    const held = [...here.values()]
    return new Promise<ClientInfo[]>((resolve) => asked.push(() => resolve(held)))
  }
  const audience = () => ({ presence: roster, reachesBeyond: () => false })
  const usher = new PresenceNotifier({ subscribers: audience, publish: tell, clock: { now: () => 0 }, graceMs: 0 })
  const hear = (kind: 'join' | 'leave', client: string) => {
    const info = { user: 'bob', client }
    tell(usher.filter([{ kind, info }], 'here'))
    if (kind === 'join') here.set(client, info)
    else here.delete(client)
  }
  return { hear, told, asked }
}

test('a user that comes back while the other gateways are asked has neither left nor joined', async () => {
  const { hear, told, asked } = ushered()
  hear('join', 'phone')
  hear('leave', 'phone')
  await expect.poll(() => asked.length).toBe(1)
  hear('join', 'tablet')
  asked[0]?.()
  hear('leave', 'tablet')
  await expect.poll(() => asked.length).toBe(2)
  expect(told).toEqual(['join phone'])
  asked[1]?.()
  await expect.poll(() => told).toEqual(['join phone', 'leave tablet'])
  hear('join', 'laptop')
  expect(told).toEqual(['join phone', 'leave tablet', 'join laptop'])
})
