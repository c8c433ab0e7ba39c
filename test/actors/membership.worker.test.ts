import { runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { describe, expect, test, vi } from 'vitest'
import { Conversation } from '../../durable-objects/conversation/conversation.ts'
import { timeoutMs } from '../support/worker/bounded.ts'
import { call } from '../support/worker/http.ts'
import { connectAs } from '../support/worker/person.ts'
import { postgresIsThere } from '../support/worker/shards.ts'
import { putToSleep } from '../support/worker/sleep.ts'
import { newTenant } from '../support/worker/tenant.ts'

describe('a removed member', () => {
  test('receives nothing more, even on a socket opened before, on any gateway', async () => {
    const tenant = await newTenant()
    const lunch = await tenant.group('alice', 'bob')
    const [desk, phone] = [
      await connectAs(tenant, 'bob', { gateway: 'removed-1/0' }),
      await connectAs(tenant, 'bob', { gateway: 'removed-1/1' }),
    ]
    for (const device of [desk, phone]) await device.subscribe(lunch)
    expect((await tenant.remove(lunch, 'bob')).status).toBe(204)
    for (const device of [desk, phone]) {
      expect(await device.isUnsubscribed(lunch)).toEqual({ code: 2100, reason: 'removed from conversation' })
      await device.alsoHeard(lunch)
    }
    await tenant.post(lunch, 'alice', 'among us')
    for (const device of [desk, phone]) {
      expect(await device.alsoHeard(lunch)).toEqual([])
      expect((await device.recover(lunch, { offset: 0 })).error).toMatchObject({ code: 103 })
      const say = { conversation: lunch, clientId: 'a', text: 'still here?' }
      expect((await device.rpc('message.send', say)).error).toMatchObject({ code: 404 })
      expect((await device.rpc('conversation.read', { conversation: lunch, seq: 1 })).error).toMatchObject({
        code: 404,
      })
      const channel = `conversation:${lunch}`
      expect((await device.line.ask({ history: { channel, limit: 10 } })).error).toMatchObject({ code: 103 })
      expect((await device.line.ask({ presence: { channel } })).error).toMatchObject({ code: 103 })
    }
  })

  test('receives nothing more although the gateway slept meanwhile', async () => {
    const tenant = await newTenant()
    const lunch = await tenant.group('alice', 'bob')
    const bob = await connectAs(tenant, 'bob', { gateway: 'removed-2/0' })
    await bob.subscribe(lunch)
    await putToSleep(env.GATEWAY.getByName('removed-2/0'))
    await putToSleep(tenant.actorOf(lunch))
    await tenant.remove(lunch, 'bob')
    await tenant.post(lunch, 'alice', 'among us')
    expect(await bob.isUnsubscribed(lunch)).toMatchObject({ code: 2100 })
    const later = await bob.alsoHeard(lunch)
    expect(JSON.stringify(later)).not.toContain('among us')
  })

  test('receives nothing more although the removal was lost on the way to the gateway', async () => {
    const tenant = await newTenant()
    const lunch = await tenant.group('alice', 'bob', 'carol')
    const gateway = 'removed-3/0'
    const [bob, carol] = [await connectAs(tenant, 'bob', { gateway }), await connectAs(tenant, 'carol', { gateway })]
    for (const person of [bob, carol]) await person.subscribe(lunch)
    await runInDurableObject(tenant.actorOf(lunch), (_, { storage }) => storage.sql.exec('DELETE FROM listeners'))
    await putToSleep(tenant.actorOf(lunch))
    await tenant.post(lunch, 'alice', 'with you')
    await tenant.remove(lunch, 'bob')
    await tenant.post(lunch, 'alice', 'among us')
    await carol.send(lunch, 'at last')
    for (let seq = 1; seq <= 4; seq++) expect((await carol.hears(lunch)).offset).toBe(seq)
    for (let seq = 1; seq <= 2; seq++) expect((await bob.hears(lunch)).offset).toBe(seq)
    expect(await bob.isUnsubscribed(lunch)).toMatchObject({ code: 2100 })
    expect(await bob.alsoHeard(lunch)).toEqual([])
  })

  test('a member that came back before the gateway was notified of the removal goes on receiving', async () => {
    const tenant = await newTenant()
    const lunch = await tenant.group('alice', 'bob', 'carol')
    const gateway = 'removed-4/0'
    const [bob, carol] = [await connectAs(tenant, 'bob', { gateway }), await connectAs(tenant, 'carol', { gateway })]
    await carol.subscribe(lunch)
    await runInDurableObject(tenant.actorOf(lunch), (_, { storage }) => storage.sql.exec('DELETE FROM listeners'))
    await putToSleep(tenant.actorOf(lunch))
    await tenant.remove(lunch, 'bob')
    await call(`POST /v1/conversations/${lunch}/members`, { as: tenant.key, body: { members: ['bob'] } })
    await bob.subscribe(lunch)
    await carol.send(lunch, 'welcome back')
    expect((await bob.hears(lunch)).offset).toBe(3)
    expect(await bob.alsoHeard(lunch)).toEqual([])
  })

  test('is published as an entry to all remaining members', async () => {
    const tenant = await newTenant()
    const lunch = await tenant.group('alice', 'bob')
    const alice = await connectAs(tenant, 'alice')
    await alice.subscribe(lunch)
    await tenant.remove(lunch, 'bob')
    expect(await alice.hears(lunch)).toMatchObject({ offset: 1, data: { type: 'member.left', member: 'bob' } })
    await call(`POST /v1/conversations/${lunch}/members`, { as: tenant.key, body: { members: ['bob', 'carol'] } })
    expect(await alice.hears(lunch)).toMatchObject({ offset: 2, data: { type: 'member.joined', member: 'bob' } })
    expect(await alice.hears(lunch)).toMatchObject({ offset: 3, data: { type: 'member.joined', member: 'carol' } })
    const bob = await connectAs(tenant, 'bob')
    expect(await bob.subscribe(lunch)).toMatchObject({ offset: 3 })
  })
})

describe('a role', () => {
  test('is published to all, opens what it opens at once, outlives the actor, and can be taken back', async () => {
    const tenant = await newTenant()
    const lunch = await tenant.group('alice', 'bob', 'carol')
    const statements = postgresIsThere()
    const [alice, bob] = [await tenant.token('alice'), await tenant.token('bob')]
    const carol = await connectAs(tenant, 'carol')
    await carol.subscribe(lunch)
    const give = (as: string, role: string) =>
      call(`PATCH /v1/conversations/${lunch}/members/bob`, { as, body: { role } })
    const rename = async (name: string) =>
      (await call(`PATCH /v1/conversations/${lunch}`, { as: bob, body: { name } })).status

    expect(await rename('Bob’s')).toBe(403)
    expect((await give(bob, 'admin')).status).toBe(403)
    expect(await give(alice, 'admin')).toMatchObject({ status: 200, body: { user: 'bob', role: 'admin' } })
    const news = { type: 'member.role', user: 'alice', member: 'bob', role: 'admin' }
    expect(await carol.hears(lunch)).toMatchObject({ offset: 1, data: news })
    expect((await give(alice, 'admin')).status).toBe(200)

    await putToSleep(tenant.actorOf(lunch))
    expect(await rename('Bob’s')).toBe(200)
    expect(await carol.hears(lunch)).toMatchObject({ offset: 2, data: { type: 'conversation.renamed' } })
    await vi.waitFor(
      async () => {
        await runDurableObjectAlarm(tenant.actorOf(lunch))
        expect(JSON.stringify(statements)).toContain('admin')
      },
      { timeout: 30_000 },
    )
    expect((await give(tenant.key, 'member')).status).toBe(200)
    expect(await rename('Mine')).toBe(403)
    expect((await give(alice, 'king')).status).toBe(400)
    const nobody = `PATCH /v1/conversations/${lunch}/members/absent`
    expect((await call(nobody, { as: alice, body: { role: 'admin' } })).status).toBe(404)
  })
})

describe('a deleted conversation', () => {
  test('takes its members off the air and exists for no caller', async () => {
    const tenant = await newTenant()
    const lunch = await tenant.group('alice', 'bob')
    const [alice, bob] = [await connectAs(tenant, 'alice'), await connectAs(tenant, 'bob')]
    await bob.subscribe(lunch)
    expect((await call(`DELETE /v1/conversations/${lunch}`, { as: await tenant.token('bob') })).status).toBe(403)
    expect((await call(`DELETE /v1/conversations/${lunch}`, { as: await tenant.token('alice') })).status).toBe(204)
    expect(await bob.isUnsubscribed(lunch)).toMatchObject({ code: 2100 })
    expect((await alice.recover(lunch, { offset: 0 })).error).toMatchObject({ code: 103 })
    expect((await call(`GET /v1/conversations/${lunch}`, { as: tenant.key })).status).toBe(404)
    expect((await call(`DELETE /v1/conversations/${lunch}`, { as: tenant.key })).status).toBe(404)
  })

  test('sends away also the guests of a channel', async () => {
    const tenant = await newTenant()
    const news = await tenant.channel('alice')
    const guest = await connectAs(tenant, 'bob', { gateway: 'guests-1/0' })
    await guest.subscribe(news)
    expect((await call(`DELETE /v1/conversations/${news}`, { as: tenant.key })).status).toBe(204)
    expect(await guest.isUnsubscribed(news)).toMatchObject({ code: 2500 })
    expect(await guest.recover(news, { offset: 0 })).toMatchObject({ error: { code: 103 } })
  })

  test('that died before its end was published says so when it wakes', async () => {
    const tenant = await newTenant()
    const news = await tenant.channel('alice')
    const guest = await connectAs(tenant, 'bob', { gateway: 'guests-2/0' })
    await guest.subscribe(news)
    const actor = tenant.actorOf(news)
    await runInDurableObject(actor, (_, { storage }) =>
      storage.sql.exec(
        "UPDATE facts SET value = json_set(value, '$.deletedAt', 1, '$.version', 2) WHERE name = 'conversation'",
      ),
    )
    await putToSleep(actor)
    await runInDurableObject(actor, async (conversation) => {
      if (conversation instanceof Conversation) await conversation.alarm()
    })
    expect(await guest.isUnsubscribed(news)).toMatchObject({ code: 2500 })
  })

  test('of two users begins anew without the words of the old one', async () => {
    const tenant = await newTenant()
    const wanted = { type: 'direct', members: ['alice', 'bob'] }
    const { body: old } = await call('POST /v1/conversations', { as: tenant.key, body: wanted })
    await tenant.post(old.id, 'alice', 'old words', 'welcome')
    await call(`DELETE /v1/conversations/${old.id}`, { as: tenant.key })
    const { body } = await call('POST /v1/conversations', { as: tenant.key, body: wanted })
    expect(body.epoch).not.toBe(old.epoch)
    const bob = await connectAs(tenant, 'bob')
    const page = await call(`GET /v1/conversations/${body.id}/messages`, { as: tenant.key })
    expect(page.text).not.toContain('old words')
    const { subscribe } = await bob.recover(body.id, { offset: 0, epoch: old.epoch })
    expect(subscribe).not.toHaveProperty('publications')
    expect(subscribe!.data['last']).toBe(subscribe!.data['read'])
    const statements = postgresIsThere()
    await tenant.post(body.id, 'alice', 'new words', 'welcome')
    expect((await bob.hears(body.id)).data['text']).toBe('new words')
    await putToSleep(tenant.actorOf(body.id))
    await vi.waitFor(async () => {
      await runDurableObjectAlarm(tenant.actorOf(body.id))
      expect(JSON.stringify(statements)).toContain('new words')
      expect(await tenant.inboxOf('bob').list(undefined, 10)).toMatchObject({ conversations: [{ unread: 1 }] })
    }, timeoutMs)
  })
})
