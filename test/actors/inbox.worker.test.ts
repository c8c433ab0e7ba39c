import { runInDurableObject } from 'cloudflare:test'
import { describe, expect, test } from 'vitest'
import { inboxSchema } from '../../durable-objects/inbox/schema.ts'
import { migrate } from '../../durable-objects/shared/migrate.ts'
import { settleActivity } from '../support/worker/activity.ts'
import { eventually } from '../support/worker/bounded.ts'
import { call } from '../support/worker/http.ts'
import { connectAs, type Person } from '../support/worker/person.ts'
import { putToSleep } from '../support/worker/sleep.ts'
import { newTenant, type TestTenant } from '../support/worker/tenant.ts'

const listOf = async (tenant: TestTenant, user: string) => {
  const { body } = await call(`GET /v1/conversations?user=${user}`, { as: tenant.key })
  return body.conversations
}

/** Everything said after the user's read cursor, counted anew from the log itself. */
async function recount(tenant: TestTenant, conversation: string, user: string): Promise<number> {
  const { body } = await call(`GET /v1/conversations/${conversation}`, { as: await tenant.token(user) })
  const page = await call(`GET /v1/conversations/${conversation}/messages?limit=100`, { as: tenant.key })
  return page.body.messages.filter(({ seq }) => seq > Number(body['read'])).length
}

const since = (person: Person) => {
  const { offset, epoch } = person.welcome.subs[`user:#${person.user}`]!
  return { [`user:#${person.user}`]: { recover: true, offset, epoch } }
}

describe('the list', () => {
  test('shows a new conversation to its members at once, with nothing unread', async () => {
    const tenant = await newTenant()
    const lunch = await tenant.group('alice', 'bob')
    for (const user of ['alice', 'bob'])
      expect(await listOf(tenant, user)).toEqual([
        expect.objectContaining({ id: lunch, name: 'Lunch', last: 0, unread: 0, preview: null, memberCount: 2 }),
      ])
    expect(await listOf(tenant, 'carol')).toEqual([])
  })

  test('counts unread messages of others, not edits, deleted messages, names, members or roles, and shows the newest message', async () => {
    const tenant = await newTenant()
    const lunch = await tenant.group('alice', 'bob')
    const at = `/v1/conversations/${lunch}`
    const as = await tenant.token('alice')
    await tenant.postMany(lunch, 'alice', 8)
    const shown = async () => {
      await settleActivity(tenant, lunch)
      return (await listOf(tenant, 'bob'))[0]
    }
    expect(await shown()).toMatchObject({ unread: 8, preview: { text: 'message 8' } })
    await call(`PATCH ${at}/messages/8`, { as, body: { text: 'edited' } })
    await call(`DELETE ${at}/messages/3`, { as })
    await call(`PATCH ${at}`, { as, body: { name: 'Dinner' } })
    await call(`POST ${at}/members`, { as, body: { members: ['carol'] } })
    await call(`PATCH ${at}/members/carol`, { as, body: { role: 'admin' } })
    expect(await shown()).toMatchObject({ unread: 7, preview: { text: 'edited' } })
    await call(`DELETE ${at}/messages/8`, { as })
    expect(await shown()).toMatchObject({ unread: 6, preview: { text: 'message 7' } })
    const bob = await connectAs(tenant, 'bob')
    expect((await bob.rpc('conversation.read', { conversation: lunch, seq: 2 })).rpc?.data).toEqual({
      read: 2,
      unread: 4,
      mentions: 0,
    })
    await settleActivity(tenant, lunch)
    expect((await listOf(tenant, 'bob'))[0]).toMatchObject({ read: 2, unread: 4 })
    expect((await listOf(tenant, 'carol'))[0]).toMatchObject({ unread: 0 })
  })

  test('counts what is unread as a full recount does, and a sender has read their own message', async () => {
    const tenant = await newTenant()
    const lunch = await tenant.group('alice', 'bob', 'carol')
    await tenant.postMany(lunch, 'alice', 3)
    await tenant.post(lunch, 'bob', 'me too')
    await tenant.postMany(lunch, 'alice', 2)
    const carol = await connectAs(tenant, 'carol')
    await carol.rpc('conversation.read', { conversation: lunch, seq: 5 })
    await settleActivity(tenant, lunch)
    for (const [user, unread] of Object.entries({ alice: 0, bob: 2, carol: 1 })) {
      expect((await listOf(tenant, user))[0]).toMatchObject({ last: 6, unread, preview: { text: 'message 2' } })
      expect(await recount(tenant, lunch, user)).toBe(unread)
    }
  })

  test('still counts right after the conversation has slept with cursors it had not written down', async () => {
    const tenant = await newTenant()
    const lunch = await tenant.group('alice', 'bob')
    await tenant.postMany(lunch, 'alice', 3)
    await putToSleep(tenant.actorOf(lunch))
    await tenant.post(lunch, 'bob', 'awake?')
    await settleActivity(tenant, lunch)
    expect((await listOf(tenant, 'alice'))[0]).toMatchObject({ last: 4, unread: 1 })
    expect((await listOf(tenant, 'bob'))[0]).toMatchObject({ last: 4, unread: 0 })
  })

  test('shows newest activity first, in pages that neither repeat nor skip', async () => {
    const tenant = await newTenant()
    const ids: string[] = []
    for (let n = 0; n < 5; n++) ids.push(await tenant.group('alice'))
    const seen: string[] = []
    let next: string | null = ''
    while (next !== null) {
      const cursor: string = next === '' ? '' : `&cursor=${next}`
      const { body } = await call(`GET /v1/conversations?user=alice&limit=2${cursor}`, { as: tenant.key })
      seen.push(...body.conversations.map(({ id }) => id))
      next = body.next
    }
    expect(new Set(seen)).toEqual(new Set(ids))
    expect(seen).toHaveLength(5)
    const first = seen.at(-1)!
    await tenant.post(first, 'alice', 'up again')
    await settleActivity(tenant, first)
    expect((await listOf(tenant, 'alice'))[0]!.id).toBe(first)
  })

  test('over the socket is the same list, and a nonsense cursor is named', async () => {
    const tenant = await newTenant()
    await tenant.group('alice')
    const alice = await connectAs(tenant, 'alice')
    const { rpc } = await alice.rpc('inbox.list', {})
    expect(rpc!.data).toEqual({ conversations: await listOf(tenant, 'alice'), next: null })
    const { error } = await alice.rpc('inbox.list', { cursor: 'nonsense' })
    expect(error).toMatchObject({ code: 400, message: expect.stringContaining('cursor') })
  })

  test('forgets a conversation its user left, and knows it again when the user comes back', async () => {
    const tenant = await newTenant()
    const lunch = await tenant.group('alice', 'bob')
    const bob = await connectAs(tenant, 'bob')
    await tenant.remove(lunch, 'bob')
    await settleActivity(tenant, lunch)
    await bob.inboxSays('removed', ({ data }) => data['conversation'] === lunch)
    expect(await listOf(tenant, 'bob')).toEqual([])
    await call(`POST /v1/conversations/${lunch}/members`, { as: tenant.key, body: { members: ['bob'] } })
    await settleActivity(tenant, lunch)
    expect(await listOf(tenant, 'bob')).toEqual([expect.objectContaining({ id: lunch, last: 2, unread: 0 })])
  })

  test('forgets a deleted conversation', async () => {
    const tenant = await newTenant()
    const lunch = await tenant.group('alice', 'bob')
    await call(`DELETE /v1/conversations/${lunch}`, { as: await tenant.token('alice') })
    await settleActivity(tenant, lunch)
    for (const user of ['alice', 'bob']) await expect.poll(() => listOf(tenant, user)).toEqual([])
  })
})

