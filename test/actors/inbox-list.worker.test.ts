import { env } from 'cloudflare:workers'
import { runInDurableObject } from 'cloudflare:test'
import { describe, expect, test } from 'vitest'
import { ConversationList } from '../../durable-objects/inbox/conversation-list.ts'
import { EntryTable } from '../../durable-objects/inbox/entry-table.ts'
import { inboxSchema } from '../../durable-objects/inbox/schema.ts'
import { migrate } from '../../durable-objects/shared/migrate.ts'
import type { Env } from '../../src/env.ts'
import type {
  ActivityQuery,
  ActivityRow,
  ConversationActivity,
  ReadState,
  UserStates,
} from '../../src/events/activity.ts'
import type { InboxEntry } from '../../src/inbox/entry.ts'
import { call } from '../support/worker/http.ts'
import { connectAs } from '../support/worker/person.ts'
import { newTenant } from '../support/worker/tenant.ts'

const state = (last: number, read: number, unread: number, mentions = 0): ReadState => ({
  last,
  number: last,
  read,
  unread,
  mentions,
})

const activity = (conversation: string, more: Partial<ConversationActivity> = {}): ConversationActivity => ({
  conversation,
  epoch: 'e1',
  type: 'group',
  version: 1,
  name: 'Lunch',
  members: ['alice', 'bob'],
  memberCount: 2,
  last: 5,
  number: 5,
  at: 500,
  preview: { user: 'alice', text: 'newest' },
  states: [],
  statesAfter: 0,
  changes: [],
  changesAfter: 0,
  ...more,
})

const entry = (conversation: string, more: Partial<InboxEntry> = {}): InboxEntry => ({
  conversation,
  type: 'group',
  name: 'Lunch',
  last: 2,
  read: 2,
  number: 2,
  state: state(2, 2, 0),
  at: 200,
  preview: null,
  members: ['alice', 'bob'],
  memberCount: 2,
  version: 1,
  offset: 1,
  archived: false,
  removed: false,
  ...more,
})

interface Neighbours {
  readonly rows: (query: ActivityQuery) => Promise<readonly ActivityRow[]>
  readonly readStates: (conversation: string) => Promise<UserStates | undefined>
}

/** The list of bob, whose inbox has these entries. */
async function withList<T>(
  entries: readonly InboxEntry[],
  { rows, readStates }: Neighbours,
  use: (list: ConversationList, table: EntryTable) => Promise<T>,
): Promise<T> {
  return await runInDurableObject(env.INBOX.getByName(`list/${crypto.randomUUID()}`), async (_, { storage }) => {
    migrate(storage.sql, inboxSchema)
    const table = new EntryTable(storage.sql, true)
    for (const each of entries) table.put(each)
    const ACTIVITY = { getByName: () => ({ rows }) }
    const CONVERSATION = {
      getByName: (name: string) => ({ readStates: () => readStates(name.slice(name.indexOf('/') + 1)) }),
    }
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- nothing else of the actors is asked here
    const bindings = { ...env, ACTIVITY, CONVERSATION } as unknown as Env
    return await use(new ConversationList(bindings, 'list', 'bob', table), table)
  })
}

/** The rows that an actor answers which knows these activities. */
const knowing =
  (...known: readonly ConversationActivity[]) =>
  async (query: ActivityQuery): Promise<ActivityRow[]> => {
    const byId = new Map(known.map((each) => [each.conversation, each]))
    if (query.kind === 'changed')
      return known.map((each) => ({ conversation: each.conversation, at: each.at, activity: each }))
    return query.conversations
      .map(([conversation, at]) => {
        const found = byId.get(conversation)
        return { conversation, at: Math.max(at, found?.at ?? 0), activity: found }
      })
      .toSorted((a, b) => b.at - a.at)
      .slice(0, query.limit)
  }

const broken = async (): Promise<never> => await Promise.reject(new Error('broken'))
const silent = async (): Promise<never> => await new Promise(() => undefined)
const notAsked = broken

