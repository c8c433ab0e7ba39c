import type { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { connect, type Database } from '../../src/adapters/neon/connect.ts'
import { placeOnShard, writeDirectory } from '../../src/adapters/neon/placements.ts'
import { selectTenants } from '../../src/adapters/neon/select-tenants.ts'
import { writeBatches } from '../../src/adapters/neon/write-batches.ts'
import { loadConfig } from '../../src/config.ts'
import { tombstone } from '../../src/events/tombstone.ts'
import type { ProjectedProperties, ProjectedRow, ProjectionBatch } from '../../src/events/projection.ts'
import { readRange } from '../support/read-range.ts'
import { startShardWorld, type ShardWorld } from '../support/shard-world.ts'

let world: ShardWorld
let shard: Database
let directory: Database
let owner: Client

beforeAll(async () => {
  world = await startShardWorld()
  const config = loadConfig(world.vars)
  shard = connect(config, config.databaseUrl('DATABASE_URL_SHARD0'))
  directory = connect(config, config.directoryUrl)
  owner = await world.session('shard0', 'owner')
  await owner.query('ALTER ROLE CURRENT_USER BYPASSRLS')
})
afterAll(async () => await world.close())

const sentAt = Date.UTC(2026, 10, 22, 12, 0, 0, 123)

const message = (seq: number, words: object = { text: `message ${seq}` }): ProjectedRow => ({
  seq,
  at: sentAt + seq,
  user: 'alice',
  client: 'phone',
  clientId: `c${seq}`,
  data: JSON.stringify({
    type: 'message',
    id: `lunch.${seq}`,
    user: 'alice',
    at: sentAt + seq,
    clientId: `c${seq}`,
    ...words,
  }),
})

const edit = (seq: number, ref: number, text: string): ProjectedRow => ({
  ...message(seq),
  clientId: null,
  data: JSON.stringify({ type: 'message.edited', user: 'alice', at: sentAt + seq, ref, text }),
})

const facts = (
  version: number,
  members: readonly string[],
  more: Partial<ProjectedProperties> = {},
): ProjectedProperties => ({
  type: 'group',
  name: `Lunch ${version}`,
  createdBy: 'alice',
  createdAt: sentAt,
  deletedAt: null,
  version,
  members: members.map((user) => ({ user, role: user === 'alice' ? 'owner' : 'member', joinedAt: sentAt })),
  isComplete: true,
  ...more,
})

const batchOf = (
  tenant: string,
  rows: readonly ProjectedRow[],
  more: Partial<ProjectionBatch> = {},
): ProjectionBatch => ({
  tenant,
  placementEpoch: 1,
  conversation: 'lunch',
  epoch: 'e',
  rows,
  scrubbed: [],
  ...more,
})

const read = async (tenant: string) =>
  await readRange(shard, { tenant, conversation: 'lunch', epoch: 'e' }, { first: 1, last: 1000 })

const membersOf = async (tenant: string) =>
  (await owner.query<{ user_id: string }>('SELECT user_id FROM members WHERE tenant_id = $1 ORDER BY 1', [tenant])).rows
    .map(({ user_id }) => user_id)
    .join()

const written = { kind: 'written', scrubbed: [], position: expect.stringMatching(/^1 \w+\/\w+$/) }
const has =
  (...seqs: readonly number[]) =>
  (given: readonly number[]) =>
    given.toSorted((a, b) => a - b).join() === seqs.join()

describe('writing batches', () => {
  test('writes what was said word for word, once, however often it comes', async () => {
    await placeOnShard(shard, 'acme', { shard: 'shard0', epoch: 1 })
    const rows = [message(1), message(2, { text: 'Zoë 👩‍🍳 "quoted"', data: { nul: 'a\u0000b' } }), edit(3, 1, 'better')]
    const batch = batchOf('acme', rows, { facts: facts(1, ['alice', 'bob']) })
    for (let time = 0; time < 2; time++) expect(await writeBatches(shard, [batch])).toEqual([written])
    const found = await read('acme')
    expect(found.map(({ offset, data }) => [offset, data])).toEqual(rows.map(({ seq, data }) => [seq, data]))
    expect(found[0]?.info).toEqual({ user: 'alice', client: 'phone' })
    expect(await membersOf('acme')).toBe('alice,bob')
  })

  test('a repeat that overlaps adds only what is new', async () => {
    await placeOnShard(shard, 'overlap', { shard: 'shard0', epoch: 1 })
    await writeBatches(shard, [batchOf('overlap', [message(1), message(2)])])
    await writeBatches(shard, [batchOf('overlap', [message(2), message(3)])])
    expect((await read('overlap')).map(({ offset }) => offset)).toEqual([1, 2, 3])
  })

  test('one whose placement is not the newest writes nothing at all, others beside it do', async () => {
    await placeOnShard(shard, 'moved', { shard: 'shard0', epoch: 2 })
    await placeOnShard(shard, 'stayed', { shard: 'shard0', epoch: 1 })
    await writeBatches(shard, [batchOf('moved', [message(1)], { placementEpoch: 2 })])
    const stale = batchOf('moved', [message(2)], { facts: facts(9, ['mallory']), scrubbed: [1] })
    const answers = await writeBatches(shard, [stale, batchOf('stayed', [message(1)])])
    expect(answers).toEqual([{ kind: 'misplaced' }, written])
    expect((await read('moved')).map(({ data }) => data)).toEqual([message(1).data])
    expect(await membersOf('moved')).toBe('')
    expect(await read('stayed')).toHaveLength(1)
  })

  test('a tenant that was never placed here is refused', async () => {
    expect(await writeBatches(shard, [batchOf('nobody', [message(1)])])).toEqual([{ kind: 'misplaced' }])
    expect(await read('nobody')).toEqual([])
  })

  test('a placement only moves forward', async () => {
    await placeOnShard(shard, 'forward', { shard: 'shard0', epoch: 5 })
    await placeOnShard(shard, 'forward', { shard: 'shard0', epoch: 3 })
    expect(await writeBatches(shard, [batchOf('forward', [message(1)], { placementEpoch: 5 })])).toEqual([written])
  })

  test('of properties and members the newer version stands, whatever the order of arrival', async () => {
    await placeOnShard(shard, 'facts', { shard: 'shard0', epoch: 1 })
    for (const [version, users] of [
      [1, ['alice', 'bob']],
      [3, ['alice', 'carol']],
      [2, ['alice', 'bob', 'dora']],
    ] as const)
      await writeBatches(shard, [batchOf('facts', [], { facts: facts(version, users) })])
    const { rows } = await owner.query(`SELECT name, version::int FROM conversations WHERE tenant_id = 'facts'`)
    expect(rows).toEqual([{ name: 'Lunch 3', version: 3 }])
    expect(await membersOf('facts')).toBe('alice,carol')
  })

  test('members of a large conversation come in parts, and users of an earlier version go with the last one', async () => {
    await placeOnShard(shard, 'large', { shard: 'shard0', epoch: 1 })
    await writeBatches(shard, [batchOf('large', [], { facts: facts(1, ['alice', 'bob', 'carol']) })])
    await writeBatches(shard, [batchOf('large', [], { facts: facts(2, ['alice', 'dora'], { isComplete: false }) })])
    expect(await membersOf('large')).toBe('alice,bob,carol,dora')
    await writeBatches(shard, [batchOf('large', [], { facts: facts(2, ['carol', 'erin']) })])
    expect(await membersOf('large')).toBe('alice,carol,dora,erin')
  })

  test('the same conversation twice in one write is no trouble', async () => {
    await placeOnShard(shard, 'twice', { shard: 'shard0', epoch: 1 })
    const older = batchOf('twice', [message(1)], { facts: facts(1, ['alice', 'bob']) })
    const newer = batchOf('twice', [message(1), message(2)], { facts: facts(2, ['alice']) })
    expect(await writeBatches(shard, [older, newer])).toEqual([written, written])
    expect(await read('twice')).toHaveLength(2)
    expect(await membersOf('twice')).toBe('alice')
  })
})

describe('taking words out', () => {
  test('a deleted message and its edits keep their places and lose their words; others keep theirs', async () => {
    await placeOnShard(shard, 'scrub', { shard: 'shard0', epoch: 1 })
    const rows = [
      message(1, { text: 'secret', data: { nul: '\u0000' } }),
      message(2),
      edit(3, 1, 'other secret'),
      edit(4, 2, 'kept'),
    ]
    await writeBatches(shard, [batchOf('scrub', rows)])
    await placeOnShard(shard, 'beside', { shard: 'shard0', epoch: 1 })
    const both = [batchOf('scrub', [], { scrubbed: [1] }), batchOf('beside', [message(1)])]
    expect(await writeBatches(shard, both)).toEqual([{ ...written, scrubbed: expect.toSatisfy(has(1, 3)) }, written])
    const found = await read('scrub')
    expect(JSON.stringify(found)).not.toContain('secret')
    expect(found.map(({ data }) => JSON.parse(data))).toEqual([
      { type: 'message', id: 'lunch.1', user: 'alice', at: sentAt + 1, clientId: 'c1', deleted: true },
      JSON.parse(message(2).data),
      { type: 'message.edited', user: 'alice', at: sentAt + 3, ref: 1, text: '', deleted: true },
      JSON.parse(edit(4, 2, 'kept').data),
    ])
  })

  test('leaves a deleted reply in its thread, also when the batch comes again, and takes no text for one', async () => {
    await placeOnShard(shard, 'threads', { shard: 'shard0', epoch: 1 })
    const reply = (seq: number, place: object): ProjectedRow => {
      const { type, ...fields }: Record<string, unknown> = JSON.parse(message(seq).data)
      return { ...message(seq), data: JSON.stringify({ type, ...place, ...fields, text: '"thread":9,' }) }
    }
    const rows = [
      message(1, { text: '{"type":"message","thread":9,' }),
      reply(2, { thread: 1 }),
      reply(3, { alsoInConversation: true, thread: 1 }),
    ]
    await writeBatches(shard, [batchOf('threads', rows)])
    for (const _ of [1, 2]) await writeBatches(shard, [batchOf('threads', rows, { scrubbed: [1, 2, 3] })])
    const found = (await read('threads')).map(({ data }) => data)
    expect(found.map((data) => JSON.parse(data))).toEqual(rows.map(({ data }) => JSON.parse(tombstone(data))))
    // As its conversation writes them, so that both have one checksum.
    for (const data of found) expect(data.endsWith('"deleted":true}')).toBe(true)
  })

  test.each([false, true])(
    'of a message that was restored takes nothing, also where removals of before arrive late; of one deleted again (%s) it takes all',
    async (isDeletedAgain) => {
      const tenant = `restored-${isDeletedAgain}`
      await placeOnShard(shard, tenant, { shard: 'shard0', epoch: 1 })
      const deletion = (seq: number): ProjectedRow => ({
        ...edit(seq, 1, ''),
        data: JSON.stringify({ type: 'message.deleted', user: 'alice', at: sentAt + seq, ref: 1 }),
      })
      const restored = edit(4, 1, 'secret')
      const batches = [
        batchOf(tenant, [message(1, { text: 'secret' }), edit(2, 1, 'secret too')]),
        batchOf(tenant, [deletion(3)], { scrubbed: [1], scrubbedBy: [3] }),
        batchOf(tenant, [restored]),
        ...(isDeletedAgain ? [batchOf(tenant, [deletion(5)], { scrubbed: [1], scrubbedBy: [5] })] : []),
      ]
      // Each batch arrives once in its order; whatever was sent before may arrive again, in any order.
      for (const [place, batch] of batches.entries()) {
        await writeBatches(shard, [batch])
        for (const late of batches.slice(0, place + 1).toReversed()) await writeBatches(shard, [late])
        for (const late of batches.slice(0, place + 1)) await writeBatches(shard, [late])
      }
      const found = await read(tenant)
      const texts = found.flatMap(({ offset, data }) => (data.includes('secret') ? [offset] : []))
      expect(texts).toEqual(isDeletedAgain ? [] : [4])
      expect(found.map(({ offset }) => offset)).toEqual(isDeletedAgain ? [1, 2, 3, 4, 5] : [1, 2, 3, 4])
    },
  )

  test('reaches no message of another tenant or conversation at the same place', async () => {
    for (const tenant of ['mine', 'theirs']) await placeOnShard(shard, tenant, { shard: 'shard0', epoch: 1 })
    await writeBatches(shard, [batchOf('mine', [message(1)]), batchOf('theirs', [message(1)])])
    await writeBatches(shard, [batchOf('mine', [], { scrubbed: [1] })])
    expect((await read('theirs')).map(({ data }) => data)).toEqual([message(1).data])
  })
})

describe('reading', () => {
  test('another incarnation of a conversation is not read', async () => {
    await placeOnShard(shard, 'again', { shard: 'shard0', epoch: 1 })
    await writeBatches(shard, [batchOf('again', [message(1)])])
    const other = { tenant: 'again', conversation: 'lunch', epoch: 'other' }
    expect(await readRange(shard, other, { first: 1, last: 9 })).toEqual([])
  })

  test('the directory lists tenants in pages and takes no older placement', async () => {
    const tenant = (id: string) => ({ id, name: id, state: 'active' })
    for (const id of ['a', 'b', 'c']) await writeDirectory(directory, tenant(id), { shard: 'shard0', epoch: 2 })
    await writeDirectory(directory, tenant('a'), { shard: 'shard9', epoch: 1 })
    expect(await selectTenants(directory, '', 2)).toEqual(['a', 'b'])
    expect(await selectTenants(directory, 'b', 2)).toEqual(['c'])
    const session = await world.session('directory', 'owner')
    const { rows } = await session.query(`SELECT shard FROM tenants WHERE tenant_id = 'a'`)
    expect(rows).toEqual([{ shard: 'shard0' }])
  })
})
