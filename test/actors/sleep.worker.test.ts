import { abortAllDurableObjects, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { describe, expect, test, vi } from 'vitest'
import { isCheckedAt } from '../../src/realtime/liveness.ts'
import { isPing } from '../support/worker/line.ts'
import { connectAs, type Person } from '../support/worker/person.ts'
import { putToSleep } from '../support/worker/sleep.ts'
import { newTenant } from '../support/worker/tenant.ts'

const gatewayAt = (name: string) => env.GATEWAY.getByName(name)

/** A group of Alice and Bob, both listening on one gateway of the test's own. */
async function together(gateway: string) {
  const tenant = await newTenant()
  const lunch = await tenant.group('alice', 'bob')
  const [alice, bob] = [await connectAs(tenant, 'alice', { gateway }), await connectAs(tenant, 'bob', { gateway })]
  for (const person of [alice, bob]) await person.subscribe(lunch)
  return { tenant, lunch, alice, bob, conversation: tenant.actorOf(lunch), gateway: gatewayAt(gateway) }
}

const offsets = async (person: Person, conversation: string, count: number) => {
  const heard = []
  for (let n = 0; n < count; n++) heard.push((await person.hears(conversation)).offset)
  return heard
}

describe('while a gateway sleeps its sockets stay, and then', () => {
  test('nothing is missing and nothing doubled', async () => {
    const { tenant, lunch, alice, bob, gateway } = await together('sleep-1/0')
    await alice.send(lunch, 'one')
    await putToSleep(gateway)
    await tenant.post(lunch, 'alice', 'two')
    await putToSleep(gateway)
    await bob.send(lunch, 'three')
    for (const person of [alice, bob]) {
      expect(await offsets(person, lunch, 3)).toEqual([1, 2, 3])
      expect(await person.alsoHeard(lunch)).toEqual([])
    }
  })

  test('messages sent while it lost its memory are fetched before anything newer is published', async () => {
    const { tenant, lunch, alice, bob, conversation, gateway } = await together('sleep-2/0')
    await alice.send(lunch, 'one')
    // As if the calls about two and three had been lost on the way.
    await runInDurableObject(conversation, (_, { storage }) => storage.sql.exec('DELETE FROM listeners'))
    await putToSleep(conversation)
    await tenant.post(lunch, 'alice', 'two')
    await tenant.post(lunch, 'alice', 'three')
    await putToSleep(gateway)
    await bob.send(lunch, 'four')
    for (const person of [alice, bob]) expect(await offsets(person, lunch, 4)).toEqual([1, 2, 3, 4])
  })

  test('an update that begins beyond a gap waits until the missing entries were fetched', async () => {
    const { tenant, lunch, bob, conversation, gateway } = await together('sleep-7/0')
    await runInDurableObject(conversation, (_, { storage }) => storage.sql.exec('DELETE FROM listeners'))
    await putToSleep(conversation)
    await tenant.postMany(lunch, 'alice', 3)
    const { update } = await conversation.execute({ gateway: null, have: 2, commands: [] })
    await gateway.publish({ tenant: tenant.id, channel: `conversation:${lunch}`, ...update })
    expect(await offsets(bob, lunch, 3)).toEqual([1, 2, 3])
    expect(await bob.alsoHeard(lunch)).toEqual([])
  })

  test('a gap that nothing newer shows is found by asking, and listening is known again', async () => {
    const { tenant, lunch, alice, conversation, gateway } = await together('sleep-patrol/0')
    await alice.send(lunch, 'one')
    await runInDurableObject(conversation, (_, { storage }) => storage.sql.exec('DELETE FROM listeners'))
    await putToSleep(conversation)
    await tenant.post(lunch, 'alice', 'two')
    let due = Date.now()
    while (!isCheckedAt(`conversation:${lunch}`, due)) due += 25_000
    vi.useFakeTimers({ toFake: ['Date'], now: due })
    await runDurableObjectAlarm(gateway)
    vi.useRealTimers()
    expect(await offsets(alice, lunch, 2)).toEqual([1, 2])
    await tenant.post(lunch, 'alice', 'three')
    expect(await offsets(alice, lunch, 1)).toEqual([3])
  })

  test('the one who remembered how far it was may leave: another remembers', async () => {
    const { tenant, lunch, alice, bob, gateway } = await together('sleep-3/0')
    await alice.send(lunch, 'one')
    expect(await offsets(bob, lunch, 1)).toEqual([1])
    alice.line.close()
    await tenant.post(lunch, 'alice', 'two')
    expect(await offsets(bob, lunch, 1)).toEqual([2])
    await putToSleep(gateway)
    await tenant.post(lunch, 'alice', 'three')
    expect(await offsets(bob, lunch, 1)).toEqual([3])
    expect(await bob.alsoHeard(lunch)).toEqual([])
  })

  test('users, subscriptions and expiry are known as before', async () => {
    const { lunch, alice, bob, gateway } = await together('sleep-4/0')
    await putToSleep(gateway)
    const { presence_stats } = await alice.line.ask({ presence_stats: { channel: `conversation:${lunch}` } })
    expect(presence_stats).toEqual({ num_clients: 2, num_users: 2 })
    expect(await bob.line.ask({ subscribe: { channel: `conversation:${lunch}` } })).toMatchObject({
      error: { code: 105 },
    })
    expect((await gateway.stats()).sockets).toBe(2)
    await runDurableObjectAlarm(gateway)
    await alice.line.next('a ping', isPing)
  })
})

describe('a conversation that slept', () => {
  test('goes on where it was: order, members, listeners, clientIds', async () => {
    const { lunch, alice, bob, conversation } = await together('sleep-5/0')
    await alice.send(lunch, 'one', 'a')
    await putToSleep(conversation)
    expect(await alice.send(lunch, 'one', 'a')).toMatchObject({ seq: 1, duplicate: true })
    await putToSleep(conversation)
    expect(await bob.send(lunch, 'two')).toMatchObject({ seq: 2, duplicate: false })
    for (const person of [alice, bob]) expect(await offsets(person, lunch, 2)).toEqual([1, 2])
  })

  test('knows who has read what, also who had read by writing', async () => {
    const { tenant, lunch, alice, bob, conversation } = await together('sleep-6/0')
    for (const text of ['one', 'two', 'three']) await alice.send(lunch, text)
    await bob.rpc('conversation.read', { conversation: lunch, seq: 2 })
    await putToSleep(conversation)
    const another = await connectAs(tenant, 'bob')
    expect(await another.subscribe(lunch)).toMatchObject({
      data: { read: 2, members: [expect.objectContaining({ user: 'alice', read: 3 }), { user: 'bob', read: 2 }] },
    })
  })
})

describe('after a crash of everything', () => {
  test('every acknowledged message is there, in its place', async () => {
    const tenant = await newTenant()
    const lunch = await tenant.group('alice', 'bob')
    const alice = await connectAs(tenant, 'alice', { gateway: 'crash-1/0' })
    const acknowledged = new Map<number, string>()
    for (let n = 0; n < 20; n++) {
      const { seq } = await alice.send(lunch, `message ${n}`)
      acknowledged.set(Number(seq), `message ${n}`)
    }
    await abortAllDurableObjects()
    const bob = await connectAs(tenant, 'bob')
    const { subscribe } = await bob.recover(lunch, { offset: 0 })
    const there = new Map(subscribe!.publications!.map(({ offset, data }) => [offset, data['text']]))
    expect(there).toEqual(acknowledged)
    expect(await bob.send(lunch, 'and on')).toMatchObject({ seq: 21 })
  })

  test('a returning client gets exactly what it missed', async () => {
    const { tenant, lunch, alice, bob } = await together('crash-2/0')
    await alice.send(lunch, 'one')
    const { offset } = await bob.hears(lunch)
    await abortAllDurableObjects()
    await tenant.post(lunch, 'alice', 'two')
    const again = await connectAs(tenant, 'bob', { gateway: 'crash-2/1' })
    const { subscribe } = await again.recover(lunch, { offset: offset! })
    expect(subscribe!.publications!.map(({ data }) => data['text'])).toEqual(['two'])
  })

  test('pending tasks for Postgres and inboxes are still pending', async () => {
    const tenant = await newTenant()
    const lunch = await tenant.group('alice', 'bob')
    await tenant.post(lunch, 'alice', 'one')
    await abortAllDurableObjects()
    await expect
      .poll(async () => {
        await runDurableObjectAlarm(tenant.actorOf(lunch))
        return await tenant.inboxOf('bob').list(undefined, 10)
      })
      .toMatchObject({ conversations: [{ unread: 1 }] })
  })
})

test('a message costs its row and the index entry of its clientId, nothing more', async () => {
  const { tenant, lunch, conversation } = await together('cost/0')
  await tenant.post(lunch, 'alice', 'first')
  await tenant.post(lunch, 'bob', 'second')
  const tables = await runInDurableObject(conversation, (_, { storage }) =>
    storage.sql.exec("SELECT name, type, sql FROM sqlite_master WHERE tbl_name = 'messages'").toArray(),
  )
  expect(tables).toMatchObject([
    { type: 'table' },
    { type: 'index', name: 'by_client_id' },
    // A message that is no reply in a thread is not in it.
    { type: 'index', name: 'by_thread', sql: expect.stringContaining('WHERE thread IS NOT NULL') },
  ])
})