describe('the list of a user', () => {
  test('counts from the state in the entry and the row of the Activity actor', async () => {
    const neighbours = { rows: knowing(activity('lunch', { name: 'Dinner', version: 2 })), readStates: notAsked }
    const { items } = await withList([entry('lunch'), entry('tea', { at: 300 })], neighbours, (list) =>
      list.page(undefined, 10),
    )
    expect(items).toMatchObject([
      { id: 'lunch', name: 'Dinner', last: 5, read: 2, unread: 3, at: 500, preview: { text: 'newest' } },
      { id: 'tea', last: 2, unread: 0, at: 300 },
    ])
  })

  test('asks a conversation that the row does not reach back to, and keeps the answer', async () => {
    const row = activity('lunch', { statesAfter: 4 })
    let asked = 0
    const readStates = async () => {
      asked++
      return { activity: row, states: [{ user: 'bob', ...state(5, 3, 2, 1) }] }
    }
    await withList([entry('lunch')], { rows: knowing(row), readStates }, async (list) => {
      for (let time = 0; time < 2; time++) {
        const { items } = await list.page(undefined, 10)
        expect(items).toMatchObject([{ last: 5, read: 3, unread: 2, mentions: 1 }])
      }
    })
    expect(asked).toBe(1)
  })

  test('asks a conversation once about an entry of an earlier version, as soon as something happens there', async () => {
    const old = entry('lunch', { number: undefined, state: undefined, last: 4, read: 1, uncounted: [3] })
    const readStates = async () => ({ activity: activity('lunch'), states: [{ user: 'bob', ...state(5, 1, 3) }] })
    const before = await withList([old], { rows: knowing(), readStates: notAsked }, (list) => list.page(undefined, 10))
    expect(before.items).toMatchObject([{ last: 4, read: 1, unread: 2, mentions: 0 }])
    const after = await withList([old], { rows: knowing(activity('lunch')), readStates }, (list) =>
      list.page(undefined, 10),
    )
    expect(after.items).toMatchObject([{ last: 5, read: 1, unread: 3 }])
  })

  test('is up to date also when two calls of the Activity actor were lost', async () => {
    let calls = 0
    const rows = async (query: ActivityQuery) => await (++calls < 3 ? broken() : knowing(activity('lunch'))(query))
    const { items } = await withList([entry('lunch')], { rows, readStates: notAsked }, (list) =>
      list.page(undefined, 10),
    )
    expect(items).toMatchObject([{ id: 'lunch', last: 5, unread: 3 }])
    expect(calls).toBe(3)
  })

  test.each([
    ['broken', broken],
    ['silent', silent],
  ])('shows the entries alone while the Activity actor is %s', async (_, rows) => {
    const entries = [
      entry('lunch'),
      entry('tea', { at: 300, last: 4, state: state(4, 2, 2, 1) }),
      entry('gone', { removed: true }),
    ]
    await withList(entries, { rows, readStates: notAsked }, async (list) => {
      const first = await list.page(undefined, 1)
      expect(first.items).toMatchObject([{ id: 'tea', unread: 2, mentions: 1 }])
      const second = await list.page(first.last, 1)
      expect(second.items).toMatchObject([{ id: 'lunch', unread: 0 }])
      expect(second.last).toBeUndefined()
      await expect(list.changes(0)).rejects.toThrow()
    })
  })

  test.each([
    ['broken', broken],
    ['silent', silent],
  ])('shows a whole earlier moment of a conversation that is %s, and others as they are', async (_, readStates) => {
    const rows = knowing(activity('lunch', { statesAfter: 4 }), activity('tea', { at: 600 }))
    await withList([entry('lunch'), entry('tea')], { rows, readStates }, async (list) => {
      const { items } = await list.page(undefined, 10)
      expect(items).toMatchObject([
        { id: 'tea', last: 5, unread: 3 },
        { id: 'lunch', last: 2, read: 2, unread: 0, preview: null, at: 500 },
      ])
      const changes = await list.changes(0)
      expect(changes!.map((text): unknown => JSON.parse(text))).toMatchObject([{ conversation: 'tea', unread: 3 }])
    })
  })

  test('shows nothing of a conversation that was written after its user left', async () => {
    const left = activity('lunch', { changes: [{ kind: 'left', seq: 4, user: 'bob' }] })
    const readStates = async () => ({ activity: left, states: [] })
    await withList([entry('lunch')], { rows: knowing(left), readStates }, async (list) => {
      expect((await list.page(undefined, 10)).items).toMatchObject([{ last: 2, unread: 0, preview: null }])
      expect(await list.changes(0)).toEqual([])
    })
  })

  test('has a client ask for the list when more than 500 conversations changed', async () => {
    const ids = Array.from({ length: 501 }, (_, n) => `conversation${n}`)
    const entries = ids.map((id) => entry(id))
    const all = ids.map((id) => activity(id))
    await withList(entries, { rows: knowing(...all), readStates: notAsked }, async (list) => {
      expect(await list.changes(0)).toBeUndefined()
    })
    await withList(entries.slice(1), { rows: knowing(...all.slice(1)), readStates: notAsked }, async (list) => {
      expect(await list.changes(0)).toHaveLength(500)
    })
  })
})

