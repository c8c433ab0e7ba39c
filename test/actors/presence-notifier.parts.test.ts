import { expect, test } from 'vitest'
import { PresenceNotifier } from '../../durable-objects/conversation/presence-notifier.ts'
import type { ClientInfo } from '../../src/protocol/replies.ts'
import type { EphemeralEvent } from '../../src/protocol/stream.ts'

/** A notifier whose gateways answer when the test lets them, with the connections of the moment when they were asked. */
function notified() {
  const here = new Map<string, ClientInfo>()
  const asked: (() => void)[] = []
  const told: string[] = []
  const tell = (signals: readonly EphemeralEvent[]) => {
    for (const signal of signals)
      if (signal.kind === 'join' || signal.kind === 'leave') told.push(`${signal.kind} ${signal.info.client}`)
  }
  const withoutOthers = (infos: readonly ClientInfo[]) => {
    const held = [...here.values()]
    const isAlone = ({ user, client }: ClientInfo) => !held.some((one) => one.user === user && one.client !== client)
    return new Promise<ClientInfo[]>((resolve) => asked.push(() => resolve(infos.filter(isAlone))))
  }
  const subscribers = () => ({ reachesBeyond: () => false })
  const clock = { now: () => 0 }
  const notifier = new PresenceNotifier({ subscribers, withoutOthers, publish: tell, clock, graceMs: 0 })
  const hear = (kind: 'join' | 'leave', client: string) => {
    const info = { user: 'bob', client }
    tell(notifier.filter([{ kind, info }], 'here'))
    if (kind === 'join') here.set(client, info)
    else here.delete(client)
  }
  return { hear, told, asked }
}

test('a user that comes back while the other gateways are asked has neither left nor joined', async () => {
  const { hear, told, asked } = notified()
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
