import { env } from 'cloudflare:workers'
import { listDurableObjectIds, runInDurableObject } from 'cloudflare:test'
import { describe, expect, test } from 'vitest'
import { notesActors, notesNumberOf } from '../../src/inbox/notes.ts'
import { settleActivity } from '../support/worker/activity.ts'
import { eventually } from '../support/worker/bounded.ts'
import { call } from '../support/worker/http.ts'
import { connectAs } from '../support/worker/person.ts'
import { newTenant, type TestTenant } from '../support/worker/tenant.ts'

// What a conversation costs members that are not connected.

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
  await settleActivity(tenant, hall)

  expect(await inboxesOf(tenant, users)).toEqual([])
  let notes = 0
  for (let number = 0; number < notesActors; number++)
    await runInDurableObject(env.INBOX_NOTES.getByName(`${tenant.id}/${number}`), (_, { storage }) => {
      notes += Number(storage.sql.exec('SELECT count(*) AS n FROM notes').one()['n'])
      expect(storage.sql.exec('SELECT count(*) AS n FROM conversations').one()['n']).toBe(1)
    })
  expect(notes).toBe(301)
})

test('a message to members that are not connected costs no call of a notes actor', async () => {
  const tenant = await newTenant()
  const hall = await tenant.group('alice', ...invented(300))
  await settleActivity(tenant, hall)
  const before = await placesOf(tenant)
  await tenant.post(hall, 'alice', 'Welcome')
  await settleActivity(tenant, hall)
  const after = await placesOf(tenant)
  expect(after).toEqual(before)
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
  test('has all that was written before its user first connected, and is notified directly from then on', async () => {
    const tenant = await newTenant()
    const lunch = await tenant.group('alice', 'bob')
    await tenant.postMany(lunch, 'alice', 3)
    await settleActivity(tenant, lunch)
    expect(await inboxesOf(tenant, ['bob'])).toEqual([])
    const bob = await connectAs(tenant, 'bob')
    expect(await listOf(tenant, 'bob')).toEqual([expect.objectContaining({ id: lunch, last: 3, unread: 3 })])
    await tenant.post(lunch, 'alice', 'now')
    await settleActivity(tenant, lunch)
    expect((await bob.inboxSays('unread', ({ data }) => data['last'] === 4)).data).toMatchObject({ unread: 4 })
  })

  test('closes with the second conversation that its user joins after leaving, and misses nothing while it is closed', async () => {
    const tenant = await newTenant()
    const [lunch, tea] = [await tenant.group('alice', 'bob'), await tenant.group('alice', 'bob')]
    const bob = await connectAs(tenant, 'bob')
    bob.line.close()
    await tenant.post(lunch, 'alice', 'one')
    const pie = await tenant.group('alice', 'bob')
    await settleActivity(tenant, pie)
    await eventually('the gateway that answered that it has no connection is dropped', async () => {
      return (await tenant.inboxOf('bob').gateways()).length === 0 ? true : undefined
    })
    const cake = await tenant.group('alice', 'bob')
    await settleActivity(tenant, cake)
    const notes = env.INBOX_NOTES.getByName(`${tenant.id}/${notesNumberOf('bob')}`)
    expect(await notes.standingOf('bob')).toBe('closed')
    await tenant.post(lunch, 'alice', 'two')
    await tenant.remove(tea, 'bob')
    await settleActivity(tenant, lunch)
    await settleActivity(tenant, tea)
    await connectAs(tenant, 'bob')
    expect(await notes.standingOf('bob')).toBe('open')
    expect(await listOf(tenant, 'bob')).toEqual([
      expect.objectContaining({ id: lunch, last: 2, unread: 2 }),
      expect.objectContaining({ id: cake, last: 0, unread: 0 }),
      expect.objectContaining({ id: pie, last: 0, unread: 0 }),
    ])
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
