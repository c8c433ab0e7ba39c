import { env } from 'cloudflare:workers'
import { runInDurableObject } from 'cloudflare:test'
import { expect, test } from 'vitest'
import { Settings } from '../../durable-objects/shared/settings.ts'
import { MemberTable } from '../../durable-objects/conversation/member-table.ts'
import { MessageLog } from '../../durable-objects/conversation/message-log.ts'
import { conversationSchema } from '../../durable-objects/conversation/schema.ts'
import { migrate } from '../../durable-objects/shared/migrate.ts'

const entry = (seq: number, clientId: string | null, data: object) =>
  ({ seq, at: seq * 1000, user: 'alice', client: '', clientId, data: JSON.stringify(data) }) as const

/** Runs in an actor of the test's own, which has a disk. */
const onDisk = async (work: (sql: SqlStorage) => void) =>
  await runInDurableObject(env.CONVERSATION.getByName(`acme/${crypto.randomUUID()}`), (_, { storage }) =>
    work(storage.sql),
  )

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
    const members = new MemberTable(sql, true)
    expect([members.get('alice'), members.get('bob')]).toMatchObject([
      { joined: 0, read: 3 },
      { joined: 1, read: 1 },
    ])
    const log = new MessageLog(sql, new Settings(sql, true), true)
    expect(log.uncounted()).toEqual([2])
    expect(log.newest()).toEqual({ seq: 3, user: 'alice', text: 'two' })
  })
})

test('the newest message is shown also when many entries followed it and only Postgres has it, until it is deleted', async () => {
  await onDisk((sql) => {
    migrate(sql, conversationSchema)
    const facts = new Settings(sql, true)
    const log = new MessageLog(sql, facts, true)
    log.append(entry(1, 'c1', { type: 'message', text: 'one' }))
    log.append(entry(2, 'c2', { type: 'message', text: 'two' }))
    for (let seq = 3; seq <= 20; seq++) log.append(entry(seq, null, { type: 'member.joined', member: `m${seq}` }))
    log.amend(2, 'edited', 1)
    log.prune(15)
    const again = new MessageLog(sql, new Settings(sql, true), true)
    for (const either of [log, again]) expect(either.newest()).toEqual({ seq: 2, user: 'alice', text: 'edited' })
    log.amend(2, null, 2)
    expect(log.newest()).toBeNull()
    expect(facts.get('newest')).toBe('')
    expect(log.uncounted()).toEqual([2, ...Array.from({ length: 18 }, (_, n) => n + 3)])
    log.append(entry(21, 'c3', { type: 'message', text: 'three' }))
    expect(log.newest()).toEqual({ seq: 21, user: 'alice', text: 'three' })
  })
})
