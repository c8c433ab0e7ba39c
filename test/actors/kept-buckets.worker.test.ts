import { env } from 'cloudflare:workers'
import { runInDurableObject } from 'cloudflare:test'
import { expect, test } from 'vitest'
import { EntryTable } from '../../durable-objects/inbox/entry-table.ts'
import { inboxSchema } from '../../durable-objects/inbox/schema.ts'
import { migrate } from '../../durable-objects/shared/migrate.ts'
import { bucketOf, type ConversationActivity } from '../../src/events/activity.ts'
import type { InboxEntry } from '../../src/inbox/entry.ts'
import { eventually } from '../support/worker/bounded.ts'
import { call } from '../support/worker/http.ts'
import { connectAs, type Person } from '../support/worker/person.ts'
import { putToSleep } from '../support/worker/sleep.ts'
import { newTenant, succeeded } from '../support/worker/tenant.ts'
import { lively, namespace, ownGateway } from '../support/worker/topics.ts'

const many = Array.from({ length: 10_000 }, (_, n) => `conversation-${n}`)

const entry = (conversation: string): InboxEntry => ({
  conversation,
  type: 'group',
  name: 'Lunch',
  last: 1,
  read: 1,
  number: 1,
  state: { last: 1, number: 1, read: 1, unread: 0, mentions: 0 },
  at: 200,
  preview: null,
  members: [],
  memberCount: 2,
  version: 1,
  offset: 1,
  archived: false,
  removed: false,
})

const activity = (conversation: string): ConversationActivity => ({
  conversation,
  epoch: 'e1',
  type: 'group',
  version: 1,
  name: 'Lunch',
  members: [],
  memberCount: 2,
  last: 2,
  number: 2,
  at: 500,
  preview: null,
  states: [],
  statesAfter: 2,
  changes: [],
  changesAfter: 2,
})

/** How many topics a connection is subscribed to besides the user's own inbox. */
async function subscribeTo(person: Person, topics: number): Promise<number> {
  let subscribed = 0
  for (let n = 0; n < topics; n++) {
    const { error } = await person.line.ask({ subscribe: { channel: `orders:${n}-${'x'.repeat(40)}` } })
    if (error === undefined) subscribed++
  }
  return subscribed
}

test.each([
  ['all of its buckets', 2],
  ['no room for them beside 127 channels', 127],
])(
  'a socket of a user with 10,000 conversations outlasts the sleep of its gateway with %s, and is notified of them',
  async (_, topics) => {
    const tenant = await newTenant()
    await namespace(tenant, 'orders', lively)
    await runInDurableObject(tenant.inboxOf('alice'), (_actor, { storage }) => {
      migrate(storage.sql, inboxSchema)
      const table = new EntryTable(storage.sql, true)
      for (const conversation of many) table.put(entry(conversation))
    })
    // The inbox begins anew with what lies on its disk.
    await putToSleep(tenant.inboxOf('alice'))
    const name = ownGateway()
    const gateway = env.GATEWAY.getByName(name)
    const alice = await connectAs(tenant, 'alice', { gateway: name })
    expect(await subscribeTo(alice, topics)).toBe(topics)
    await putToSleep(gateway)

    expect(await gateway.activityNews(tenant.id, [activity('conversation-9999')])).toMatchObject({ unwanted: [] })
    const own = new Set(many.map(bucketOf))
    const foreign = Array.from({ length: 50 }, (_each, n) => `foreign-${n}`).filter((id) => !own.has(bucketOf(id)))
    const { unwanted } = await gateway.activityNews(tenant.id, foreign.map(activity))
    // Without its buckets a session counts as interested in everything: it may lose nothing.
    expect(unwanted).toHaveLength(topics === 127 ? 0 : foreign.length)
    // The socket is still there, with its subscriptions.
    const { error } = await alice.line.ask({ subscribe: { channel: `orders:0-${'x'.repeat(40)}` } })
    expect(error?.code).toBe(105)
  },
  120_000,
)

test('the list over HTTP, the list over a connection, and the unread events say the same counts', async () => {
  const tenant = await newTenant()
  const conversations = [await tenant.group('alice', 'bob'), await tenant.group('bob', 'alice', 'carol')]
  const [first = '', second = ''] = conversations
  const alice = await connectAs(tenant, 'alice')
  const bob = await connectAs(tenant, 'bob')
  for (let n = 0; n < 3; n++) await bob.send(first, `message ${n}`)
  await bob.rpc('message.send', {
    conversation: second,
    clientId: 'c1',
    text: 'Hungry?',
    mentions: { users: ['alice'] },
  })
  await bob.rpc('message.send', { conversation: second, clientId: 'c2', text: 'Anyone?', mentions: { channel: true } })
  await bob.rpc('message.delete', { conversation: second, seq: 1 })
  await alice.rpc('conversation.read', { conversation: first, seq: 2 })

  type Counts = Readonly<Record<string, readonly [unread: number, mentions: number]>>
  const wanted: Counts = { [first]: [1, 0], [second]: [1, 1] }
  const countsOf = (listed: readonly { id: string; unread: number; mentions?: number }[]): Counts =>
    Object.fromEntries(listed.map(({ id, unread, mentions = -1 }) => [id, [unread, mentions]]))
  const asked = await tenant.token('alice')
  const overHttp = async () => countsOf(succeeded(await call('GET /v1/conversations', { as: asked })).conversations)
  const overSocket = async () => {
    const { rpc } = await alice.rpc('inbox.list', { limit: 10 })
    if (rpc === undefined) throw new Error('no list')
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the list as the API reference describes it
    const { conversations: items } = rpc.data as { conversations: { id: string; unread: number; mentions: number }[] }
    return countsOf(items)
  }
  const fromEvents: Record<string, readonly [number, number]> = {}
  const noteEvents = async () => {
    for (const { push } of await alice.line.rest()) {
      if (push?.channel !== 'user:#alice' || push.pub?.data.type !== 'unread') continue
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- an unread event as the API reference describes it
      const event = push.pub.data as unknown as { conversation: string; unread: number; mentions: number }
      fromEvents[event.conversation] = [event.unread, event.mentions]
    }
    return fromEvents
  }
  for (const read of [overHttp, overSocket, noteEvents])
    await eventually(`${read.name} says ${JSON.stringify(wanted)}`, async () => {
      const counts = await read()
      return JSON.stringify(counts) === JSON.stringify(wanted) ||
        conversations.every((id) => String(counts[id]) === String(wanted[id]))
        ? true
        : undefined
    })
  expect([await overHttp(), await overSocket(), await noteEvents()]).toEqual([wanted, wanted, wanted])
}, 60_000)
