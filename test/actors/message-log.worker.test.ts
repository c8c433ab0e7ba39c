import { env } from 'cloudflare:workers'
import { runInDurableObject } from 'cloudflare:test'
import { expect, test } from 'vitest'
import { Settings } from '../../durable-objects/shared/settings.ts'
import { MemberTable } from '../../durable-objects/conversation/member-table.ts'
import { AmendmentTable } from '../../durable-objects/conversation/amendment-table.ts'
import { UploadTable } from '../../durable-objects/conversation/upload-table.ts'
import { MessageStateTables } from '../../durable-objects/conversation/message-state-tables.ts'
import { LogSummary } from '../../durable-objects/conversation/log-summary.ts'
import { MessageLog } from '../../durable-objects/conversation/message-log.ts'
import { messagesUpTo } from '../../durable-objects/conversation/message-numbers.ts'
import { conversationSchema } from '../../durable-objects/conversation/schema.ts'
import { InternalEvents } from '../../src/events/internal-events.ts'
import { migrate } from '../../durable-objects/shared/migrate.ts'

const entry = (seq: number, clientId: string | null, data: object) =>
  ({ seq, at: seq * 1000, user: 'alice', client: '', clientId, data: JSON.stringify(data) }) as const

/** Runs in an actor of the test's own, which has a disk. */
const onDisk = async (work: (sql: SqlStorage) => void) =>
  await runInDurableObject(env.CONVERSATION.getByName(`acme/${crypto.randomUUID()}`), (_, { storage }) =>
    work(storage.sql),
  )

const noStreaming = { isUsed: false, open: () => expect.unreachable('none grows') }

function logOf(sql: SqlStorage) {
  const settings = new Settings(sql, true)
  const log = new MessageLog(sql, settings, true)
  const summary = new LogSummary(sql, settings, log)
  const amendments = new AmendmentTable(
    sql,
    log,
    summary,
    new MessageStateTables(sql, noStreaming),
    new UploadTable(sql, true),
  )
  return { settings, log, summary, amendments }
}

test('a conversation stored before members had a place to join at knows where they joined', async () => {
  await onDisk((sql) => {
    migrate(sql, conversationSchema.slice(0, 1))
    const insert = 'INSERT INTO messages (seq, at, user, client, client_id, data) VALUES (?, ?, ?, ?, ?, ?)'
    sql.exec(insert, 1, 1000, 'alice', '', 'c1', '{"type":"message","text":"one"}')
    sql.exec(insert, 2, 2000, 'alice', '', null, '{"type":"member.joined","member":"bob"}')
    sql.exec(insert, 3, 3000, 'alice', '', 'c2', '{"type":"message","text":"two"}')
    const member = 'INSERT INTO members (user, role, joined_at, read) VALUES (?, ?, ?, ?)'
    sql.exec(member, 'alice', 'owner', 500, 3)
    sql.exec(member, 'bob', 'member', 2000, 1)
    migrate(sql, conversationSchema)
    const members = new MemberTable(sql, new Settings(sql, true), true, 1)
    expect([members.get('alice'), members.get('bob')]).toMatchObject([
      { joined: 0, read: 3 },
      { joined: 1, read: 1 },
    ])
    const { summary, log } = logOf(sql)
    expect(log.number()).toBe(2)
    expect(summary.newest()).toEqual({ seq: 3, user: 'alice', text: 'two' })
  })
})

test('the newest message is shown also when many entries followed it and only Postgres has it, until it is deleted', async () => {
  await onDisk((sql) => {
    migrate(sql, conversationSchema)
    const { log, summary, amendments, settings } = logOf(sql)
    log.append(entry(1, 'c1', { type: 'message', text: 'one' }))
    log.append(entry(2, 'c2', { type: 'message', text: 'two' }))
    for (let seq = 3; seq <= 20; seq++) log.append(entry(seq, null, { type: 'member.joined', member: `m${seq}` }))
    amendments.amend(2, 'edited', 1)
    summary.keepNewest(15)
    log.prune(15)
    const again = logOf(sql).summary
    for (const either of [summary, again]) expect(either.newest()).toEqual({ seq: 2, user: 'alice', text: 'edited' })
    amendments.amend(2, null, 2)
    expect(summary.newest()).toBeNull()
    expect(settings.get('newest')).toBe('')
    log.append(entry(21, 'c3', { type: 'message', text: 'three' }))
    expect(summary.newest()).toEqual({ seq: 21, user: 'alice', text: 'three' })
  })
})

