import type { Client } from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { connect, type Database } from '../../src/adapters/neon/connect.ts'
import { selectConversationsOfUser, selectExported } from '../../src/adapters/neon/export-rows.ts'
import {
  rewriteCreator,
  rewriteEntries,
  rewritePage,
  selectMembers,
  selectUserConversations,
  selectUserEntries,
  selectUserPages,
} from '../../src/adapters/neon/user-rows.ts'
import { loadConfig } from '../../src/config.ts'
import { startShardWorld, type ShardWorld } from '../support/shard-world.ts'

let world: ShardWorld
let shard: Database
let owner: Client

const at = { tenant: 'acme', conversation: 'c1', placementEpoch: 1 }
/** A name with what LIKE and JSON treat in their own ways. */
const user = 'a%_"\\b'
const of = { tenant: 'acme', conversation: 'c1', user, name: JSON.stringify(user), withEdits: false }

beforeAll(async () => {
  world = await startShardWorld()
  const config = loadConfig(world.vars)
  shard = connect(config, config.databaseUrl('DATABASE_URL_SHARD0'))
  owner = await world.session('shard0', 'owner')
  for (const table of ['messages', 'archive', 'conversations', 'members'])
    await owner.query(`ALTER TABLE ${table} NO FORCE ROW LEVEL SECURITY`)
})
afterAll(async () => await world.close())

beforeEach(async () => {
  for (const table of ['messages', 'archive', 'conversations', 'members', 'placements'])
    await owner.query(`DELETE FROM ${table}`)
  for (const tenant of ['acme', 'beta']) {
    await owner.query(`INSERT INTO placements VALUES ($1, 1, 'active')`, [tenant])
    await owner.query(`INSERT INTO conversations VALUES ($1, 'c1', 'group', 'x', 'e', $2, now(), NULL, 1)`, [
      tenant,
      user,
    ])
    await owner.query(`INSERT INTO conversations VALUES ($1, 'open', 'channel', 'x', 'e', 'u', now(), NULL, 1)`, [
      tenant,
    ])
    for (const member of ['bob', user])
      await owner.query(`INSERT INTO members VALUES ($1, 'c1', $2, 'member', now(), 1)`, [tenant, member])
    const entry = `INSERT INTO messages VALUES ($1, 'c1', $2, '2026-11-01', 'e', $3, 'phone', $4, $5)`
    await owner.query(entry, [tenant, 201, user, 'k1', '{"type":"message","text":"\\u0000 kept as it is"}'])
    await owner.query(entry, [
      tenant,
      202,
      'bob',
      'k2',
      JSON.stringify({ type: 'message', mentions: { users: [user] } }),
    ])
    await owner.query(entry, [tenant, 203, 'bob', 'k3', '{"type":"message","text":"of others"}'])
    await owner.query(entry, [tenant, 204, '', null, '{"type":"message.edited","user":"","ref":201,"text":"x"}'])
    const page = `INSERT INTO archive VALUES ($1, 'c1', 'e', $2, $3, $4, $5, $6, $7, $8)`
    for (const [number, author] of [user, 'bob', user].entries())
      await owner.query(page, [
        tenant,
        number,
        [number * 100 + 1, number * 100 + 2],
        ['2026-01-01', '2026-01-02'],
        [author, 'carol'],
        ['phone', ''],
        ['k', null],
        ['{"type":"message","text":"a, \\"quoted\\" {text}"}', '{"type":"member.joined","member":"carol"}'],
      ])
  }
})

const bodies = async (tenant: string) =>
  (await owner.query(`SELECT seq, user_id, client_id, body FROM messages WHERE tenant_id = $1 ORDER BY seq`, [tenant]))
    .rows

