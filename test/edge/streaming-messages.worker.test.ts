import { runInDurableObject, runDurableObjectAlarm } from 'cloudflare:test'
import { expect, test } from 'vitest'
import { eventually } from '../support/worker/bounded.ts'
import { call } from '../support/worker/http.ts'
import { connectAs } from '../support/worker/person.ts'
import { putToSleep } from '../support/worker/sleep.ts'
import { newTenant, succeeded } from '../support/worker/tenant.ts'

const clientId = 'answer-1'

/** A group in which the tenant's server writes as the agent, and Bob is subscribed. */
async function story() {
  const tenant = await newTenant()
  const lunch = await tenant.group('alice', 'bob', 'agent')
  const path = `/v1/conversations/${lunch}/streaming`
  const ask = async (end: string, body: object) =>
    await call(`POST ${path}${end}`, { as: tenant.key, body: { ...body, user: 'agent' } })
  const begin = async (body: object = {}) => await ask('', { clientId, ...body })
  const append = async (offset: number, text: string) => await ask(`/${clientId}/append`, { offset, text })
  const complete = async (body: object = {}) => await ask(`/${clientId}/complete`, body)
  const bob = await connectAs(tenant, 'bob')
  const messages = async () => (await call(`GET /v1/conversations/${lunch}/messages`, { as: tenant.key })).body.messages
  return { tenant, lunch, path, begin, append, complete, bob, messages }
}

/** Waits until the whole text is stored, after which nothing is written. */
const stored = async (actor: DurableObjectStub, text: string) =>
  await eventually('the stored text', async () => {
    const rows = await runInDurableObject(actor, (_, { storage: { sql } }) =>
      sql.exec(`SELECT 1 FROM facts WHERE name = 'streaming 0' AND value ->> '$.text' = ?`, text).toArray(),
    )
    return rows.length === 1 || undefined
  })

test('a streaming message reaches a subscriber as it grows, and ends as one entry that counts as unread', async () => {
  const { tenant, lunch, path, begin, append, complete, bob, messages } = await story()
  const { data, offset } = await bob.subscribe(lunch)
  expect(data).not.toHaveProperty('streaming')
  expect(succeeded(await begin({ mentions: { users: ['bob'] } }))).toEqual({ length: 0, duplicate: false })
  expect(succeeded(await append(0, 'Lunch'))).toEqual({ length: 5 })
  expect(succeeded(await append(5, ' at one?'))).toEqual({ length: 13 })
  let text = ''
  while (text.length < 13) {
    const event = (await bob.notices(lunch, 'message.streaming')).data
    expect(event).toMatchObject({ user: 'agent', clientId, offset: text.length })
    text += String(event['text'])
  }
  expect(text).toBe('Lunch at one?')
  expect(await messages()).toEqual([])
  const late = await connectAs(tenant, 'alice')
  expect((await late.subscribe(lunch)).data).toMatchObject({ streaming: true })
  const list = await late.rpc('message.streaming', { conversation: lunch, clientId, from: 6 })
  expect(list.rpc?.data).toMatchObject({
    streaming: [{ user: 'agent', clientId, offset: 6, text: 'at one?', length: 13 }],
  })
  expect((await call(`GET ${path}?from=6`, { as: tenant.key })).body).toEqual(list.rpc?.data)

  const data1 = { citations: [{ url: 'https://example.com' }] }
  const ended = succeeded(await complete({ data: data1 }))
  expect(ended).toMatchObject({ seq: 1, duplicate: false })
  expect(await bob.hears(lunch)).toMatchObject({
    offset: (offset ?? 0) + 1,
    data: {
      type: 'message',
      user: 'agent',
      clientId,
      text: 'Lunch at one?',
      mentions: { users: ['bob'] },
      data: data1,
    },
  })
  expect(succeeded(await complete())).toEqual({ ...ended, duplicate: true })
  expect(await messages()).toMatchObject([{ seq: 1, type: 'message', text: 'Lunch at one?', data: data1 }])
  const read = { as: tenant.key, body: { seq: 0, user: 'bob' } }
  expect((await call(`POST /v1/conversations/${lunch}/read`, read)).body).toMatchObject({ unread: 1, mentions: 1 })
  expect((await call(`GET ${path}`, { as: tenant.key })).body).toEqual({ streaming: [] })
})

