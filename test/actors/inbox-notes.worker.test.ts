import { env } from 'cloudflare:workers'
import { listDurableObjectIds, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { describe, expect, test } from 'vitest'
import { notesActors, notesNumberOf } from '../../src/inbox/notes.ts'
import { eventually } from '../support/worker/bounded.ts'
import { call } from '../support/worker/http.ts'
import { connectAs } from '../support/worker/person.ts'
import { newTenant, type TestTenant } from '../support/worker/tenant.ts'

// What a conversation costs members that are not connected.

/** Pays all that a conversation owes its members. */
async function tellMembers(tenant: TestTenant, conversation: string): Promise<void> {
  const actor = tenant.actorOf(conversation)
  await eventually('the members were told', async () => {
    await runDurableObjectAlarm(actor)
    const isEven = await runInDurableObject(actor, async (_, { storage }) => {
      const facts = new Map(
        storage.sql
          .exec('SELECT name, value FROM facts')
          .toArray()
          .map(({ name, value }) => [String(name), String(value)]),
      )
      const { top } = storage.sql.exec('SELECT coalesce(max(seq), 0) AS top FROM messages').one()
      const version: { version: number } = JSON.parse(facts.get('conversation') ?? '{}')
      const isTold = Number(facts.get('told') ?? 0) >= Number(top)
      return isTold && Number(facts.get('toldVersion') ?? 0) >= version.version && (await storage.getAlarm()) === null
    })
    return isEven ? true : undefined
  })
}

/** The inbox actors there are of users whose names begin so. */
async function inboxesOf(tenant: TestTenant, users: readonly string[]): Promise<string[]> {
  const ids = new Set((await listDurableObjectIds(env.INBOX)).map(String))
  return users.filter((user) => ids.has(String(env.INBOX.idFromName(`${tenant.id}/${user}`))))
}

const listOf = async (tenant: TestTenant, user: string) =>
  (await call(`GET /v1/conversations?user=${user}`, { as: tenant.key })).body.conversations

const invented = (count: number) => Array.from({ length: count }, (_, n) => `invented${n}`)

test('a member that never connected has no actor of its own, and one row for each of its conversations', async () => {
  const tenant = await newTenant()
  const users = invented(300)
  const hall = await tenant.group('alice', ...users)
  await tenant.post(hall, 'alice', 'Welcome')
  await tellMembers(tenant, hall)

  expect(await inboxesOf(tenant, users)).toEqual([])
  let notes = 0
  for (let number = 0; number < notesActors; number++)
    await runInDurableObject(env.INBOX_NOTES.getByName(`${tenant.id}/${number}`), (_, { storage }) => {
      notes += Number(storage.sql.exec('SELECT count(*) AS n FROM notes').one()['n'])
      expect(storage.sql.exec('SELECT count(*) AS n FROM conversations').one()['n']).toBe(1)
    })
  expect(notes).toBe(301)
})

test('a message to members that are not connected costs one call of each notes actor, whatever their number', async () => {
  const tenant = await newTenant()
  const hall = await tenant.group('alice', ...invented(300))
  await tellMembers(tenant, hall)
  const before = await placesOf(tenant)
  await tenant.post(hall, 'alice', 'Welcome')
  await tellMembers(tenant, hall)
  const after = await placesOf(tenant)
  // Alice's own cursor moved, which is told with a call before that of the news.
  const calls = after.map((place, number) => place - before[number]!)
  expect(calls).toEqual(calls.map(() => 1))
})

const placesOf = async (tenant: TestTenant) =>
  await Promise.all(
    Array.from({ length: notesActors }, async (_, number) =>
      runInDurableObject(env.INBOX_NOTES.getByName(`${tenant.id}/${number}`), (__, { storage }) =>
        Number(storage.sql.exec("SELECT value FROM facts WHERE name = 'place'").one()['value']),
      ),
    ),
  )

describe('an inbox', () => {
  test('has all that was written before its user first connected, and hears directly from then on', async () => {
    const tenant = await newTenant()
    const lunch = await tenant.group('alice', 'bob')
    await tenant.postMany(lunch, 'alice', 3)
    await tellMembers(tenant, lunch)
    expect(await inboxesOf(tenant, ['bob'])).toEqual([])
    const bob = await connectAs(tenant, 'bob')
    expect(await listOf(tenant, 'bob')).toEqual([expect.objectContaining({ id: lunch, last: 3, unread: 3 })])
    await tenant.post(lunch, 'alice', 'now')
    await tellMembers(tenant, lunch)
    expect((await bob.inboxSays('unread', ({ data }) => data['last'] === 4)).data).toMatchObject({ unread: 4 })
  })

  test('closes with the first news after its user left, and misses nothing while it is closed', async () => {
    const tenant = await newTenant()
    const [lunch, tea] = [await tenant.group('alice', 'bob'), await tenant.group('alice', 'bob')]
    const bob = await connectAs(tenant, 'bob')
    bob.line.close()
    await eventually('the gateway left', async () => {
      return (await tenant.inboxOf('bob').gateways()).length === 0 ? true : undefined
    })
    await tenant.post(lunch, 'alice', 'one')
    await tellMembers(tenant, lunch)
    const notes = env.INBOX_NOTES.getByName(`${tenant.id}/${notesNumberOf('bob')}`)
    expect(await notes.standingOf('bob')).toBe('closed')
    await tenant.post(lunch, 'alice', 'two')
    await tenant.remove(tea, 'bob')
    await tellMembers(tenant, lunch)
    await tellMembers(tenant, tea)
    await connectAs(tenant, 'bob')
    expect(await notes.standingOf('bob')).toBe('open')
    expect(await listOf(tenant, 'bob')).toEqual([expect.objectContaining({ id: lunch, last: 2, unread: 2 })])
  })

  test('that was opened again is not closed by word of its earlier turn', async () => {
    const tenant = await newTenant()
    const notes = env.INBOX_NOTES.getByName(`${tenant.id}/0`)
    const first = await notes.open('bob')
    await notes.open('bob')
    await notes.close('bob', first.turn)
    expect(await notes.standingOf('bob')).toBe('open')
  })
})
