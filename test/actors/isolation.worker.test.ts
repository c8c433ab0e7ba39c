import { expect, test } from 'vitest'
import { call } from '../support/worker/http.ts'
import { connectAs } from '../support/worker/person.ts'
import { newTenant, type TestTenant } from '../support/worker/tenant.ts'

/** A group in which something was said. */
async function talk(tenant: TestTenant, words: string) {
  const id = await tenant.group('alice', 'bob')
  await tenant.post(id, 'alice', words)
  return id
}

/** Every way to touch a conversation over HTTP. */
const routes = (id: string): readonly [line: string, body?: object][] => [
  [`GET /v1/conversations/${id}`],
  [`PATCH /v1/conversations/${id}`, { name: 'Mine' }],
  [`DELETE /v1/conversations/${id}`],
  [`GET /v1/conversations/${id}/members`],
  [`POST /v1/conversations/${id}/members`, { members: ['mallory'] }],
  [`DELETE /v1/conversations/${id}/members/alice`],
  [`POST /v1/conversations/${id}/messages`, { clientId: 'a', text: 'Hello' }],
  [`POST /v1/conversations/${id}/messages`, { clientId: 'a', text: 'Hello', deliverAt: Date.now() + 60_000 }],
  [`GET /v1/conversations/${id}/messages`],
  [`PATCH /v1/conversations/${id}/messages/1`, { text: 'Mine' }],
  [`DELETE /v1/conversations/${id}/messages/1`],
]

test('another tenant’s conversation is distinguished from one that never existed by no route, with key or token', async () => {
  const [mine, theirs] = [await newTenant(), await newTenant()]
  const foreign = await talk(theirs, 'between us')
  const missing = crypto.randomUUID()
  for (const as of [mine.key, await mine.token('alice')]) {
    const answers = async (id: string) => {
      const told = []
      for (const [line, body] of routes(id)) {
        const { status, text } = await call(line, { as, body })
        told.push([status, text.replaceAll(id, 'id').replace(/,"requestId":"[^"]*"/, '')])
      }
      return told
    }
    const [there, nowhere] = [await answers(foreign), await answers(missing)]
    expect(there).toEqual(nowhere)
    expect(new Set(there.map(([status]) => status))).toEqual(new Set([404]))
  }
  const { body } = await call(`GET /v1/conversations/${foreign}/messages`, { as: theirs.key })
  expect(body.messages).toMatchObject([{ seq: 1, text: 'between us' }])
})

test('a user of the same name in another tenant is another user: list, stream, channels, presence, history', async () => {
  const [mine, theirs] = [await newTenant(), await newTenant()]
  const foreign = await talk(theirs, 'between us')
  const [here, there] = [await connectAs(mine, 'alice'), await connectAs(theirs, 'alice')]
  await there.subscribe(foreign)
  const list = await here.rpc('inbox.list', {})
  expect(list.rpc!.data).toEqual({ conversations: [], next: null })
  const channel = `conversation:${foreign}`
  for (const ask of [
    { subscribe: { channel } },
    { subscribe: { channel, recover: true } },
    { history: { channel, limit: 10, reverse: true } },
    { presence: { channel } },
    { presence_stats: { channel } },
  ])
    expect(await here.line.ask(ask)).toMatchObject({ error: { code: 103, message: 'permission denied' } })
  for (const [method, data] of [
    ['message.send', { clientId: 'a', text: 'Hello' }],
    ['message.edit', { seq: 1, text: 'Mine' }],
    ['message.delete', { seq: 1 }],
    ['conversation.read', { seq: 1 }],
    ['conversation.typing', {}],
    ['conversation.join', {}],
    ['conversation.leave', {}],
  ] as const)
    expect((await here.rpc(method, { conversation: foreign, ...data })).error).toEqual({
      code: 404,
      message: 'no such conversation',
    })
  expect(await there.alsoHeard(foreign)).toEqual([])
})

test('the same direct conversation in two tenants is two conversations', async () => {
  const wanted = { type: 'direct', members: ['alice', 'bob'] }
  const ids = []
  for (const tenant of [await newTenant(), await newTenant()])
    ids.push((await call('POST /v1/conversations', { as: tenant.key, body: wanted })).body.id)
  expect(ids[0]).not.toBe(ids[1])
})

test('a key of one tenant opens nothing of another, and a token neither', async () => {
  const [mine, theirs] = [await newTenant(), await newTenant()]
  const relabelled = mine.key.replace(mine.id, theirs.id)
  expect((await call('GET /v1/conversations?user=alice', { as: relabelled })).status).toBe(401)
  const [header, , signature] = (await mine.token('alice')).split('.')
  const claims = btoa(JSON.stringify({ tid: theirs.id, sub: 'alice', exp: 9_999_999_999 })).replaceAll('=', '')
  expect((await call('GET /v1/conversations', { as: `${header}.${claims}.${signature}` })).status).toBe(401)
})
