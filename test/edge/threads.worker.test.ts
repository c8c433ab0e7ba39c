import { runInDurableObject } from 'cloudflare:test'
import { expect, test } from 'vitest'
import { changeOf } from '../../src/activity/entry-change.ts'
import { call } from '../support/worker/http.ts'
import { connectAs } from '../support/worker/person.ts'
import { putToSleep } from '../support/worker/sleep.ts'
import { newTenant, succeeded } from '../support/worker/tenant.ts'

/** Alice has sent a message that begins a thread; Bob replied, and Carol, who was mentioned, replied in the conversation, too. */
async function story() {
  const tenant = await newTenant()
  const lunch = await tenant.group('alice', 'bob', 'carol', 'dan')
  const [alice, bob, carol, dan] = await Promise.all(['alice', 'bob', 'carol', 'dan'].map((user) => tenant.token(user)))
  if (alice === undefined || bob === undefined || carol === undefined || dan === undefined) throw new Error('no token')
  const path = `/v1/conversations/${lunch}`
  const say = async (as: string, clientId: string, more: object = {}) =>
    succeeded(await call(`POST ${path}/messages`, { as, body: { clientId, text: clientId, ...more } }))
  await say(alice, 'root')
  await say(bob, 'first', { thread: 1, mentions: { users: ['carol'] } })
  await say(carol, 'second', { thread: 1, alsoInConversation: true })
  const replies = async (as: string, query = '') => (await call(`GET ${path}/threads/1/replies${query}`, { as })).body
  const root = async (as: string) => (await call(`GET ${path}/messages/1`, { as })).body
  const stateOf = async (as: string) => (await call(`POST ${path}/read`, { as, body: { seq: 0 } })).body
  return { tenant, lunch, path, alice, bob, carol, dan, say, replies, root, stateOf }
}

test('a thread over HTTP has its replies by page, its summary at the first message, and the part of the caller', async () => {
  const { path, alice, carol, dan, say, replies, root } = await story()
  await say(carol, 'third', { thread: 1 })
  expect((await root(dan)).replies).toEqual({
    count: 3,
    last: { seq: 4, user: 'carol', at: expect.any(Number) },
    users: ['bob', 'carol'],
    userCount: 2,
  })
  expect(await replies(alice)).toMatchObject({
    replies: [
      { seq: 4, thread: 1, text: 'third' },
      { seq: 3, thread: 1, alsoInConversation: true },
      { seq: 2, thread: 1, user: 'bob' },
    ],
    before: null,
    after: null,
    own: { follows: true, read: 0, unread: 3 },
  })
  const newest = await replies(alice, '?limit=2')
  expect(newest).toMatchObject({ replies: [{ seq: 4 }, { seq: 3 }], before: 3 })
  expect(await replies(alice, '?limit=2&before=3')).toMatchObject({ replies: [{ seq: 2 }], before: null, after: 2 })
  expect(await replies(alice, '?limit=2&after=1')).toMatchObject({ replies: [{ seq: 3 }, { seq: 2 }], after: 3 })
  expect((await call(`GET ${path}/threads/99/replies`, { as: alice })).status).toBe(404)
  expect((await call(`GET ${path}/threads`, { as: carol })).body).toEqual({
    threads: [{ thread: 1, last: 4, read: 4, unread: 0 }],
    unread: 0,
    next: null,
  })
})

test('a reply is neither unread nor shown in lists, moves no cursor in the conversation, and no preview', async () => {
  const { tenant, lunch, alice, bob, dan, say, stateOf } = await story()
  expect(await stateOf(dan)).toEqual({ read: 0, unread: 2, mentions: 0 })
  // Bob has not seen the conversation: he only replied in a thread.
  expect(await stateOf(bob)).toEqual({ read: 0, unread: 2, mentions: 0 })
  await say(bob, 'third', { thread: 1 })
  expect(await stateOf(alice)).toMatchObject({ read: 1, unread: 1 })
  const conversation = tenant.actorOf(lunch)
  const states = await conversation.readStates(['bob'])
  expect(states?.activity).toMatchObject({ last: 4, number: 2, preview: { text: 'second' } })
  // Also an actor that wakes does not take a reply for a sign that its author has read the conversation.
  await putToSleep(conversation)
  expect(await stateOf(bob)).toEqual({ read: 0, unread: 2, mentions: 0 })
  expect(changeOf('{"type":"message","thread":1,"id":"x"}')).toEqual({ kind: 'other' })
})