describe('reading', () => {
  test('while the inboxes are being notified reaches the list all the same', async () => {
    const tenant = await newTenant()
    const lunch = await tenant.group('alice', 'bob')
    const bob = await connectAs(tenant, 'bob')
    await tenant.postMany(lunch, 'alice', 3)
    await Promise.all([settleActivity(tenant, lunch), bob.rpc('conversation.read', { conversation: lunch, seq: 3 })])
    await settleActivity(tenant, lunch)
    await eventually('the cursor in the list', async () => {
      const [entry] = await listOf(tenant, 'bob')
      return entry!.unread === 0 ? true : undefined
    })
  })

  test('in a conversation too large for read events reaches the list too', async () => {
    const tenant = await newTenant()
    const others = Array.from({ length: 210 }, (_, n) => `user${n}`)
    const hall = await tenant.group('alice', ...others)
    await tenant.post(hall, 'alice', 'Welcome')
    await settleActivity(tenant, hall)
    const reader = await connectAs(tenant, 'user7')
    await reader.rpc('conversation.read', { conversation: hall, seq: 1 })
    await settleActivity(tenant, hall)
    await expect.poll(() => listOf(tenant, 'user7')).toMatchObject([{ last: 1, unread: 0 }])
  })
})

describe('the personal stream', () => {
  test('brings a device that comes back the newest state of each conversation, and then updates only', async () => {
    const tenant = await newTenant()
    const [lunch, tea] = [await tenant.group('alice', 'bob'), await tenant.group('alice', 'bob')]
    const before = await connectAs(tenant, 'bob')
    before.line.close()
    await tenant.postMany(lunch, 'alice', 3)
    await settleActivity(tenant, lunch)
    await tenant.post(lunch, 'alice', 'last')
    await settleActivity(tenant, lunch)
    await putToSleep(tenant.inboxOf('bob'))
    const after = await connectAs(tenant, 'bob', { subs: since(before) })
    const stream = after.welcome.subs['user:#bob']!
    expect(stream).toMatchObject({ was_recovering: true, recovered: true })
    // What happened in the minutes before is repeated: the clocks of actors may differ.
    expect(stream.publications!.map(({ data }) => [data['conversation'], data['unread']])).toEqual([
      [lunch, 0],
      [tea, 0],
    ])
    const isOfLunch = ({ data }: { data: Record<string, unknown> }) => data['conversation'] === lunch
    expect((await after.inboxSays('unread', isOfLunch)).data).toMatchObject({ last: 4, unread: 4 })
    await tenant.post(tea, 'alice', 'hello')
    await settleActivity(tenant, tea)
    const isNew = ({ data }: { data: Record<string, unknown> }) => data['conversation'] === tea && data['last'] === 1
    expect((await after.inboxSays('unread', isNew)).data).toMatchObject({ unread: 1 })
  })

  test('of another epoch is answered as not recovered', async () => {
    const tenant = await newTenant()
    await tenant.group('bob')
    const subs = { 'user:#bob': { recover: true, offset: 1, epoch: 'other' } }
    const before = Date.now()
    const { welcome } = await connectAs(tenant, 'bob', { subs })
    expect(welcome.subs['user:#bob']).toMatchObject({ was_recovering: true })
    expect(welcome.subs['user:#bob']!.offset).toBeGreaterThanOrEqual(before)
    expect(welcome.subs['user:#bob']).not.toHaveProperty('recovered')
  })

  test('of another user is never sent, whatever a client says it had', async () => {
    const tenant = await newTenant()
    const { welcome } = await connectAs(tenant, 'bob', { subs: { 'user:#alice': { recover: true } } })
    expect(Object.keys(welcome.subs)).toEqual(['user:#bob'])
  })

  test('a gateway that is behind is brought up to date with the answer to any of its calls', async () => {
    const tenant = await newTenant()
    const [lunch, tea] = [await tenant.group('alice', 'bob'), await tenant.group('alice', 'bob')]
    const answer = await tenant.inboxOf('bob').execute({
      gateway: 'somewhere/0',
      have: 0,
      commands: [{ kind: 'leave', user: 'bob', client: 'phone', last: false }],
    })
    expect(answer.behind).toBe(false)
    expect(answer.update.after).toBe(0)
    expect(answer.update.publications.map(({ data }) => JSON.parse(data).conversation)).toEqual([lunch, tea])
  })

  test('receives each conversation in order on all devices while they come and go', async () => {
    const tenant = await newTenant()
    const rooms = await Promise.all(Array.from({ length: 4 }, () => tenant.group('alice', 'bob')))
    const gateway = 'inbox-devices/0'
    const desk = await connectAs(tenant, 'bob', { gateway })
    const comingAndGoing = async () => {
      for (let n = 0; n < 6; n++) (await connectAs(tenant, 'bob', { gateway })).line.close()
    }
    const talking = async (room: string) => {
      for (let n = 0; n < 4; n++) {
        await tenant.post(room, 'alice', `${n}`)
        await settleActivity(tenant, room)
      }
    }
    await Promise.all([comingAndGoing(), ...rooms.map(talking)])
    for (const room of rooms)
      await desk.inboxSays('unread', ({ data }) => data['conversation'] === room && data['last'] === 4)
    expect(await desk.line.ask({ ping: {} })).toMatchObject({ error: { code: 108 } })
  })
})

