import { expect, test } from 'vitest'
import { SubscriberPresence } from '../../durable-objects/shared/subscriber-presence.ts'
import type { Env } from '../../src/env.ts'
import type { StreamResult } from '../../src/protocol/stream.ts'
import type { PresenceReport } from '../../src/realtime/presence-table.ts'

const gateway = 'eu/0'

/** The presence of a channel whose one gateway reports these users, each on a connection of the same name. */
function scene(reported: readonly string[]) {
  let asked = 0
  const report: PresenceReport = { clients: reported.map((user) => ({ user, client: user, since: 5 })), pending: [] }
  const subscribed = async () => (asked++, await Promise.resolve(report))
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- only gateways are asked
  const env = { GATEWAY: { getByName: () => ({ subscribed }) } } as unknown as Env
  const presence = new SubscriberPresence(env, { tenant: 'acme', channel: 'conversation:lunch' })
  presence.open(gateway, true)
  const result: StreamResult = {
    kind: 'subscribed',
    epoch: 'e',
    offset: 0,
    top: 0,
    wasRecovering: false,
    recovered: false,
    publications: [],
    data: '',
  }
  /** A user subscribes, while the gateway has `others` connections already. */
  const subscribe = (user: string, others: number) => {
    const command = { kind: 'subscribe', user, client: user, joinLeave: false } as const
    presence.note({ gateway, have: others === 0 ? null : 1, subscribed: others, commands: [command] }, [result])
  }
  const usersNow = async () => {
    const { clients } = await presence.read('list')
    return clients.map(({ user }) => user)
  }
  return { subscribe, usersNow, asked: () => asked }
}

test('presence is known from the calls of a gateway, which is not asked', async () => {
  const { subscribe, usersNow, asked } = scene([])
  subscribe('alice', 0)
  subscribe('bob', 1)
  expect(await usersNow()).toEqual(['alice', 'bob'])
  expect(asked()).toBe(0)
})

test('a gateway that names another number of connections than are known has lost a leave, and is asked', async () => {
  const { subscribe, usersNow, asked } = scene(['bob', 'carol'])
  subscribe('alice', 0)
  subscribe('bob', 1)
  // The call by which alice left was lost.
  subscribe('carol', 1)
  expect(await usersNow()).toEqual(['bob', 'carol'])
  expect(asked()).toBe(1)
})
