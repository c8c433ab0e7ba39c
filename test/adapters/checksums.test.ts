import { afterAll, beforeAll, expect, test } from 'vitest'
import { archiveMessages } from '../../src/adapters/neon/archive-messages.ts'
import { countOldEntries, selectChecksums, selectPropertiesChecksums } from '../../src/adapters/neon/checksums.ts'
import { connect, type Database } from '../../src/adapters/neon/connect.ts'
import { placeOnShard } from '../../src/adapters/neon/placements.ts'
import { writeBatches } from '../../src/adapters/neon/write-batches.ts'
import { loadConfig } from '../../src/config.ts'
import { tombstone } from '../../src/events/tombstone.ts'
import type { ProjectedProperties, ProjectedRow, ProjectionBatch } from '../../src/events/projection.ts'
import { LogChecksum, propertiesChecksum } from '../../src/history/checksum.ts'
import { startShardWorld, type ShardWorld } from '../support/shard-world.ts'

let world: ShardWorld
let shard: Database
const tenant = 'acme'
const epoch = 'e'

beforeAll(async () => {
  world = await startShardWorld()
  const config = loadConfig(world.vars)
  shard = connect(config, config.databaseUrl('DATABASE_URL_SHARD0'))
  await placeOnShard(shard, tenant, { shard: 'shard0', epoch: 1 })
})
afterAll(async () => await world.close())

const first = Date.parse('2026-05-31T23:59:58Z')
const texts = ['plain', 'Ünïcödé ✓ 😀', 'a tab\tand a line\nbreak', '{"type" : "message"}', '"deleted":true}', '']
/** Entries of two months, one every second: messages, and every third one without a clientId. */
const entries = (count: number): ProjectedRow[] =>
  Array.from({ length: count }, (_, n) => ({
    seq: n + 1,
    at: first + n * 1000,
    user: n % 2 === 0 ? 'alice' : 'bøb',
    client: n % 4 === 0 ? '' : 'c1',
    clientId: n % 3 === 2 ? null : `id ${n}`,
    data: JSON.stringify({ type: 'message', id: `lunch.${n + 1}`, text: texts[n % texts.length] }),
  }))

const properties: ProjectedProperties = {
  type: 'group',
  name: 'Lunch\nand more',
  createdBy: 'alice',
  createdAt: first + 7,
  deletedAt: null,
  version: 3,
  members: [
    { user: 'alice', role: 'owner', joinedAt: first },
    { user: 'bøb', role: 'member', joinedAt: first + 3 },
  ],
  isComplete: true,
}

const batch = (conversation: string, rest: Partial<ProjectionBatch>): ProjectionBatch => {
  return { tenant, placementEpoch: 1, conversation, epoch, rows: [], scrubbed: [], ...rest }
}

/** What a log with these entries says. */
async function monthsOf(rows: readonly ProjectedRow[]) {
  const checksum = new LogChecksum()
  for (const row of rows) await checksum.add([{ ...row, epoch }])
  return checksum.months
}

const stored = async (conversation: string, last: number, from = 1) =>
  (await selectChecksums(shard, tenant, [{ conversation, first: from, last }])).get(conversation)

test('a log and Postgres make the same checksums of the same entries, by conversation and month', async () => {
  const rows = entries(205)
  await writeBatches(shard, [batch('lunch', { rows }), batch('dinner', { rows: rows.slice(0, 3) })])
  expect((await monthsOf(rows)).map(({ month, entries: count }) => [month, count])).toEqual([
    ['2026-05', 2],
    ['2026-06', 203],
  ])
  expect(await stored('lunch', 205)).toEqual(await monthsOf(rows))
  expect(await stored('dinner', 205)).toEqual(await monthsOf(rows.slice(0, 3)))
  expect(await stored('lunch', 90, 7)).toEqual(await monthsOf(rows.slice(6, 90)))
  expect(await stored('breakfast', 10)).toBeUndefined()
})

test('checksums stay the same when entries move into the archive, and when one is in both places', async () => {
  const rows = entries(205)
  await writeBatches(shard, [batch('archived', { rows })])
  expect(await archiveMessages(shard, tenant, Date.parse('2026-07-01'), 100)).toBeGreaterThan(0)
  expect(await stored('archived', 205)).toEqual(await monthsOf(rows))
  expect(await stored('archived', 140, 95)).toEqual(await monthsOf(rows.slice(94, 140)))
  await writeBatches(shard, [batch('archived', { rows: rows.slice(0, 120) })])
  expect(await stored('archived', 205)).toEqual(await monthsOf(rows))
  const counts = await countOldEntries(shard, tenant, [{ conversation: 'archived', epoch, before: 151 }])
  expect(counts.get('archived')).toBe(150)
})

test('a deleted message has the same checksum in its log and in Postgres', async () => {
  const rows = entries(9)
  await writeBatches(shard, [batch('deleted', { rows })])
  const deletion = entries(10)
    .slice(9)
    .map((row) => ({ ...row, clientId: null, data: '{"type":"message.deleted","ref":4}' }))
  await writeBatches(shard, [batch('deleted', { rows: deletion, scrubbed: [4] })])
  const log = [...rows, ...deletion].map((row) => (row.seq === 4 ? { ...row, data: tombstone(row.data) } : row))
  expect(await stored('deleted', 10)).toEqual(await monthsOf(log))
  expect(await stored('deleted', 10)).not.toEqual(await monthsOf([...rows, ...deletion]))
})

