import { abortAllDurableObjects, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { recipientsOf } from '../../durable-objects/address.ts'
import { tablesWithColumn } from '../../durable-objects/shared/rows-of-user.ts'
import { importAnswer } from '../../src/protocol/import-api.ts'
import { exportedTables } from '../../durable-objects/recipients/user-exporter.ts'
import { pass, stopClock } from '../support/worker/clock.ts'
import { eventually } from '../support/worker/bounded.ts'
import { call } from '../support/worker/http.ts'
import { KeptRows } from '../support/worker/kept-rows.ts'
import { postgresIsThere } from '../support/worker/shards.ts'
import { newTenant, succeeded, type TestTenant } from '../support/worker/tenant.ts'

const user = 'alice-of-the-exports'
const others = 'what another user wrote'

interface Line {
  readonly type: string
  readonly version: number
  readonly conversation?: string
  readonly seq?: number
  readonly user?: string
  readonly next?: string
  readonly lines?: number
  readonly entry?: { readonly type: string; readonly text?: string }
  readonly [field: string]: unknown
}

const linesOf = (text: string): Line[] =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .map((line): Line => JSON.parse(line))

/** All lines of an export but the ends of its pages. `between` is called between two pages. */
async function exported(
  tenant: TestTenant,
  path: string,
  { limit = 500, between }: { limit?: number; between?: (page: number) => Promise<void> } = {},
): Promise<Line[]> {
  const all: Line[] = []
  let cursor: string | undefined
  for (let page = 0; ; page++) {
    expect(page).toBeLessThan(400)
    const query = new URLSearchParams({ limit: String(limit), ...(cursor === undefined ? {} : { cursor }) })
    const answer = await call(`GET ${path}?${query.toString()}`, { as: tenant.key })
    expect(answer.text.endsWith('\n')).toBe(true)
    const lines = linesOf(answer.text)
    const last = lines.pop()
    all.push(...lines)
    expect(last?.lines).toBe(all.length)
    if (last?.type === 'end') return all
    expect(last?.type).toBe('page')
    cursor = last?.next
    await between?.(page)
  }
}

class Furnished {
  readonly tenant: TestTenant
  readonly conversations: string[] = []

  constructor(tenant: TestTenant) {
    this.tenant = tenant
  }

  async settle(): Promise<void> {
    for (const id of this.conversations) await runDurableObjectAlarm(this.tenant.actorOf(id))
  }
}

async function furnish(): Promise<Furnished> {
  const made = new Furnished(await newTenant())
  const { tenant } = made
  const as = tenant.key
  const put = async (line: string, body: object) => succeeded(await call(line, { as, body }))
  await put(`PUT /v1/users/${user}`, { name: 'Alice Example', email: 'alice@example.com', properties: { plan: 'pro' } })
  await put(`PUT /v1/users/bob`, { name: 'Bob Example' })
  await put(`PUT /v1/users/${user}/targets/phone`, { type: 'fcm', address: { token: 'token-of-a-phone' } })
  await put(`PUT /v1/users/${user}/preferences`, { channels: { email: false } })
  await put(`PUT /v1/topics/news`, {})
  await put(`PUT /v1/topics/news/subscribers`, { users: [user, 'bob'] })
  await put('POST /v1/notifications', { content: { body: 'an item for Alice' }, recipients: [user] })
  const feed = `GET /v1/feed?user=${user}`
  await eventually('an item', async () => (await call(feed, { as })).text.includes('an item for Alice') || undefined)
  const direct = { type: 'direct', members: [user, 'bob'] }
  made.conversations.push(
    await tenant.group(user, 'bob'),
    await tenant.group('bob', user),
    succeeded(await call('POST /v1/conversations', { as, body: direct })).id,
    await tenant.group('bob', 'carol'),
  )
  for (const id of made.conversations.slice(0, 3)) {
    succeeded(await tenant.post(id, 'bob', others))
    for (let n = 0; n < 3; n++) succeeded(await tenant.post(id, user, `by Alice, ${n}`))
    const mention = { clientId: 'm', text: others, user: 'bob', mentions: [user] }
    const { seq } = succeeded(await call(`POST /v1/conversations/${id}/messages`, { as, body: mention }))
    await put(`POST /v1/conversations/${id}/messages`, { clientId: 'with data', text: 'x', user, data: { n: 1.0 } })
    const token = await tenant.token(user)
    const edit = { text: 'edited by Alice' }
    succeeded(await call(`PATCH /v1/conversations/${id}/messages/${seq + 1}`, { as: token, body: edit }))
    succeeded(await tenant.post(id, user, 'to be deleted', 'deleted'))
    succeeded(await call(`DELETE /v1/conversations/${id}/messages/${seq + 3}`, { as: token }))
  }
  succeeded(await tenant.post(made.conversations[3] ?? '', 'bob', others))
  succeeded(await tenant.remove(made.conversations[1] ?? '', user))
  await put(`PUT /v1/users/${user}/blocks/mallory`, {})
  const later = { clientId: 'later', text: 'a message for later', deliverAt: Date.now() + 3_600_000 }
  const token = await tenant.token(user)
  succeeded(await call(`POST /v1/conversations/${made.conversations[0]}/messages`, { as: token, body: later }))
  await made.settle()
  return made
}

describe('the export', () => {
  const rows = new KeptRows()
  let acme: Furnished

  beforeAll(async () => {
    postgresIsThere(rows.answer)
    acme = await furnish()
    stopClock()
    pass(60_000)
    await acme.settle()
  })
  afterAll(() => {
    vi.useRealTimers()
    vi.unstubAllGlobals()
  })

  test('of a user has what every store holds of the user, each thing once, and nothing that others wrote', async () => {
    const lines = await exported(acme.tenant, `/v1/users/${user}/export`)
    const count = (type: string) => lines.filter((line) => line.type === type).length
    expect(lines.every(({ version }) => version === 1)).toBe(true)
    const kinds = ['user', 'preferences', 'subscription', 'block', 'feed-item', 'notice', 'scheduled-message']
    expect(kinds.map((type) => [type, count(type)])).toEqual(kinds.map((type) => [type, 1]))
    expect(count('conversation')).toBe(3)
    expect(count('mention')).toBe(3)
    const text = JSON.stringify(lines)
    for (const part of ['Alice Example', 'token-of-a-phone', 'an item for Alice', 'a message for later', 'edited by'])
      expect(text).toContain(part)
    for (const part of [others, 'to be deleted', 'Bob Example']) expect(text).not.toContain(part)
    for (const id of acme.conversations.slice(0, 3)) {
      const own = lines.filter((line) => line.type === 'entry' && line.conversation === id)
      const seqs = own.map(({ seq = 0 }) => seq)
      expect(seqs).toEqual([...new Set(seqs)].toSorted((a, b) => a - b))
      const texts = own.flatMap(({ entry }) => (entry?.type === 'message' ? [entry.text] : []))
      expect(texts).toEqual(['by Alice, 0', 'by Alice, 1', 'by Alice, 2', 'x', undefined])
    }
  })

  test('of a user carries every table of the actor of recipients that has rows of users', async () => {
    const actor = recipientsOf(env, acme.tenant.id, user)
    const tables = await runInDurableObject(actor, (_, { storage }) => tablesWithColumn(storage.sql, 'user'))
    expect(tables).toEqual(Object.keys(exportedTables).toSorted())
  })

  test('has the same lines in small pages, although processes die and entries are archived between them', async () => {
    for (const path of [
      `/v1/users/${user}/export`,
      '/v1/export',
      `/v1/conversations/${acme.conversations[0]}/export`,
    ]) {
      const whole = await exported(acme.tenant, path)
      const inParts = await exported(acme.tenant, path, {
        limit: 2,
        between: async (page) => {
          if (page % 3 === 0) await abortAllDurableObjects()
          if (page === 5) rows.archiveAll()
        },
      })
      expect(inParts).toEqual(whole)
    }
  })

  test('of a conversation has its members and all its entries in order', async () => {
    const [id = ''] = acme.conversations
    const lines = await exported(acme.tenant, `/v1/conversations/${id}/export`)
    expect(lines.slice(0, 3).map(({ type }) => type)).toEqual(['conversation', 'member', 'member'])
    const entries = lines.slice(3)
    expect(entries.map(({ seq }) => seq)).toEqual(entries.map((_, place) => place + 1))
    expect(JSON.stringify(entries)).not.toContain('to be deleted')
  })

  test('of a tenant has all conversations and users of that tenant, and none of another', async () => {
    const beta = await newTenant()
    succeeded(await call('PUT /v1/users/zoe', { as: beta.key, body: { name: 'Zoe' } }))
    const lines = await exported(acme.tenant, '/v1/export')
    const ids = lines.flatMap(({ type, conversation }) => (type === 'conversation' ? [conversation] : []))
    expect(new Set(ids)).toEqual(new Set(acme.conversations))
    expect(ids).toHaveLength(acme.conversations.length)
    const users = lines.flatMap(({ type, user: of }) => (type === 'user' ? [of] : []))
    expect(users).toHaveLength(2)
    expect(new Set(users)).toEqual(new Set([user, 'bob']))
    expect(lines.filter(({ type }) => type === 'subscription')).toHaveLength(2)
    const ofUser = await exported(beta, `/v1/users/${user}/export`)
    expect(ofUser).toEqual([])
  })

  test('is the tenant’s server’s alone, and refuses a cursor that no page has given', async () => {
    const as = await acme.tenant.token(user)
    for (const path of [
      `/v1/users/${user}/export`,
      '/v1/export',
      `/v1/conversations/${acme.conversations[0]}/export`,
    ]) {
      expect((await call(`GET ${path}`, { as })).status).toBe(403)
      for (const cursor of ['x', '0:nothing:', '0:conversations:../x 1', '0:profile'])
        expect((await call(`GET ${path}?cursor=${encodeURIComponent(cursor)}`, { as: acme.tenant.key })).status).toBe(
          400,
        )
    }
    const unknown = await call(`GET /v1/conversations/${crypto.randomUUID()}/export`, { as: acme.tenant.key })
    expect(unknown.status).toBe(404)
  })

  test('of a user leaves nothing out that the actor of recipients erases', async () => {
    const kept = await recipientsOf(env, acme.tenant.id, user).eraseUser(user)
    expect(kept).toBeGreaterThan(3)
    const left = await exported(acme.tenant, `/v1/users/${user}/export`)
    expect(left.filter(({ type }) => ['user', 'feed-item', 'notice', 'subscription'].includes(type))).toEqual([])
  })

  test('of a user that is erased has no line', async () => {
    succeeded(await call(`DELETE /v1/users/${user}`, { as: acme.tenant.key }))
    expect(await exported(acme.tenant, `/v1/users/${user}/export`)).toEqual([])
  })
})

describe('the import', () => {
  const rows = new KeptRows()
  let acme: Furnished
  let lines: Line[] = []

  const put = async (tenant: TestTenant, given: readonly object[]) => {
    const raw = given.map((line) => `${JSON.stringify(line)}\n`).join('')
    const answer = await call('POST /v1/import', { as: tenant.key, raw })
    expect(answer.text).toContain('"lines"')
    return importAnswer.parse(answer.body)
  }

  beforeAll(async () => {
    postgresIsThere(rows.answer)
    acme = await furnish()
    lines = await exported(acme.tenant, '/v1/export')
  })
  afterAll(() => vi.unstubAllGlobals())

  /** Lines as they come out of another tenant: without what is not imported, and with the ids that direct conversations have there. */
  const comparable = (all: readonly Line[], renamed: Readonly<Record<string, string>>): Set<string> => {
    const kept = all.filter(({ type }) =>
      ['user', 'preferences', 'subscription', 'conversation', 'member', 'entry'].includes(type),
    )
    const text = (line: Line) =>
      Object.entries(renamed).reduce((known, [from, to]) => known.replaceAll(from, to), JSON.stringify(line))
    return new Set(kept.map(text))
  }

  test('of an export into an empty tenant gives the same lines, although it is cut into parts, repeated and interrupted', async () => {
    const beta = await newTenant()
    const renamed: Record<string, string> = {}
    for (let from = 0; from < lines.length; from += 7) {
      const part = lines.slice(from, from + 7).map((line) => {
        const id = line.conversation === undefined ? undefined : renamed[line.conversation]
        return id === undefined ? line : { ...line, conversation: id }
      })
      const answer = await put(beta, part)
      expect(answer.refused).toBeNull()
      Object.assign(renamed, answer.renamed)
      if (from % 3 === 0) await abortAllDurableObjects()
      const again = await put(beta, part)
      expect([again.refused, again.imported]).toEqual([null, 0])
    }
    expect(Object.keys(renamed)).toEqual([acme.conversations[2]])
    for (const id of acme.conversations) await runDurableObjectAlarm(beta.actorOf(renamed[id] ?? id))
    const there = await exported(beta, '/v1/export')
    expect(comparable(there, {})).toEqual(comparable(lines, renamed))
  })

  test('keeps times, authors and order, counts what is unread, and lets users go on', async () => {
    const beta = await newTenant()
    const [id = ''] = acme.conversations
    const own = lines.filter(({ conversation }) => conversation === id)
    expect((await put(beta, own)).refused).toBeNull()
    const as = await beta.token(user)
    const before = succeeded(await call(`GET /v1/conversations/${id}/messages`, { as: await acme.tenant.token(user) }))
    const after = succeeded(await call(`GET /v1/conversations/${id}/messages`, { as }))
    expect(after.messages).toEqual(before.messages)
    expect(succeeded(await beta.post(id, 'bob', 'and on')).seq).toBe(after.last + 1)
    const last = await put(beta, own)
    expect(last).toMatchObject({ imported: 0, refused: null })
  })

  test('takes the lines up to the first one that does not fit, and says which and why', async () => {
    const beta = await newTenant()
    const conversation = 'imported'
    const at = 1_700_000_000_000
    const properties = { type: 'group', name: 'Old', createdBy: '', createdAt: at }
    const head = { type: 'conversation', version: 1, conversation, properties }
    const message = (seq: number, more: object = {}) => ({
      type: 'entry',
      version: 1,
      conversation,
      seq,
      at,
      user: 'ann',
      clientId: `c${seq}`,
      entry: {
        type: 'message',
        id: `${conversation}.${seq}`,
        user: 'ann',
        at,
        clientId: `c${seq}`,
        text: 'x',
        ...more,
      },
    })
    expect(await put(beta, [message(1)])).toMatchObject({ lines: 0, refused: { line: 1 } })
    expect(await put(beta, [head, message(1), message(3)])).toMatchObject({
      lines: 2,
      imported: 2,
      refused: { line: 3, reason: 'seq: the next entry is 2, got 3' },
    })
    const wrong: readonly (readonly [object, string])[] = [
      [message(2, { at: at + 1 }), 'entry.at'],
      [message(2, { text: 'x'.repeat(20_000) }), 'entry.text'],
      [
        { ...message(2), at: 9_999_999_999_999, entry: { ...message(2).entry, at: 9_999_999_999_999 } },
        'at: must be in the past',
      ],
      [{ ...message(2), clientId: 'c1' }, 'clientId'],
      [{ ...message(1), at: at + 1, entry: { ...message(1).entry, at: at + 1 } }, 'seq: 1 is another entry here'],
      [{ ...message(2), version: 2 }, 'version'],
      [message(2, { type: 'something' }), 'entry.type'],
    ]
    for (const [line, reason] of wrong) {
      const { refused, imported } = await put(beta, [line])
      expect([refused?.line, imported]).toEqual([1, 0])
      expect(refused?.reason).toContain(reason)
    }
    expect(await put(beta, [{ type: 'usage', version: 1 }, message(2)])).toMatchObject({
      lines: 2,
      imported: 1,
      skipped: 1,
    })
    expect((await call('POST /v1/import', { as: beta.key, raw: '\n' })).status).toBe(400)
    expect((await call('POST /v1/import', { as: await beta.token('ann'), raw: '{}' })).status).toBe(403)
  })
})