test('an inbox and the tenant’s Activity actor make one list, in pages that go on while conversations do', async () => {
  const tenant = await newTenant()
  const ids: string[] = []
  for (let n = 0; n < 4; n++) ids.push(await tenant.group('alice', 'bob'))
  const [first = '', second = ''] = ids
  const bob = await connectAs(tenant, 'bob')
  const actor = env.ACTIVITY.getByName(`${tenant.id}/0`)
  const later = Date.now() + 1000
  // Newer than what the conversations tell of their beginning, whenever that arrives.
  const tell = async (conversation: string, at: number) =>
    await actor.advance(
      activity(conversation, { at, version: 9, statesAfter: 1, states: [{ user: 'bob', ...state(3, 3, 0) }] }),
    )
  await tell(first, later)

  const page = async (cursor = '') =>
    (await call(`GET /v1/conversations?user=bob&limit=2${cursor}`, { as: tenant.key })).body
  const top = await page()
  expect(top.conversations[0]).toMatchObject({ id: first, last: 5, read: 3, unread: 2, mentions: 0, at: later })
  await tell(second, later + 1)
  const rest = await page(`&cursor=${top.next}`)
  const seen = [...top.conversations, ...rest.conversations].map(({ id }) => id)
  expect(new Set(seen).size).toBe(seen.length)
  expect(new Set([...seen, second])).toEqual(new Set(ids))
  expect((await bob.rpc('inbox.list', { limit: 1 })).rpc?.data).toMatchObject({ conversations: [{ id: second }] })
})

test('a subscription brings the buckets of the user’s conversations, and a join says which was added', async () => {
  const tenant = await newTenant()
  const lunch = await tenant.group('alice', 'bob')
  const inbox = tenant.inboxOf('bob')
  const subscribe = { kind: 'subscribe', user: 'bob', client: 'phone', joinLeave: false } as const
  const answer = await inbox.execute({ gateway: 'list-buckets/0', have: null, commands: [subscribe] })
  const result = answer.results[0]
  if (result?.kind !== 'subscribed') throw new Error('not subscribed')
  expect(result.buckets).toHaveLength(1)
  expect(result.offset).toBeGreaterThanOrEqual(result.top)
  expect(result.offset).toBeGreaterThan(1e12)
  const tea = await tenant.group('alice', 'bob')
  const missed = await inbox.execute({ gateway: 'list-buckets/0', have: answer.update.after, commands: [] })
  expect(missed.update.events).toMatchObject([{ kind: 'listed', conversation: tea }])
  expect(missed.update.publications.map(({ data }): unknown => JSON.parse(data))).toMatchObject([
    { conversation: tea, unread: 0, mentions: 0 },
  ])
  const both = await inbox.execute({ gateway: 'list-buckets/1', have: null, commands: [subscribe] })
  expect(both.results[0]).toMatchObject({ buckets: [expect.any(Number), expect.any(Number)] })
  expect(lunch).not.toBe(tea)
})