test('an author goes on from where the conversation has its text after the actor has lost what it had not stored', async () => {
  const { tenant, lunch, begin, append, complete, messages } = await story()
  succeeded(await begin())
  const parts = Array.from({ length: 20 }, (_, n) => `part ${n}, `)
  const text = parts.join('')
  for (let offset = 0; offset < text.length; offset += 25)
    succeeded(await append(offset, text.slice(offset, offset + 25)))
  const actor = tenant.actorOf(lunch)
  await stored(actor, text)
  // As a crash leaves it: the stored text is older than what was answered.
  await runInDurableObject(actor, (_, { storage: { sql } }) => {
    sql.exec(
      `UPDATE facts SET value = json_set(value, '$.text', substr(value ->> '$.text', 1, 10)) WHERE name = 'streaming 0'`,
    )
  })
  await putToSleep(actor)
  const refusal = await append(text.length, ' the end')
  expect(refusal).toMatchObject({ status: 409, body: { type: expect.stringContaining('streaming-gap') } })
  const { length } = succeeded(await begin())
  expect(refusal.body['detail']).toContain(`${String(length)} characters`)
  expect(length).toBeLessThan(text.length)
  succeeded(await append(Number(length), text.slice(Number(length))))
  succeeded(await complete())
  expect(await messages()).toMatchObject([{ text }])
})

test('the message of a silent author is interrupted by the alarm, with the text that it has', async () => {
  const { tenant, lunch, begin, append, bob, messages } = await story()
  await bob.subscribe(lunch)
  succeeded(await begin())
  succeeded(await append(0, 'half a'))
  const actor = tenant.actorOf(lunch)
  await stored(actor, 'half a')
  await runInDurableObject(actor, (_, { storage: { sql } }) => {
    sql.exec(`UPDATE facts SET value = json_set(value, '$.calledAt', 1) WHERE name = 'streaming 0'`)
  })
  await putToSleep(actor)
  const found = await eventually('the end of the message', async () => {
    await runDurableObjectAlarm(actor)
    const all = await messages()
    return all.length > 0 ? all : undefined
  })
  expect(found).toMatchObject([{ user: 'agent', clientId, text: 'half a', ended: 'interrupted' }])
  expect(await bob.hears(lunch)).toMatchObject({ data: { text: 'half a', ended: 'interrupted' } })
  expect(await append(6, ' sentence')).toMatchObject({
    status: 409,
    body: { type: expect.stringContaining('streaming-ended') },
  })
})

test('a part that is no text, and one that ends within a character, is refused by its field', async () => {
  const { begin, append } = await story()
  succeeded(await begin())
  for (const text of ['a\r\nb', '\u0000', '\uD83D'])
    expect(await append(0, text)).toMatchObject({ status: 400, body: { detail: expect.stringContaining('text') } })
  expect(await begin({ clientId: 'not/a/path' })).toMatchObject({ status: 400 })
})

test('users of a tenant with content rules begin no streaming message, and its server does', async () => {
  const tenant = await newTenant()
  const rules = { words: [{ list: ['casino'], action: 'refuse' }] }
  succeeded(await call('PUT /v1/content-rules', { as: tenant.key, body: rules }))
  const lunch = await tenant.group('alice', 'bob')
  const path = `/v1/conversations/${lunch}/streaming`
  const refusal = { status: 403, body: { detail: expect.stringContaining('content rules') } }
  expect(await call(`POST ${path}`, { as: await tenant.token('bob'), body: { clientId } })).toMatchObject(refusal)
  const bob = await connectAs(tenant, 'bob')
  expect((await bob.rpc('message.begin', { conversation: lunch, clientId })).error).toMatchObject({ code: 403 })
  succeeded(await call(`POST ${path}`, { as: tenant.key, body: { clientId } }))
})