test('the newest message is the same whether the summary was read before them or after', async () => {
  await onDisk((sql) => {
    migrate(sql, conversationSchema)
    const { log, summary, amendments } = logOf(sql)
    const same = () => {
      const fresh = logOf(sql).summary
      expect(summary.newest()).toEqual(fresh.newest())
    }
    same()
    log.append(entry(1, 'c1', { type: 'message', text: 'one' }))
    log.append(entry(2, 'c2', { type: 'message', text: 'two' }))
    log.append(entry(3, null, { type: 'message.deleted', ref: 2 }))
    amendments.amend(2, null, 1)
    same()
    log.append(entry(4, 'c4', { type: 'message', text: 'four' }))
    same()
    log.append(entry(5, null, { type: 'message.deleted', ref: 1 }))
    amendments.amend(1, null, 2)
    for (let seq = 6; seq <= 400; seq++) log.append(entry(seq, null, { type: 'member.joined', member: `m${seq}` }))
    same()
  })
})

test('entries know how many messages there are up to them, also those written by versions that did not count', async () => {
  await onDisk((sql) => {
    migrate(sql, conversationSchema.slice(0, 2))
    const insert = 'INSERT INTO messages (seq, at, user, client, client_id, data) VALUES (?, ?, ?, ?, ?, ?)'
    const old = (seq: number, clientId: string | null) => sql.exec(insert, seq, seq, 'alice', '', clientId, '{}')
    for (const seq of [1, 2, 4, 5]) old(seq, `c${seq}`)
    old(3, null)
    migrate(sql, conversationSchema)
    const { log } = logOf(sql)
    const numbers = (of = log) => Array.from({ length: of.top() + 1 }, (_, seq) => messagesUpTo(sql, seq))
    expect(numbers()).toEqual([0, 1, 2, 2, 3, 4])
    log.append(entry(6, 'c6', { type: 'message', text: 'six' }))
    log.append(entry(7, null, { type: 'member.joined', member: 'bob' }))
    expect([log.number(), ...numbers()]).toEqual([5, 0, 1, 2, 2, 3, 4, 5, 5])
    old(8, 'c8')
    old(9, null)
    const later = logOf(sql).log
    expect([later.number(), ...numbers(later)]).toEqual([6, 0, 1, 2, 2, 3, 4, 5, 5, 6, 6])
    later.append(entry(10, 'c10', { type: 'message', text: 'ten' }))
    expect([later.number(), messagesUpTo(sql, 8), messagesUpTo(sql, 3)]).toEqual([7, 6, 2])
    expect(later.restart()).toBe(10)
    later.append(entry(11, 'c11', { type: 'message', text: 'anew' }))
    expect([later.number(), messagesUpTo(sql, 10), logOf(sql).log.number()]).toEqual([1, 0, 1])
  })
})

test('a log reads entries that an older version stored in the version that is written, and marks those that it writes', async () => {
  const later = new InternalEvents({
    'conversation.entry': { version: 2, holds: '', upcasters: { 2: (one) => ({ ...one, region: 'eu' }) } },
  }).texts('conversation.entry')
  await onDisk((sql) => {
    migrate(sql, conversationSchema)
    new MessageLog(sql, new Settings(sql, true), true).append(entry(1, 'c1', { type: 'message', text: 'one' }))
    const log = new MessageLog(sql, new Settings(sql, true), true, later)
    log.append(entry(2, 'c2', { type: 'message', text: 'two', region: 'us' }))
    expect(
      sql
        .exec('SELECT data FROM messages ORDER BY seq')
        .toArray()
        .map(({ data }) => data),
    ).toEqual(['{"type":"message","text":"one"}', '{"v":2,"type":"message","text":"two","region":"us"}'])
    const read = new MessageLog(sql, new Settings(sql, true), true, later).range(0, 2, 10)
    expect(read.map(({ data }) => JSON.parse(data))).toEqual([
      { type: 'message', text: 'one', region: 'eu' },
      { type: 'message', text: 'two', region: 'us' },
    ])
  })
})