test.each([
  ['a text', `UPDATE messages SET body = replace(body, 'plain', 'Plain') WHERE seq = 1`],
  ['an author', `UPDATE messages SET user_id = 'mallory' WHERE seq = 2`],
  ['a clientId', `UPDATE messages SET client_id = NULL WHERE seq = 2`],
  ['a connection', `UPDATE messages SET client = 'c2' WHERE seq = 2`],
  ['a time', `UPDATE messages SET sent_at = sent_at + interval '1 millisecond' WHERE seq = 5`],
  ['an epoch', `UPDATE messages SET epoch = 'f' WHERE seq = 5`],
  ['a missing entry', `DELETE FROM messages WHERE seq = 6`],
  [
    'two exchanged texts',
    `UPDATE messages SET body = (SELECT o.body FROM messages o WHERE o.conversation_id = messages.conversation_id AND o.seq = CASE messages.seq WHEN 1 THEN 7 ELSE 1 END) WHERE seq IN (1, 2)`,
  ],
])('%s in Postgres that is not what was written changes the checksum', async (name, change) => {
  const conversation = `changed ${name}`
  const rows = entries(9)
  await writeBatches(shard, [batch(conversation, { rows })])
  expect(await stored(conversation, 9)).toEqual(await monthsOf(rows))
  const owner = await world.session('shard0', 'owner')
  await owner.query(`SELECT set_config('app.tenants', $1, false)`, [tenant])
  await owner.query(`${change} AND conversation_id = '${conversation}'`)
  expect(await stored(conversation, 9)).not.toEqual(await monthsOf(rows))
})

test('a conversation and Postgres make the same checksum of its properties and members, and another of others', async () => {
  await writeBatches(shard, [batch('props', { facts: properties })])
  const read = async () => (await selectPropertiesChecksums(shard, tenant, ['props', 'none'])).get('props')
  const own = await propertiesChecksum({ ...properties, epoch }, properties.members)
  expect(await read()).toBe(own)
  const shown = '{"topic":"Food","properties":{"n":1}}'
  const deleted = {
    ...properties,
    properties: shown,
    deletedAt: first + 99,
    version: 4,
    members: properties.members.slice(0, 1),
  }
  await writeBatches(shard, [batch('props', { facts: deleted })])
  expect(await read()).not.toBe(own)
  expect(await read()).toBe(await propertiesChecksum({ ...deleted, epoch }, deleted.members))
  expect(await read()).not.toBe(await propertiesChecksum({ ...deleted, properties: null, epoch }, deleted.members))
})

test('a rebuild replaces altered, missing and misdated rows, archived ones too, and leaves older ones alone', async () => {
  const rows = entries(205)
  await writeBatches(shard, [batch('rebuilt', { rows, facts: properties })])
  await archiveMessages(shard, tenant, Date.parse('2026-07-01'), 100)
  const owner = await world.session('shard0', 'owner')
  await owner.query(`SELECT set_config('app.tenants', $1, false)`, [tenant])
  const here = `conversation_id = 'rebuilt'`
  await owner.query(`UPDATE archive SET bodies[3] = 'wrong' WHERE ${here} AND page = 1`)
  await owner.query(`DELETE FROM archive WHERE ${here} AND page = 2`)
  await owner.query(`INSERT INTO messages SELECT tenant_id, conversation_id, 150, now(), epoch, user_id, client, client_id, body
    FROM messages WHERE conversation_id = 'lunch' LIMIT 1`)
  await owner.query(`UPDATE messages SET conversation_id = 'rebuilt' WHERE conversation_id = 'lunch' AND seq = 150`)
  await owner.query(`UPDATE conversations SET name = 'wrong', version = 99 WHERE ${here}`)
  await owner.query(`DELETE FROM members WHERE ${here} AND user_id = 'alice'`)

  const replaced = { first: 51, last: 205, hasProperties: true }
  const again = batch('rebuilt', { rows: rows.slice(50), facts: properties, replaced })
  expect(await writeBatches(shard, [again, batch('other', { rows: rows.slice(0, 2) })])).toMatchObject([
    { kind: 'written' },
    { kind: 'written' },
  ])
  expect(await stored('rebuilt', 205)).toEqual(await monthsOf(rows))
  const read = await selectPropertiesChecksums(shard, tenant, ['rebuilt'])
  expect(read.get('rebuilt')).toBe(await propertiesChecksum({ ...properties, epoch }, properties.members))
  expect(await stored('lunch', 205)).toBeDefined()

  // Under an older placement nothing is removed.
  const late = { ...again, placementEpoch: 0, rows: [], facts: { ...properties, name: 'late' } }
  expect(await writeBatches(shard, [late])).toEqual([{ kind: 'misplaced' }])
  expect(await stored('rebuilt', 205)).toEqual(await monthsOf(rows))
})