test('cursors, followers and deletions of a thread are as they were once the actor has slept', async () => {
  const { tenant, lunch, path, alice, carol, dan, replies, root } = await story()
  succeeded(await call(`POST ${path}/threads/1/follow`, { as: dan }))
  succeeded(await call(`POST ${path}/threads/1/follow`, { as: carol, body: { follows: false } }))
  succeeded(await call(`POST ${path}/threads/1/read`, { as: tenant.key, body: { upTo: 2, user: 'alice' } }))
  succeeded(await call(`DELETE ${path}/messages/3`, { as: alice }))
  const read = async () => [await root(alice), await replies(alice), await replies(carol), await replies(dan)]
  const before = await read()
  expect(before).toMatchObject([
    { replies: { count: 1, last: { seq: 2 }, users: ['bob', 'carol'] } },
    {
      replies: [{ seq: 3, thread: 1, alsoInConversation: true, deleted: true }, { seq: 2 }],
      own: { read: 2, unread: 0 },
    },
    { own: { follows: false } },
    { own: { follows: true, unread: 1 } },
  ])
  await putToSleep(tenant.actorOf(lunch))
  expect(await read()).toEqual(before)
})

test('a connection that was away recovers replies in their places, and others of its user learn how far a thread was read', async () => {
  const { tenant, lunch, alice, path } = await story()
  const bob = await connectAs(tenant, 'bob')
  const { epoch } = await bob.subscribe(lunch)
  const read = await call(`POST ${path}/threads/1/read`, { as: alice, body: { upTo: 3 } })
  expect(read.body).toEqual({ follows: true, read: 3, unread: 0 })
  expect((await bob.notices(lunch, 'thread.read')).data).toEqual({
    type: 'thread.read',
    user: 'alice',
    thread: 1,
    seq: 3,
  })
  const again = await connectAs(tenant, 'carol')
  const { subscribe } = await again.recover(lunch, { offset: 1, epoch })
  expect(subscribe).toMatchObject({
    recovered: true,
    publications: [
      { offset: 2, data: { type: 'message', thread: 1, user: 'bob' } },
      { offset: 3, data: { type: 'message', thread: 1, alsoInConversation: true } },
    ],
  })
})

test.each(['delete', 'keep-anonymous'] as const)(
  'an erased user is named by no thread where messages are erased by "%s", and their replies keep their places in it',
  async (messages) => {
    const { tenant, lunch, alice, replies, root } = await story()
    const conversation = tenant.actorOf(lunch)
    const erased = { user: 'bob', pseudonym: 'erased-1', messages }
    for (let cursor: string | null = ''; cursor !== null;) {
      const part: { readonly next: string | null } = await conversation.eraseUser(erased, cursor)
      cursor = part.next
    }
    const count = messages === 'delete' ? 1 : 2
    expect((await root(alice)).replies).toMatchObject({ count, users: ['erased-1', 'carol'] })
    expect(await replies(alice)).toMatchObject({ replies: [{ seq: 3 }, { seq: 2, thread: 1, user: 'erased-1' }] })
    const stored = await runInDurableObject(conversation, (_, { storage: { sql } }) =>
      ['messages', 'thread_users', 'mentions'].map((table) =>
        JSON.stringify(sql.exec(`SELECT * FROM ${table}`).toArray()),
      ),
    )
    expect(stored.join('')).not.toContain('bob')
  },
)
