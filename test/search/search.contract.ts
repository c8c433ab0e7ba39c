import type { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { archiveMessages } from '../../src/adapters/neon/archive-messages.ts'
import { connect, type Database } from '../../src/adapters/neon/connect.ts'
import { fillSearch, selectUnfilled } from '../../src/adapters/neon/fill-search.ts'
import { placeOnShard } from '../../src/adapters/neon/placements.ts'
import { primaryReader } from '../../src/adapters/neon/read-shard.ts'
import { searchMessages, type SearchQuestion } from '../../src/adapters/neon/search-messages.ts'
import { readSearchSettings, writeSearchLanguage } from '../../src/adapters/neon/search-settings.ts'
import { rewriteSearched } from '../../src/adapters/neon/user-rows.ts'
import { writeBatches } from '../../src/adapters/neon/write-batches.ts'
import { loadConfig } from '../../src/config.ts'
import type { ProjectedRow, ProjectionBatch } from '../../src/events/projection.ts'
import { termOfHas } from '../../src/search/indexed.ts'
import { readPattern } from '../../src/search/query.ts'
import { startShardWorld, type ShardWorld } from '../support/shard-world.ts'

const dayMs = 86_400_000
const sentAt = Date.UTC(2026, 5, 15, 12)
const forever = { at: Date.UTC(2030, 0, 1), conversation: '', seq: 0 }

/** The search of messages on one kind of Postgres. */
export function searchContract(on: string, options: { readonly binDir?: string } = {}): void {
  describe(`the search ${on}`, () => {
    let world: ShardWorld
    let shard: Database
    let owner: Client

    beforeAll(async () => {
      world = await startShardWorld(options)
      const config = loadConfig(world.vars)
      shard = connect(config, config.databaseUrl('DATABASE_URL_SHARD0'), 60_000)
      owner = await world.session('shard0', 'owner')
      await placeOnShard(shard, 'acme', { shard: 'shard0', epoch: 1 })
      await placeOnShard(shard, 'beta', { shard: 'shard0', epoch: 1 })
      await placeOnShard(shard, 'page', { shard: 'shard0', epoch: 1 })
    })
    afterAll(async () => await world.close())

    const entry = (seq: number, data: object, user = 'alice', at = sentAt + seq): ProjectedRow => ({
      seq,
      at,
      user,
      client: '',
      clientId: `c${seq}`,
      data: JSON.stringify({ ...data, user, at }),
    })
    const message = (seq: number, text: string, more: { user?: string; at?: number; data?: object } = {}) =>
      entry(seq, { type: 'message', id: `x.${seq}`, text, ...more.data }, more.user, more.at)
    const edit = (seq: number, ref: number, text: string) => entry(seq, { type: 'message.edited', ref, text })
    const deletion = (seq: number, ref: number) => entry(seq, { type: 'message.deleted', ref })

    const write = async (
      conversation: string,
      rows: readonly ProjectedRow[],
      more: Partial<ProjectionBatch> & { members?: readonly string[]; type?: string } = {},
    ) => {
      const { members = ['alice', 'bob'], type = 'group', ...given } = more
      const facts = {
        type,
        name: '',
        createdBy: 'alice',
        createdAt: sentAt,
        deletedAt: null,
        version: 1,
        members: members.map((user) => ({ user, role: 'member', joinedAt: sentAt })),
        isComplete: true,
      }
      const scrubbed = rows.flatMap(({ data }) => {
        const { type: kind, ref }: { type: string; ref: number } = JSON.parse(data)
        return kind === 'message.deleted' ? [ref] : []
      })
      const batch = { tenant: 'acme', placementEpoch: 1, conversation, epoch: 'e', rows, scrubbed, facts, ...given }
      expect(await writeBatches(shard, [batch])).toMatchObject([{ kind: 'written' }])
    }

    const ask = async (q: string, more: Partial<SearchQuestion> & { ofTenant?: string } = {}) => {
      const pattern = q === '' ? { all: '', any: '' } : readPattern(q)
      if (pattern === undefined || pattern === 'too-many') throw new Error(`${q} is no search`)
      return await searchMessages(primaryReader(shard), {
        tenant: 'acme',
        ...pattern,
        reader: 'bob',
        conversation: null,
        author: null,
        thread: null,
        since: 0,
        upTo: forever,
        limit: 20,
        scanMs: 60_000,
        statementMs: 60_000,
        ...more,
      })
    }
    const places = async (...asked: Parameters<typeof ask>) =>
      (await ask(...asked)).found.map(({ conversation, seq }) => `${conversation}.${seq}`)

    test('finds words, words in a row, beginnings, and nothing that lacks a word', async () => {
      await write('words', [
        message(1, 'Lunch at the harbour'),
        message(2, 'the harbour at lunch'),
        message(3, 'supper'),
      ])
      expect(await places('lunch harbour')).toEqual(['words.2', 'words.1'])
      expect(await places('"lunch at"')).toEqual(['words.1'])
      expect(await places('harb*')).toEqual(['words.2', 'words.1'])
      expect(await places('harb')).toEqual([])
      expect(await places('lunch supper')).toEqual([])
    })

    test('says where the words are', async () => {
      await write('marks', [message(1, 'Zebra and zebras, not an ass')])
      expect((await ask('zebra*')).found[0]?.positions).toEqual([1, 3])
    })

    test('finds words of two characters in scripts without spaces, and single ones', async () => {
      await write('cjk', [
        message(1, '明日は東京都で会議です'),
        message(2, '京都タワー'),
        message(3, '서울에서 만나요'),
      ])
      expect(await places('東京')).toEqual(['cjk.1'])
      expect(await places('京都')).toEqual(['cjk.2', 'cjk.1'])
      expect(await places('東京都で')).toEqual(['cjk.1'])
      expect(await places('ワー')).toEqual(['cjk.2'])
      expect(await places('서울')).toEqual(['cjk.3'])
      expect(await places('す')).toEqual(['cjk.1'])
    })

    test('keeps to an author, a conversation, a time, a thread, and what a message has', async () => {
      const attachments = [{ type: 'image', url: 'https://cdn.example/a' }]
      await write('filters', [
        message(1, 'filtered https://example.com'),
        message(2, 'filtered', { user: 'bob', data: { thread: 1 } }),
        message(3, 'filtered', { data: { attachments } }),
      ])
      await write('others', [message(1, 'filtered', { at: sentAt - 90 * dayMs })])
      expect(await places('filtered', { author: 'bob' })).toEqual(['filters.2'])
      expect(await places('filtered', { conversation: 'others' })).toEqual(['others.1'])
      expect(await places('filtered', { since: sentAt, upTo: { ...forever, at: sentAt + 2 } })).toEqual(['filters.1'])
      expect(await places('filtered', { conversation: 'filters', thread: 1 })).toEqual(['filters.2', 'filters.1'])
      const has = async (kind: 'link' | 'file' | 'image') =>
        await places('', { all: termOfHas(kind), conversation: 'filters' })
      expect([await has('link'), await has('file'), await has('image')]).toEqual([
        ['filters.1'],
        ['filters.3'],
        ['filters.3'],
      ])
      expect(await places('', { author: 'bob', conversation: 'filters' })).toEqual(['filters.2'])
    })

    test('finds an edited message by its new text only, in whatever order message and edit arrive', async () => {
      await write('edits', [message(1, 'before'), message(2, 'unchanged')])
      await write('edits', [edit(3, 1, 'afterwards')])
      await write('edits', [message(1, 'before')])
      expect([await places('before'), await places('afterwards')]).toEqual([[], ['edits.1']])
      await write('early', [edit(2, 1, 'afterwards')])
      expect(await places('afterwards', { conversation: 'early' })).toEqual([])
      await write('early', [message(1, 'before')])
      expect(await places('afterwards', { conversation: 'early' })).toEqual(['early.1'])
    })

    test('has nothing of a deleted message, in whatever order the deletion arrives', async () => {
      await write('deleted', [message(1, 'confidential'), message(2, 'kept')])
      await write('deleted', [deletion(3, 1)])
      await write('deleted', [message(1, 'confidential')])
      expect(await places('confidential')).toEqual([])
      await write('deleted-first', [deletion(2, 1)])
      await write('deleted-first', [message(1, 'confidential')])
      expect(await places('confidential')).toEqual([])
      const { rows } = await owner.query(`SELECT 1 FROM message_search WHERE text || words ~ 'confidential'`)
      expect(rows).toEqual([])
    })

    test('finds a restored message with its files, also once all of it was written again, and in whatever order', async () => {
      const data = { attachments: [{ type: 'image', url: 'https://cdn.example/x.png' }] }
      const restored = entry(4, { type: 'message.edited', ref: 1, text: 'restored words', content: { ...data } })
      const tombstone = message(1, '', { data: { deleted: true } })
      const found = async () => [
        await places('restored'),
        await places('', { all: termOfHas('image'), conversation: 'restored' }),
      ]
      await write('restored', [message(1, 'restored words', { data }), message(2, 'beside')])
      await write('restored', [deletion(3, 1)])
      expect(await found()).toEqual([[], []])
      await write('restored', [restored])
      expect(await found()).toEqual([['restored.1'], ['restored.1']])
      await write('restored', [tombstone, deletion(3, 1)])
      expect(await found()).toEqual([['restored.1'], ['restored.1']])
      const replaced = { first: 1, last: 4, hasProperties: false }
      await write('restored', [tombstone, message(2, 'beside'), deletion(3, 1), restored], { replaced })
      expect(await found()).toEqual([['restored.1'], ['restored.1']])
      await write('restored', [deletion(5, 1)])
      expect(await found()).toEqual([[], []])
    })

    test('finds messages that are in the archive', async () => {
      await write('old', [message(1, 'archived words', { at: sentAt - 400 * dayMs })])
      expect(await archiveMessages(shard, 'acme', sentAt - 300 * dayMs, 100)).toBeGreaterThan(0)
      expect(await places('archived')).toEqual(['old.1'])
    })

    test('shows a user what is in their conversations and in channels, and a server everything', async () => {
      await write('private', [message(1, 'guarded')], { members: ['alice', 'carol'] })
      await write('open', [message(1, 'guarded', { at: sentAt + 5000 })], { members: ['alice'], type: 'channel' })
      expect(await places('guarded')).toEqual(['open.1'])
      expect(await places('guarded', { reader: 'carol' })).toEqual(['open.1', 'private.1'])
      expect(await places('guarded', { reader: null })).toEqual(['open.1', 'private.1'])
      expect(await places('guarded', { reader: 'nobody' })).toEqual(['open.1'])
    })

    test('never crosses tenants, and refuses to search for none or for two', async () => {
      await write('elsewhere', [message(1, 'theirs')], { tenant: 'beta' })
      expect(await places('theirs', { reader: null })).toEqual([])
      expect(await places('theirs', { reader: null, tenant: 'beta' })).toEqual(['elsewhere.1'])
      await expect(ask('theirs', { tenant: 'acme,beta' })).rejects.toThrow('exactly one tenant')
      const app = await world.session('shard0', 'app')
      expect((await app.query('SELECT * FROM message_search')).rows).toEqual([])
      await app.query(`SELECT set_config('app.tenants', 'beta', false)`)
      expect((await app.query('SELECT tenant_id FROM message_search')).rows).toEqual([{ tenant_id: 'beta' }])
    })

    test('gives page after page, each message once and the newest first, over many weeks', async () => {
      const rows = Array.from({ length: 60 }, (_, n) =>
        message(n + 1, 'paged', { at: sentAt - Math.floor(n / 3) * 9 * dayMs }),
      )
      await write('p1', rows.slice(0, 30), { tenant: 'page' })
      await write('p2', rows.slice(30), { tenant: 'page' })
      const all: string[] = []
      let upTo: SearchQuestion['upTo'] = forever
      for (let page = 0; page < 10; page++) {
        const { found } = await ask('paged', { tenant: 'page', limit: 7, upTo })
        all.push(...found.map(({ conversation, seq }) => `${conversation}.${seq}`))
        const last = found.at(-1)
        if (last === undefined) break
        upTo = last
      }
      const expected = rows
        .map(({ seq, at }) => ({ at, seq, place: `${seq > 30 ? 'p2' : 'p1'}.${seq}` }))
        .toSorted((a, b) => b.at - a.at || b.seq - a.seq)
        .map(({ place }) => place)
      expect(all).toEqual(expected)
    })

    test('stops when its time is over, and says from when on it has looked', async () => {
      const { found, reached = 0 } = await ask('paged', { tenant: 'page', limit: 50, scanMs: 0 })
      expect(found.length).toBeGreaterThan(0)
      expect(found.length).toBeLessThan(50)
      const rest = await ask('paged', { tenant: 'page', limit: 100, upTo: { at: reached, conversation: '', seq: 0 } })
      expect(rest.reached).toBeUndefined()
      expect(found.length + rest.found.length).toBe(60)
    })

    test('by relevance begins with the messages that are most about the words, page after page', async () => {
      await write('ranks', [
        message(1, 'otter'),
        message(2, 'a long text in which one otter is named among very many other words of no use'),
        message(3, 'an otter at the river'),
      ])
      const page = async (below: number, place: SearchQuestion['upTo'] | null) =>
        await ask('otter', { limit: 2, ranked: { below, place, among: 100 } })
      const first = await page(Infinity, null)
      const [, second] = first.found
      if (second === undefined) throw new Error('two were expected')
      const next = await page(second.score, second)
      expect([...first.found, ...next.found].map(({ seq }) => seq)).toEqual([1, 3, 2])
    })

    test('knows the forms of a word in the language of the tenant', async () => {
      await write('forms', [message(1, 'we were running home')])
      expect(await places('run')).toEqual([])
      await owner.query(`INSERT INTO search_settings VALUES ('acme', 'language', 'english')`)
      await write('forms', [message(2, 'running again')])
      expect(await places('runs')).toEqual(['forms.2'])
      expect((await ask('runs')).found[0]?.positions).toEqual([1])
      expect(await places('runn*')).toEqual(['forms.2', 'forms.1'])
      expect(await places('"running again"')).toEqual(['forms.2'])
      await owner.query(`DELETE FROM search_settings`)
    })

    test('adds older messages in steps that may be repeated, from the messages and from the archive', async () => {
      const of = { tenant: 'filled', placementEpoch: 1 }
      await placeOnShard(shard, 'filled', { shard: 'shard0', epoch: 1 })
      const rows = Array.from({ length: 700 }, (_, n) =>
        message(n + 1, `older ${n}`, { at: sentAt - (n < 200 ? 400 * dayMs : 0) + n }),
      )
      await write('c', [...rows, edit(701, 5, 'older and edited'), deletion(702, 6)], { tenant: 'filled' })
      await archiveMessages(shard, 'filled', sentAt - 300 * dayMs, 100)
      await owner.query(`DELETE FROM message_search WHERE tenant_id = 'filled'`)
      expect(await selectUnfilled(shard, ['filled'])).toEqual([of])
      const steps: number[] = []
      for (let isDone = false; !isDone;) {
        const step = await fillSearch(shard, of)
        steps.push(step.read)
        isDone = step.isDone
      }
      expect(steps.reduce((sum, read) => sum + read)).toBe(702)
      expect(steps.length).toBeGreaterThan(3)
      expect(await selectUnfilled(shard, ['filled'])).toEqual([])
      expect((await ask('older', { tenant: 'filled', limit: 1000 })).found).toHaveLength(699)
      expect(await places('edited', { tenant: 'filled' })).toEqual(['c.5'])
    })

    test('knows the forms of words of older messages once they were added in a new language', async () => {
      await writeSearchLanguage(shard, 'filled', 'english')
      expect(await readSearchSettings(shard, 'filled')).toEqual({ language: 'english', isFilled: false })
      expect(await places('edits', { tenant: 'filled' })).toEqual([])
      while (!(await fillSearch(shard, { tenant: 'filled', placementEpoch: 1 })).isDone);
      expect(await readSearchSettings(shard, 'filled')).toEqual({ language: 'english', isFilled: true })
      expect(await places('edits', { tenant: 'filled' })).toEqual(['c.5'])
    })

    test('has another author, or nothing, of the messages of a user that was erased, also when they are added again', async () => {
      const at = { tenant: 'acme', placementEpoch: 1, conversation: 'erased' }
      await write('erased', [message(1, 'forgotten'), message(2, 'forgotten', { user: 'bob' })])
      await rewriteSearched(shard, at, { user: 'bob', pseudonym: 'x', isDeleted: false })
      expect((await ask('forgotten')).found.map(({ user }) => user)).toEqual(['x', 'alice'])
      await rewriteSearched(shard, at, { user: 'alice', pseudonym: 'y', isDeleted: true })
      await write('erased', [message(1, 'forgotten')])
      expect(await places('forgotten')).toEqual(['erased.2'])
    })

    test('has what a rebuild writes in the place of what was there', async () => {
      await write('rebuilt', [message(1, 'altered'), message(2, 'lost')])
      const replaced = { first: 1, last: 2, hasProperties: false }
      await write('rebuilt', [message(1, 'mended')], { replaced })
      expect([await places('altered'), await places('lost'), await places('mended')]).toEqual([[], [], ['rebuilt.1']])
    })

    test('writes nothing of a tenant that is placed elsewhere', async () => {
      const batch = {
        tenant: 'acme',
        placementEpoch: 7,
        conversation: 'c',
        epoch: 'e',
        rows: [message(1, 'misplaced')],
        scrubbed: [],
      }
      expect(await writeBatches(shard, [batch])).toEqual([{ kind: 'misplaced' }])
      expect(await places('misplaced', { reader: null })).toEqual([])
    })
  })
}
