import { evictDurableObject } from 'cloudflare:test'
import { env, exports } from 'cloudflare:workers'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { commandBy } from '../support/conversation-command.ts'
import { viewOf } from '../support/worker/conversation-view.ts'
import { call } from '../support/worker/http.ts'
import { newTenant } from '../support/worker/tenant.ts'

describe('starting a conversation', () => {
  test('answers with it; who starts a group owns it', async () => {
    const tenant = await newTenant()
    const body = { type: 'group', members: ['bob', 'carol', 'bob'], name: ' Lunch ' }
    const answer = await call('POST /v1/conversations', { as: await tenant.token('alice'), body })
    expect(answer.status).toBe(201)
    expect(answer.body).toEqual({
      id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      type: 'group',
      name: 'Lunch',
      epoch: expect.stringMatching(/^[\w-]{8}$/),
      createdBy: 'alice',
      createdAt: expect.any(Number),
      last: 0,
      read: 0,
      memberCount: 3,
      members: [
        { user: 'alice', role: 'owner', joinedAt: expect.any(Number), read: 0, joined: 0 },
        { user: 'bob', role: 'member', joinedAt: expect.any(Number), read: 0, joined: 0 },
        { user: 'carol', role: 'member', joinedAt: expect.any(Number), read: 0, joined: 0 },
      ],
    })
  })

  test('may say what it is about, and gives custom properties back as they were given', async () => {
    const tenant = await newTenant()
    const alice = await tenant.token('alice')
    const properties = '{"order":12345678901234567890}'
    const shown = { topic: 'Food', avatar: 'https://pictures.example/lunch.png' }
    const given = JSON.stringify({ type: 'group', members: ['bob'], name: 'Lunch', ...shown })
    const created = await call('POST /v1/conversations', {
      as: alice,
      raw: `${given.slice(0, -1)},"properties":${properties}}`,
    })
    expect(created).toMatchObject({ status: 201, body: shown })
    const path = `/v1/conversations/${created.body.id}`
    const read = await call(`GET ${path}`, { as: await tenant.token('bob') })
    for (const { text } of [created, read]) expect(text).toContain(`"properties":${properties}`)
    const removed = await call(`PATCH ${path}`, { as: alice, body: { topic: null, properties: null } })
    expect(removed).toMatchObject({ status: 200, body: { avatar: shown.avatar } })
    expect(removed.text).not.toMatch(/topic|"properties"/)
    expect((await call(`PATCH ${path}`, { as: alice, body: { properties: [1] } })).body.detail).toMatch(/^properties: /)
  })

  test('gives new conversations of a type the rights that the tenant has set for it', async () => {
    const tenant = await newTenant()
    const rights = { channel: { member: ['react'] } }
    const set = async (given: unknown) => await call('PATCH /v1/settings', { as: tenant.key, body: { rights: given } })
    expect((await set(rights)).body).toMatchObject({ rights })
    const start = async (type: string) =>
      (await call('POST /v1/conversations', { as: await tenant.token('alice'), body: { type, members: ['bob'] } })).body
    const send = async (id: string) =>
      (
        await call(`POST /v1/conversations/${id}/messages`, {
          as: await tenant.token('bob'),
          body: { clientId: 'c', text: 'x' },
        })
      ).status
    const [channel, group] = [await start('channel'), await start('group')]
    expect(channel).toMatchObject({ rights: rights.channel })
    expect([await send(channel.id), await send(group.id)]).toEqual([403, 201])
    expect((await set(null)).text).not.toContain('rights')
    expect(await send((await start('channel')).id)).toBe(201)
    expect((await set({ channel: { member: ['fly'] } })).body.detail).toMatch(/^rights\.channel\.member/)
  })

  test('a member that is refused by a freeze, by slow mode or by a ban gets a problem of its own', async () => {
    const tenant = await newTenant()
    const [alice, bob] = [await tenant.token('alice'), await tenant.token('bob')]
    const body = { type: 'channel', members: ['bob'], name: 'Lunch' }
    const { id } = (await call('POST /v1/conversations', { as: alice, body })).body
    const path = `/v1/conversations/${id}`
    const send = async () =>
      await call(`POST ${path}/messages`, { as: bob, body: { clientId: crypto.randomUUID(), text: 'x' } })
    await call(`PATCH ${path}`, { as: alice, body: { slowModeSeconds: 3600 } })
    expect((await send()).status).toBe(201)
    expect(await send()).toMatchObject({ status: 429, body: { type: expect.stringMatching(/slow-mode$/) } })
    await call(`PATCH ${path}`, { as: alice, body: { slowModeSeconds: null, frozen: true } })
    expect(await send()).toMatchObject({ status: 403, body: { type: expect.stringMatching(/frozen$/) } })
    await call(`PUT ${path}/bans/bob`, { as: alice, body: { reason: 'Spam' } })
    expect(await send()).toMatchObject({ status: 403, body: { type: expect.stringMatching(/banned$/) } })
  })

  test('with an Idempotency-Key can be repeated by the same caller, and is another one for any other', async () => {
    const tenant = await newTenant()
    const body = { type: 'group', members: ['bob'], name: 'Lunch' }
    const start = async (as: string, more: object = {}) =>
      await call('POST /v1/conversations', { as, body: { ...body, ...more }, headers: { 'idempotency-key': 'k1' } })
    const alice = await tenant.token('alice')
    const first = await start(alice)
    const again = await start(alice)
    expect([first.status, again.status]).toEqual([201, 200])
    expect(again.body).toEqual(first.body)
    await call(`PATCH /v1/conversations/${first.body.id}`, { as: alice, body: { name: 'Dinner' } })
    expect((await start(alice)).body).toMatchObject({ id: first.body.id, name: 'Dinner' })
    expect(await start(alice, { name: 'Other' })).toMatchObject({
      status: 409,
      body: { detail: 'id, Idempotency-Key: used before for another conversation' },
    })
    const others = [await start(tenant.key), await start(await tenant.token('bob'))]
    expect(new Set([first, ...others].map(({ body: { id } }) => id)).size).toBe(3)
    await tenant.remove(first.body.id, 'alice')
    await call(`DELETE /v1/conversations/${first.body.id}`, { as: tenant.key })
    expect((await start(alice)).status).toBe(409)
    const bad = { as: alice, body, headers: { 'idempotency-key': 'k'.repeat(256) } }
    expect((await call('POST /v1/conversations', bad)).body.detail).toMatch(/^Idempotency-Key: /)
  })

  test('with an id of the server’s own can be repeated; users choose none, nor does a direct one have one', async () => {
    const tenant = await newTenant()
    const start = async (as: string, more: object = {}) =>
      await call('POST /v1/conversations', { as, body: { type: 'channel', name: 'News', id: 'news-1', ...more } })
    const statuses = [await start(tenant.key), await start(tenant.key), await start(tenant.key, { name: 'Old' })]
    expect(statuses.map(({ status }) => status)).toEqual([201, 200, 409])
    expect(statuses[0]!.body.id).toBe('news-1')
    expect((await start(await tenant.token('ana'))).status).toBe(403)
    const direct = { type: 'direct', id: 'd', members: ['a', 'b'] }
    expect((await call('POST /v1/conversations', { as: tenant.key, body: direct })).status).toBe(400)
  })

  test('of the same two users answers 201 once and 200 from then on', async () => {
    const { key: as } = await newTenant()
    const body = { type: 'direct', members: ['alice', 'bob'] }
    const statuses = []
    for (let n = 0; n < 3; n++) statuses.push((await call('POST /v1/conversations', { as, body })).status)
    expect(statuses).toEqual([201, 200, 200])
  })

  test('of the same two users finds the same one, for either caller and in either order', async () => {
    const tenant = await newTenant()
    const between = async (as: string, members: readonly string[]) =>
      (await call('POST /v1/conversations', { as, body: { type: 'direct', members } })).body
    const first = await between(tenant.key, ['alice', 'bob'])
    await tenant.post(first.id, 'alice', 'Hello')
    const again = [
      await between(tenant.key, ['bob', 'alice']),
      await between(await tenant.token('bob'), ['alice']),
      await between(await tenant.token('alice'), ['alice', 'bob']),
    ]
    for (const one of again) expect(one).toMatchObject({ id: first.id, epoch: first.epoch, last: 1, name: '' })
    expect((await between(tenant.key, ['alice', 'carol'])).id).not.toBe(first.id)
  })

  test('of the same two users at the same moment makes one', async () => {
    const tenant = await newTenant()
    const body = { type: 'direct', members: ['alice', 'bob'] }
    const answers = await Promise.all(
      Array.from({ length: 5 }, () => call('POST /v1/conversations', { as: tenant.key, body })),
    )
    expect(new Set(answers.map(({ body: { id, epoch } }) => `${id} ${epoch}`)).size).toBe(1)
  })

  test('with a channel needs no members', async () => {
    const { key: as } = await newTenant()
    const answer = await call('POST /v1/conversations', { as, body: { type: 'channel', members: [], name: 'News' } })
    expect(answer).toMatchObject({ status: 201, body: { memberCount: 0, createdBy: '' } })
  })
})

