import { runDurableObjectAlarm } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { expect, test } from 'vitest'
import type { Projected, ProjectionBatch } from '../../src/events/projection.ts'
import { postgresIsThere, tableOf } from '../support/worker/shards.ts'
import { newTenant } from '../support/worker/tenant.ts'

test('Postgres receives a busy conversation in batches: entries written during one wait for the next', async () => {
  const statements = postgresIsThere()
  const began = performance.now()
  const tenant = await newTenant()
  const lunch = await tenant.group('alice', 'bob')
  const conversation = tenant.actorOf(lunch)
  await tenant.postMany(lunch, 'alice', 3)

  const paying = { done: false }
  const paid = runDurableObjectAlarm(conversation).finally(() => (paying.done = true))
  let written = 0
  const write = async () => {
    while (!paying.done && written < 400) {
      written++
      await tenant.post(lunch, 'alice', 'and another')
    }
  }
  // Several at once, so that there is always something new when a batch is done.
  await Promise.all([paid, ...Array.from({ length: 8 }, write)])

  const batches = statements.filter((statement) => tableOf(statement) === 'messages')
  expect(written).toBeGreaterThan(0)
  // The conversation's own alarm rings too, every two seconds at most.
  expect(batches.length).toBeLessThanOrEqual(2 + Math.floor((performance.now() - began) / 2000))

  // Nothing was forgotten: the next alarm hands over the rest.
  const handedOver = () =>
    statements
      .filter((statement) => tableOf(statement) === 'messages')
      .flatMap(({ params }) => params[4] ?? [])
      .join(',')
  await expect
    .poll(async () => {
      await runDurableObjectAlarm(conversation)
      return handedOver()
    })
    .toContain(String(3 + written))
})

test('a rebuild that begins while a batch is written replaces all entries, also those of that batch', async () => {
  const statements = postgresIsThere()
  const tenant = await newTenant()
  const lunch = await tenant.group('alice', 'bob')
  const conversation = tenant.actorOf(lunch)
  await tenant.postMany(lunch, 'alice', 3)
  // The rebuild begins while the alarm waits for the shard writer.
  await Promise.all([runDurableObjectAlarm(conversation), conversation.rebuild()])
  await expect
    .poll(async () => {
      await runDurableObjectAlarm(conversation)
      return await conversation.checksums()
    })
    .toMatchObject({ first: 1, last: 3, isRebuilding: false, properties: expect.any(String) })
  const removals = statements.filter(({ query }) => query.includes('DELETE FROM messages m USING ranges'))
  expect(removals.map(({ params }) => params.slice(3))).toEqual([['{"1"}', '{"3"}']])
})

test('batches that follow one another closely are one write', async () => {
  const statements = postgresIsThere()
  const writer = env.SHARD_WRITER.getByName(`shard0/${crypto.randomUUID()}`)
  const written: Promise<Projected>[] = []
  const began = performance.now()
  for (let n = 1; n <= 8; n++) {
    written.push(writer.write(batchOf(`room-${n}`)))
    await scheduler.wait(5)
  }
  expect(await Promise.all(written)).toEqual(written.map(() => ({ kind: 'written', scrubbed: [] })))
  // The first leaves at once, and then one write every tenth of a second.
  const writes = statements.filter((statement) => tableOf(statement) === 'messages').length
  expect(writes).toBeLessThanOrEqual(2 + Math.floor((performance.now() - began) / 100))
})

test('long rows count as more than one, so that neither a write nor what waits for it outgrows the memory', async () => {
  const statements = postgresIsThere()
  const writer = env.SHARD_WRITER.getByName(`shard0/${crypto.randomUUID()}`)
  const long = (n: number): ProjectionBatch => {
    const [row] = batchOf('').rows
    return { ...batchOf(`room-${n}`), rows: [{ ...row!, data: JSON.stringify('x'.repeat(1_500_000)) }] }
  }
  const answers = await Promise.all(Array.from({ length: 40 }, (_, n) => writer.write(long(n))))
  const written = answers.filter(({ kind }) => kind === 'written').length
  expect(written).toBeGreaterThan(5)
  expect(written).toBeLessThan(40)
  expect(answers.filter(({ kind }) => kind === 'failed')).toHaveLength(40 - written)
  expect(statements.filter((statement) => tableOf(statement) === 'messages')).toHaveLength(written)
})

const batchOf = (conversation: string): ProjectionBatch => ({
  tenant: 'acme',
  placementEpoch: 1,
  conversation,
  epoch: 'e',
  rows: [{ seq: 1, at: 1, user: 'alice', client: 'c', clientId: '1', data: '{}' }],
  scrubbed: [],
})