describe('the rows of a user that is erased', () => {
  test('are found by author and by name, in order and page by page; edits of others only where they are wanted', async () => {
    const first = await selectUserEntries(shard, of, 0, 1)
    expect(first.map(({ seq, user_id }) => [seq, user_id])).toEqual([[201, user]])
    const rest = await selectUserEntries(shard, of, 201, 10)
    expect(rest.map(({ seq }) => seq)).toEqual([202])
    const withEdits = await selectUserEntries(shard, { ...of, withEdits: true }, 0, 10)
    expect(withEdits.map(({ seq }) => seq)).toEqual([201, 202, 204])
  })

  test('are replaced where they have not changed since, and those of other tenants stay', async () => {
    const before = await bodies('beta')
    const [mine, named] = await selectUserEntries(shard, of, 0, 10)
    if (mine === undefined || named === undefined) throw new Error('no entries')
    await owner.query(`UPDATE messages SET body = '{"deleted":true}' WHERE tenant_id = 'acme' AND seq = 202`)
    const changed = [
      { ...mine, user_id: 'erased', client: '', client_id: '201', body: '{"is":"other"}' },
      { ...named, body: '{"is":"too late"}' },
    ]
    expect(await rewriteEntries(shard, at, changed)).toBe(1)
    expect((await bodies('acme')).slice(0, 2)).toEqual([
      { seq: '201', user_id: 'erased', client_id: '201', body: '{"is":"other"}' },
      { seq: '202', user_id: 'bob', client_id: 'k2', body: '{"deleted":true}' },
    ])
    expect(await bodies('beta')).toEqual(before)
  })

  test('are found in the archive, and replaced where they lie, page by page', async () => {
    const [first] = await selectUserPages(shard, of, { epoch: '', page: -1 }, 1)
    if (first === undefined) throw new Error('no page')
    expect(first).toMatchObject({ epoch: 'e', page: 0 })
    expect(first.entries.map(({ seq, user_id, client_id }) => [seq, user_id, client_id])).toEqual([
      [1, user, 'k'],
      [2, 'carol', null],
    ])
    const entries = first.entries.map((entry) => (entry.user_id === user ? { ...entry, user_id: 'erased' } : entry))
    expect(await rewritePage(shard, at, { ...first, entries })).toBe(true)
    const [next] = await selectUserPages(shard, of, first, 1)
    expect(next?.page).toBe(2)
    expect((await selectUserPages(shard, of, { epoch: '', page: -1 }, 9)).map(({ page }) => page)).toEqual([2])
    const { rows } = await owner.query(`SELECT * FROM archive WHERE tenant_id = 'acme' AND page = 0`)
    expect(rows[0]).toMatchObject({ user_ids: ['erased', 'carol'], client_ids: ['k', null], seqs: ['1', '2'] })
    expect(rows[0].bodies[0]).toBe('{"type":"message","text":"a, \\"quoted\\" {text}"}')
  })

  test('of a page that was changed since it was read stay as they are', async () => {
    const [page] = await selectUserPages(shard, of, { epoch: '', page: -1 }, 1)
    if (page === undefined) throw new Error('no page')
    await owner.query(`UPDATE archive SET bodies[1] = '{}' WHERE tenant_id = 'acme'`)
    expect(await rewritePage(shard, at, page)).toBe(false)
  })

  test('are not changed by a caller that knows an earlier placement of the tenant', async () => {
    const rows = await selectUserEntries(shard, of, 0, 10)
    const [page] = await selectUserPages(shard, of, { epoch: '', page: -1 }, 1)
    if (page === undefined) throw new Error('no page')
    await owner.query(`UPDATE placements SET epoch = 2 WHERE tenant_id = 'acme'`)
    expect(await rewriteEntries(shard, at, rows)).toBe(0)
    expect(await rewritePage(shard, at, page)).toBe(false)
    expect(await rewriteCreator(shard, at, user, 'erased')).toBe(false)
  })

  test('are refused while the tenant moves, so that its new shard lacks nothing', async () => {
    await owner.query(`INSERT INTO moves VALUES ('acme', 'fenced', 1)`)
    const rows = await selectUserEntries(shard, of, 0, 10)
    await expect(rewriteEntries(shard, at, rows)).rejects.toThrow('is moving')
    await owner.query('DELETE FROM moves')
  })

  test('lead to conversations that the user is in or has made, and to all channels', async () => {
    expect(await selectUserConversations(shard, 'acme', user, '', 10)).toEqual(['c1', 'open'])
    expect(await selectUserConversations(shard, 'acme', 'nobody', '', 10)).toEqual(['open'])
    expect(await selectMembers(shard, 'acme', 'c1', '', 1)).toEqual([user])
    expect(await selectMembers(shard, 'acme', 'c1', user, 9)).toEqual(['bob'])
    expect(await rewriteCreator(shard, at, user, 'erased')).toBe(true)
    expect(await rewriteCreator(shard, at, user, 'erased')).toBe(false)
  })
})

describe('the rows of an export', () => {
  const range = { tenant: 'acme', placementEpoch: 1, conversation: 'c1', after: 0, upTo: 20_000 }

  test('are entries of the archive and of the messages in one order, with their times, a page at a time', async () => {
    const all = await selectExported(shard, range, 100)
    expect(all.map(({ seq }) => seq)).toEqual([1, 2, 101, 102, 201, 202, 203, 204])
    expect(all[0]).toEqual({
      seq: 1,
      at: Date.parse('2026-01-01T00:00:00Z'),
      user_id: user,
      client_id: 'k',
      body: '{"type":"message","text":"a, \\"quoted\\" {text}"}',
    })
    const paged: number[] = []
    for (let after = 0; ;) {
      const page = await selectExported(shard, { ...range, after }, 3)
      paged.push(...page.map(({ seq }) => seq))
      const last = page.at(-1)
      if (last === undefined) break
      after = last.seq
    }
    expect(paged).toEqual(all.map(({ seq }) => seq))
    expect((await selectExported(shard, { ...range, after: 101, upTo: 202 }, 100)).map(({ seq }) => seq)).toEqual([
      102, 201, 202,
    ])
  })

  test('have an entry once that is in the archive and in the messages', async () => {
    const entry = `INSERT INTO messages VALUES ('acme', 'c1', 1, '2026-01-01', 'e', $1, 'phone', 'k', '{"type":"message"}')`
    await owner.query(entry, [user])
    expect((await selectExported(shard, range, 100)).filter(({ seq }) => seq === 1)).toHaveLength(1)
  })

  test('of a user are those that the user wrote or that name them', async () => {
    const found = await selectExported(shard, { ...range, user: { id: user, name: JSON.stringify(user) } }, 100)
    expect(found.map(({ seq }) => seq)).toEqual([1, 201, 202])
  })

  test('are not given of a tenant that has been placed elsewhere', async () => {
    await owner.query(`UPDATE placements SET epoch = 2 WHERE tenant_id = 'acme'`)
    await expect(selectExported(shard, range, 100)).rejects.toThrow('placed elsewhere')
  })

  test('of the conversations of a user come in the order of their characters', async () => {
    for (const id of ['B', 'a', '_', 'Z'])
      await owner.query(`INSERT INTO conversations VALUES ('acme', $1, 'group', 'x', 'e', $2, now(), NULL, 1)`, [
        id,
        user,
      ])
    const at = { tenant: 'acme', user }
    const all = await selectConversationsOfUser(shard, at, '', 50)
    expect(all).toEqual(['B', 'Z', '_', 'a', 'c1', 'open'])
    expect(await selectConversationsOfUser(shard, at, 'Z', 2)).toEqual(['_', 'a'])
  })
})