describe('a conversation', () => {
  test('is read by members and by the server', async () => {
    const tenant = await newTenant()
    const lunch = await tenant.group('alice', 'bob')
    for (const as of [tenant.key, await tenant.token('bob')])
      expect((await call(`GET /v1/conversations/${lunch}`, { as })).body).toMatchObject({ id: lunch, name: 'Lunch' })
  })

  test('is renamed by owners, admins and the server', async () => {
    const tenant = await newTenant()
    const lunch = await tenant.group('alice', 'bob')
    const rename = (as: string, name: string) => call(`PATCH /v1/conversations/${lunch}`, { as, body: { name } })
    expect((await rename(await tenant.token('bob'), 'Bob’s')).status).toBe(403)
    expect((await rename(await tenant.token('alice'), 'Dinner')).body).toMatchObject({ name: 'Dinner', last: 1 })
    expect((await rename(tenant.key, 'Brunch')).body).toMatchObject({ name: 'Brunch', last: 2 })
    const { body } = await call(`GET /v1/conversations/${lunch}/messages`, { as: tenant.key })
    expect(body.messages[0]).toMatchObject({ type: 'conversation.renamed', name: 'Brunch' })
  })

  test('of two keeps its two members and has no name', async () => {
    const tenant = await newTenant()
    const wanted = { type: 'direct', members: ['alice', 'bob'] }
    const { id } = (await call('POST /v1/conversations', { as: tenant.key, body: wanted })).body
    const as = tenant.key
    expect((await call(`PATCH /v1/conversations/${id}`, { as, body: { name: 'Us' } })).status).toBe(403)
    const add = { as, body: { members: ['carol'] } }
    expect((await call(`POST /v1/conversations/${id}/members`, add)).status).toBe(403)
    expect((await call(`DELETE /v1/conversations/${id}/members/bob`, { as })).status).toBe(403)
  })
})