describe('its rows', () => {
  test('are one for each update of a conversation, since every member has an inbox', async () => {
    const tenant = await newTenant()
    const lunch = await tenant.group('alice', 'bob')
    const inbox = tenant.inboxOf('bob')
    await connectAs(tenant, 'bob')
    const written = await runInDurableObject(inbox, async (instance, { storage }) => {
      const exec = storage.sql.exec.bind(storage.sql)
      let rows = 0
      storage.sql.exec = (query: string, ...bindings: SqlStorageValue[]) => {
        const cursor = exec<Record<string, SqlStorageValue>>(query, ...bindings)
        rows += cursor.rowsWritten
        // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as in the platform's own types, the caller says what rows are
        return cursor as never
      }
      await instance.advance({ ...news, conversation: lunch, last: 7 })
      return rows
    })
    expect(written).toBe(1)
  })

  test('of an earlier version go on: tables are brought up to date when it wakes', async () => {
    const tenant = await newTenant()
    const inbox = tenant.inboxOf('alice')
    await runInDurableObject(inbox, (_, { storage }) => {
      migrate(storage.sql, inboxSchema.slice(0, 1))
      const entry = { ...news, conversation: 'old', offset: 3, archived: false, removed: false }
      storage.sql.exec('INSERT INTO facts (name, value) VALUES (?, ?)', 'epoch', 'e')
      storage.sql.exec('INSERT INTO entries VALUES (?, ?, ?, ?, ?)', 'old', 3, 1, 0, JSON.stringify(entry))
    })
    await putToSleep(inbox)
    expect(await listOf(tenant, 'alice')).toEqual([expect.objectContaining({ id: 'old', last: 5, unread: 4 })])
    const lunch = await tenant.group('alice', 'bob')
    expect((await listOf(tenant, 'alice')).map(({ id }) => id)).toEqual([lunch, 'old'])
  })
})

const news = {
  type: 'group',
  name: 'Lunch',
  last: 5,
  read: 1,
  at: 1,
  preview: null,
  members: ['alice'],
  memberCount: 1,
  version: 1,
} as const
