import { evictDurableObject, runDurableObjectAlarm } from 'cloudflare:test'
import { expect, test, vi } from 'vitest'
import type { StreamCommand } from '../../src/protocol/stream.ts'
import { call } from '../support/worker/http.ts'
import { postgresIsThere, tableOf, type Statement } from '../support/worker/shards.ts'
import { newTenant, succeeded } from '../support/worker/tenant.ts'

// A direct conversation that was deleted and begins anew while Postgres still hears of the old one.

/** Postgres answers nobody until it `answers`; `asked` says that somebody waits. */
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