describe('members', () => {
  test('come and go by owners and the server, and leave by themselves', async () => {
    const tenant = await newTenant()
    const lunch = await tenant.group('alice', 'bob')
    const [alice, bob] = [await tenant.token('alice'), await tenant.token('bob')]
    const members = `/v1/conversations/${lunch}/members`
    expect((await call(`POST ${members}`, { as: bob, body: { members: ['carol'] } })).status).toBe(403)
    const added = await call(`POST ${members}`, { as: alice, body: { members: ['carol', 'carol', 'bob'] } })
    expect(added).toMatchObject({ status: 200, body: { memberCount: 3, last: 1 } })
    expect((await call(`DELETE ${members}/alice`, { as: bob })).status).toBe(403)
    expect((await call(`DELETE ${members}/carol`, { as: alice })).status).toBe(204)
    expect((await call(`DELETE ${members}/carol`, { as: alice })).status).toBe(404)
    expect((await call(`DELETE ${members}/bob`, { as: bob })).status).toBe(204)
    expect((await call(`GET ${members}`, { as: bob })).status).toBe(404)
  })

  test('are listed by user id in pages that neither repeat nor skip', async () => {
    const tenant = await newTenant()
    const users = Array.from({ length: 7 }, (_, n) => `user${n}`)
    const lunch = await tenant.group(...users)
    const seen: string[] = []
    let cursor: string | null = ''
    while (cursor !== null) {
      const { body } = await call(`GET /v1/conversations/${lunch}/members?limit=3&cursor=${cursor}`, { as: tenant.key })
      seen.push(...body.members.map(({ user }) => user))
      cursor = body.next
    }
    expect(seen).toEqual(users)
  })
})

