import { evictDurableObject, runDurableObjectAlarm } from 'cloudflare:test'
import { expect, test, vi } from 'vitest'
import type { StreamCommand } from '../../src/protocol/stream.ts'
import { env } from 'cloudflare:workers'
import { withCheck } from '../../src/conversations/conversation-ids.ts'
import { directKey } from '../../src/conversations/create.ts'
import { uuidFrom } from '../../src/kernel/id.ts'
import { call } from '../support/worker/http.ts'
import { connectAs } from '../support/worker/person.ts'
import { postgresIsThere, tableOf, type Statement } from '../support/worker/shards.ts'
import { newTenant, succeeded, type TestTenant } from '../support/worker/tenant.ts'

// Conversations that were deleted and begin anew under the same id.

/** Postgres does not answer until it `answers`; `asked` says that a request waits. */
function slowPostgres() {
  const postgres = { statements: postgresIsThere(), asked: false, answers: false }
  const answer = globalThis.fetch
  vi.stubGlobal('fetch', async (...request: Parameters<typeof fetch>) => {
    postgres.asked = true
    while (!postgres.answers) await scheduler.wait(5)
    return await answer(...request)
  })
  return postgres
}

const listOf = (param = ''): string[] => param.slice(1, -1).replaceAll('"', '').split(',').filter(Boolean)

/** The log entries Postgres was given: of which epoch, and which seq. */
const rowsIn = (statements: readonly Statement[]) =>
  statements
    .filter((statement) => tableOf(statement) === 'messages')
    .flatMap(({ params }) => listOf(params[3]).map((epoch, n) => ({ epoch, seq: Number(listOf(params[4])[n]) })))

test('no word of the old one reaches Postgres as one of the new', async () => {
  const tenant = await newTenant()
  const postgres = slowPostgres()
  const create = async () => {
    const body = { type: 'direct', members: ['alice', 'bob'] }
    return succeeded(await call('POST /v1/conversations', { as: tenant.key, body }))
  }
  const { id, epoch } = await create()
  const conversation = tenant.actorOf(id)
  // More than one batch; the second is in memory still.
  const words = Array.from({ length: 600 }, (_, n): StreamCommand => {
    return { kind: 'send', user: 'alice', client: '', content: { clientId: `old ${n}`, text: 'secret' } }
  })
  await conversation.execute({ gateway: null, have: null, commands: words })

  const paid = runDurableObjectAlarm(conversation)
  await expect.poll(() => postgres.asked, { timeout: 10_000 }).toBe(true)
  succeeded(await call(`DELETE /v1/conversations/${id}`, { as: tenant.key }))
  const anew = await create()
  expect(anew.id).toBe(id)
  expect(anew.epoch).not.toBe(epoch)
  await tenant.post(id, 'bob', 'hello again')
  postgres.answers = true
  await paid

  const told = async () => {
    await runDurableObjectAlarm(conversation)
    return rowsIn(postgres.statements).filter((row) => row.epoch === anew.epoch)
  }
  await expect.poll(told, { timeout: 10_000 }).not.toEqual([])
  await evictDurableObject(conversation)
  expect(new Set((await told()).map(({ seq }) => seq))).toEqual(new Set([601]))
})

/** The id that the direct conversation of alice and bob has, or will have. */
async function directIdOf(tenant: TestTenant): Promise<string> {
  const { conversationIdSecret = '' } = (await env.TENANT.getByName(tenant.id).admission())?.secrets ?? {}
  return await withCheck(await uuidFrom(directKey(tenant.id, ['alice', 'bob'])), conversationIdSecret)
}

test('no member of the deleted conversation is a member of the new one', async () => {
  const tenant = await newTenant()
  // The tenant's server may choose any id, also the one that the direct conversation of two users will have.
  const id = await directIdOf(tenant)
  const group = { id, type: 'group', members: ['alice', 'bob', 'carol'] }
  succeeded(await call('POST /v1/conversations', { as: tenant.key, body: group }))
  succeeded(await call(`PATCH /v1/conversations/${id}/members/alice`, { as: tenant.key, body: { role: 'owner' } }))
  const carol = await connectAs(tenant, 'carol')
  await carol.subscribe(id)
  succeeded(await call(`DELETE /v1/conversations/${id}`, { as: tenant.key }))

  const direct = { type: 'direct', members: ['alice', 'bob'] }
  const anew = succeeded(await call('POST /v1/conversations', { as: tenant.key, body: direct }))
  expect(anew).toMatchObject({ id, type: 'direct', memberCount: 2 })
  const check = async () => {
    const { members } = succeeded(await call(`GET /v1/conversations/${id}/members`, { as: tenant.key }))
    expect(members).toMatchObject([
      { user: 'alice', role: 'member', joinedAt: anew.createdAt },
      { user: 'bob', role: 'member', joinedAt: anew.createdAt },
    ])
    expect((await call(`GET /v1/conversations/${id}`, { as: await tenant.token('carol') })).status).toBe(404)
    const channel = `conversation:${id}`
    expect(await carol.line.ask({ subscribe: { channel } })).toMatchObject({ error: { code: 103 } })
    expect(await carol.rpc('message.send', { conversation: id, clientId: 'a', text: 'x' })).toHaveProperty('error')
  }
  await check()
  await evictDurableObject(tenant.actorOf(id))
  await check()
})

test('a direct conversation is never the group that took its id', async () => {
  const tenant = await newTenant()
  const id = await directIdOf(tenant)
  const group = { id, type: 'group', members: ['alice', 'bob', 'carol'] }
  succeeded(await call('POST /v1/conversations', { as: tenant.key, body: group }))
  const direct = { type: 'direct', members: ['alice', 'bob'] }
  expect(await call('POST /v1/conversations', { as: tenant.key, body: direct })).toMatchObject({ status: 409 })
})
