import { runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { describe, expect, test } from 'vitest'
import { encodeViews } from '../../src/history/amend.ts'
import { editList } from '../../src/protocol/conversation-views.ts'
import { call } from '../support/worker/http.ts'
import { connectAs } from '../support/worker/person.ts'
import { eventually } from '../support/worker/bounded.ts'
import { putToSleep } from '../support/worker/sleep.ts'
import { newTenant, succeeded } from '../support/worker/tenant.ts'

/** Bob has sent two messages; Alice and Carol reacted to the first, and Alice, the owner, has pinned it. */
async function story() {
  const tenant = await newTenant()
  const lunch = await tenant.group('alice', 'bob', 'carol')
  await tenant.postMany(lunch, 'bob', 2)
  const path = `/v1/conversations/${lunch}/messages`
  const [alice, bob] = [await tenant.token('alice'), await tenant.token('bob')]
  const read = async (as: string) => (await call(`GET ${path}`, { as })).body.messages
  const first = async (as: string) => (await call(`GET ${path}/1`, { as })).body
  const react = async (reaction: string, user: string) =>
    await call(`POST ${path}/1/reactions`, { as: tenant.key, body: { reaction, user } })
  succeeded(await react('👍', 'alice'))
  succeeded(await react('👍', 'carol'))
  succeeded(await call(`POST ${path}/1/pin`, { as: alice, body: {} }))
  return { tenant, lunch, path, alice, bob, read, first, react }
}

describe('a page of messages over HTTP', () => {
  test('shows reactions with those of the caller flagged, pins, and how many edits there are', async () => {
    const { path, alice, bob, read, first } = await story()
    await call(`PATCH ${path}/1`, { as: bob, body: { text: 'edited' } })
    const shown = {
      text: 'edited',
      pinned: { user: 'alice', at: expect.any(Number) },
      edits: 1,
    }
    expect(await first(alice)).toMatchObject({ ...shown, reactions: [{ reaction: '👍', count: 2, own: true }] })
    expect(await first(bob)).toMatchObject({ ...shown, reactions: [{ reaction: '👍', count: 2, own: false }] })
    expect((await read(bob)).at(-1)).toEqual(await first(bob))
    expect((await read(bob)).find(({ seq }: { seq: number }) => seq === 2)).not.toHaveProperty('reactions')
  })

  test('has another ETag for a caller who sees other reactions as their own', async () => {
    const { path, alice, bob } = await story()
    const etagOf = async (as: string) => (await call(`GET ${path}`, { as })).headers.get('etag')
    expect(await etagOf(alice)).not.toBe(await etagOf(bob))
    const headers = { 'if-none-match': (await etagOf(alice)) ?? '' }
    expect((await call(`GET ${path}`, { as: alice, headers })).status).toBe(304)
    expect((await call(`GET ${path}`, { as: bob, headers })).status).toBe(200)
  })

  test('shows the same of entries that only Postgres holds still, also after the actor has slept', async () => {
    const { tenant, lunch, alice, first } = await story()
    const before = await first(alice)
    const reader = { user: 'alice', client: '', server: false }
    const query = { limit: 1, reverse: false, since: { offset: 0, epoch: '' } }
    const conversation = tenant.actorOf(lunch)
    const hot = await conversation.history(reader, query)
    await runInDurableObject(conversation, (_, { storage: { sql } }) => {
      sql.exec('UPDATE messages SET data = NULL WHERE seq <= 2')
      sql.exec(`INSERT OR REPLACE INTO facts (name, value) VALUES ('floor', '2')`)
    })
    await putToSleep(conversation)
    const cold = await conversation.history(reader, query)
    if (cold.kind !== 'page' || hot.kind !== 'page') throw new Error('refused')
    expect(cold.missing).toMatchObject({ first: 1, last: 1 })
    // What Postgres has of the entry is its text as it was written.
    const [view] = JSON.parse(encodeViews(hot.publications, cold.amendments, cold.states))
    expect(view).toEqual(before)
  })
})

test('all texts of a message are read, over a connection the later ones, and none of a deleted one', async () => {
  const { tenant, lunch, path, alice, bob } = await story()
  for (const text of ['second', 'third']) succeeded(await call(`PATCH ${path}/1`, { as: bob, body: { text } }))
  const { edits } = editList.parse((await call(`GET ${path}/1/edits`, { as: alice })).body)
  expect(edits.map(({ text, user }) => [text, user])).toEqual([
    ['message 1', 'bob'],
    ['second', 'bob'],
    ['third', 'bob'],
  ])
  const bobs = await connectAs(tenant, 'bob')
  const later = await bobs.rpc('message.edits', { conversation: lunch, seq: 1 })
  expect(later.rpc?.data).toEqual({ edits: edits.slice(1) })
  succeeded(await call(`DELETE ${path}/1`, { as: bob }))
  for (const seq of [1, 3, 99]) expect((await call(`GET ${path}/${seq}/edits`, { as: alice })).status).toBe(404)
})

test('a connection that was away recovers each reaction and pin as an entry in its place', async () => {
  const { tenant, lunch, path } = await story()
  const alice = await connectAs(tenant, 'alice')
  const { epoch } = await alice.subscribe(lunch)
  await alice.line.ask({ unsubscribe: { channel: `conversation:${lunch}` } })
  const bob = await connectAs(tenant, 'bob')
  const of = { conversation: lunch, seq: 1 }
  expect((await bob.rpc('message.react', { ...of, reaction: '🎉' })).rpc?.data).toMatchObject({ seq: 6 })
  expect((await bob.rpc('message.unreact', { ...of, reaction: '🎉' })).rpc?.data).toEqual({})
  succeeded(await call(`DELETE ${path}/1/pin`, { as: tenant.key }))
  const { subscribe } = await alice.recover(lunch, { offset: 5, epoch })
  expect(subscribe).toMatchObject({
    recovered: true,
    publications: [
      { offset: 6, data: { type: 'reaction.added', user: 'bob', ref: 1, reaction: '🎉' } },
      { offset: 7, data: { type: 'reaction.removed', user: 'bob', member: 'bob', ref: 1, reaction: '🎉' } },
      { offset: 8, data: { type: 'pin.removed', user: '', ref: 1 } },
    ],
  })
})

test('a message that a moderator deleted for a time is restored with its data, counts and reactions, and is gone afterwards', async () => {
  const { tenant, lunch, path, alice, first } = await story()
  const as = tenant.key
  succeeded(await call(`POST ${path}`, { as, body: { clientId: 'd', text: 'with data', data: { n: 1 } } }))
  const of = `${path}/6`
  const read = async () => (await call(`GET ${of}`, { as: alice })).body
  const carol = async () =>
    (await call(`POST /v1/conversations/${lunch}/read`, { as, body: { seq: 0, user: 'carol' } })).body
  const before = [await read(), await carol()]
  expect((await call(`DELETE ${of}?restorableFor=60`, { as: alice })).status).toBe(204)
  expect(await read()).toEqual({ seq: 6, type: 'message', user: '', at: expect.any(Number), deleted: true })
  expect(await carol()).toMatchObject({ unread: 2 })
  await putToSleep(tenant.actorOf(lunch))
  succeeded(await call(`POST ${of}/restore`, { as: alice }))
  expect([await read(), await carol()]).toEqual(before)
  expect(editList.parse((await call(`GET ${of}/edits`, { as: alice })).body).edits).toMatchObject([
    { text: 'with data' },
  ])
  // Deleted without a time it is gone for good, wherever it was.
  succeeded(await call(`DELETE ${of}`, { as: alice }))
  expect((await call(`POST ${of}/restore`, { as: alice })).status).toBe(404)
  const stored = await runInDurableObject(tenant.actorOf(lunch), (_, { storage: { sql } }) =>
    ['messages', 'kept_messages', 'edits', 'amendments'].map((table) =>
      JSON.stringify(sql.exec(`SELECT * FROM ${table}`).toArray()),
    ),
  )
  expect(stored.join('')).not.toContain('with data')
  expect(await first(alice)).toMatchObject({ text: 'message 1' })
})

test('the content of a message that could be restored is removed by the alarm once its time is over', async () => {
  const { tenant, lunch, path, alice } = await story()
  succeeded(await call(`DELETE ${path}/1?restorableFor=60`, { as: alice }))
  const conversation = tenant.actorOf(lunch)
  const kept = async () =>
    await runInDurableObject(conversation, (_, { storage: { sql } }) =>
      sql.exec('SELECT data FROM kept_messages').toArray(),
    )
  expect(JSON.stringify(await kept())).toContain('message 1')
  await runInDurableObject(conversation, (_, { storage: { sql } }) => {
    sql.exec('UPDATE kept_messages SET until = 1')
  })
  await putToSleep(conversation)
  await eventually('the alarm has removed the content', async () => {
    await runDurableObjectAlarm(conversation)
    return (await kept()).length === 0 ? true : undefined
  })
  expect((await call(`POST ${path}/1/restore`, { as: alice })).status).toBe(404)
})

test('a reaction moves no read cursor and is not unread', async () => {
  const { tenant, lunch, react } = await story()
  const as = tenant.key
  const stateOf = async (user: string) =>
    (await call(`POST /v1/conversations/${lunch}/read`, { as, body: { seq: 0, user } })).body
  const before = await stateOf('carol')
  succeeded(await react('🙂', 'carol'))
  expect(await stateOf('carol')).toEqual(before)
  expect(before).toMatchObject({ read: 0, unread: 2 })
})

test('a reaction that has spaces, or is one too many of its user, is refused with what to do', async () => {
  const { react } = await story()
  expect((await react('a b', 'bob')).body).toMatchObject({ type: expect.stringContaining('invalid-request') })
  for (let n = 0; n < 20; n++) succeeded(await react(`r${n}`, 'bob'))
  expect(await react('more', 'bob')).toMatchObject({
    status: 409,
    body: { type: expect.stringContaining('too-many-reactions'), detail: expect.stringContaining('take one back') },
  })
})

test.each(['delete', 'keep-anonymous'] as const)(
  'an erased user is named by no reaction, pin or edit where messages are erased by "%s"',
  async (messages) => {
    const { tenant, lunch, path, bob, first } = await story()
    succeeded(await call(`POST ${path}/2/reactions`, { as: bob, body: { reaction: '🎉' } }))
    const conversation = tenant.actorOf(lunch)
    const erased = { user: 'carol', pseudonym: 'erased-1', messages }
    for (let cursor: string | null = ''; cursor !== null;) {
      const part: { readonly next: string | null } = await conversation.eraseUser(erased, cursor)
      cursor = part.next
    }
    const count = messages === 'delete' ? 1 : 2
    expect((await first(bob)).reactions).toEqual([{ reaction: '👍', count, own: false }])
    const stored = await runInDurableObject(conversation, (_, { storage: { sql } }) =>
      ['messages', 'reactions', 'pins', 'edits'].map((table) =>
        JSON.stringify(sql.exec(`SELECT * FROM ${table}`).toArray()),
      ),
    )
    expect(stored.join('')).not.toContain('carol')
    expect(stored.join('')).toContain('👍')
  },
)