test('many requests at once, far below the limit, are all let through', async () => {
  const tenant = await newTenant({ requestsPerSecondKey: 500 })
  const answers = await Promise.all(
    Array.from({ length: 100 }, () => call('GET /v1/conversations?user=alice', { as: tenant.key })),
  )
  expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 100 }, () => 200))
})

afterEach(() => void vi.restoreAllMocks())

test('a page of messages costs one call to one actor, and shows what was sent a moment ago', async () => {
  const tenant = await newTenant()
  const id = await tenant.group('alice', 'bob')
  const path = `/v1/conversations/${id}/messages`
  const send = (text: string) => call(`POST ${path}`, { as: tenant.key, body: { clientId: text, text, user: 'alice' } })
  const texts = async () => {
    const { body } = await call(`GET ${path}?limit=50`, { as: tenant.key })
    return body['messages']
  }
  await send('one')
  expect(await texts()).toContainEqual(expect.objectContaining({ text: 'one' }))

  await send('two')
  const conversations = vi.spyOn(env.CONVERSATION, 'getByName')
  const others = [env.INBOX_NOTES, env.TENANT, env.PLATFORM, env.INBOX].map((actors) => vi.spyOn(actors, 'getByName'))
  expect(await texts()).toContainEqual(expect.objectContaining({ text: 'two' }))
  expect(conversations).toHaveBeenCalledTimes(1)
  for (const other of others) expect(other).not.toHaveBeenCalled()
})

// An edit and a deletion whose answers were lost, made again before and after the conversation lost its memory.

test('an amendment made again is the one that stands in the log', async () => {
  const tenant = await newTenant()
  const lunch = await tenant.group('alice', 'bob')
  await tenant.postMany(lunch, 'alice', 2)
  const conversation = tenant.actorOf(lunch)
  const amend = async (name: 'message.edit' | 'message.delete', text?: string) => {
    const input = { seq: 1, ...(text === undefined ? {} : { text }) }
    const command = commandBy(name, { user: 'alice', client: 'phone' }, input)
    const { results, update } = await conversation.execute({ gateway: null, have: null, commands: [command] })
    return { result: results[0], told: update.publications.length }
  }

  const edited = await amend('message.edit', 'better')
  expect(await amend('message.edit', 'better')).toEqual({ ...edited, told: 0 })
  await evictDurableObject(conversation)
  expect(await amend('message.edit', 'better')).toEqual({ ...edited, told: 0 })

  const deleted = await amend('message.delete')
  expect(deleted.result).toMatchObject({ kind: 'done' })
  expect(await amend('message.delete')).toEqual({ ...deleted, told: 0 })
  await evictDurableObject(conversation)
  expect(await amend('message.delete')).toEqual({ ...deleted, told: 0 })
  expect(await viewOf(conversation, 'alice')).toMatchObject({ last: 4 })

  const remove = async (as: string) => (await call(`DELETE /v1/conversations/${lunch}/messages/2`, { as })).status
  for (let n = 0; n < 2; n++) expect(await remove(tenant.key)).toBe(204)
  expect(await remove(await tenant.token('alice'))).toBe(404)
})

test('the Worker answers', async () => {
  const response = await exports.default.fetch('http://parley/healthz')
  expect(await response.json()).toEqual({ status: 'ok' })
})
