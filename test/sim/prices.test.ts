import { expect, test } from 'vitest'
import { chatNotifications } from '../../src/protocol/chat-notifications-api.ts'
import { Device } from './device.ts'
import { Rows, shardWriter, tenant, tokenMaker } from './neighbours.ts'
import { Setting } from './setting.ts'
import type { ActorClass } from './worker-code.ts'

const conversation = 'lunch'
const channel = `conversation:${conversation}`

/** A conversation of `size` members, all connected, of whom `writers` write in turn. */
interface Room {
  readonly size: number
  readonly writers: number
  /** Milliseconds between two messages, and how many there are. */
  readonly paceMs: number
  readonly messages: number
  /** Whether the tenant has a webhook, so that what happens is published. */
  readonly isPublished?: boolean
  /** What is done instead of sending the nth message. */
  readonly ask?: (n: number) => { readonly method: string; readonly data: object }

  /** Whether its conversations notify; `mentions` is how many members the first of ten messages mentions. */
  readonly chat?: { readonly mentions: number }
  /** Members that are connected; all without it. The writers always are. */
  readonly connected?: number
}

interface Counts {
  readonly calls: Readonly<Record<string, number>>
  readonly writes: Readonly<Record<string, number>>
}

/** Calls of actors and what they write for each message. A write is a row, an alarm or a value; index entries are not counted. */
async function countMessages(room: Room): Promise<Counts> {
  const { size, writers, paceMs, messages, isPublished = false, ask = sending, chat, connected = size } = room
  const mentioned = chat?.mentions ?? 0
  const neighbours = (world: Setting['world']) => ({
    ShardWriter: shardWriter(world, new Rows(), {
      ...(isPublished ? { publishedSince: 1 } : {}),
      ...(chat === undefined ? {} : { chatRules }),
    }),
    EventLog: eventLog,
    Recipients: recipients,
  })
  const setting = await Setting.of(1, { faults: 0, weather: {} }, neighbours, { LINKS: 'off' })
  const { world } = setting
  try {
    const token = tokenMaker(tenant, await setting.admit(tenant))
    const members = Array.from({ length: size }, (_, n) => `member-${n}`)
    const wanted = { tenant, id: conversation, type: 'channel', name: conversation, members, createdBy: members[0] }
    await setting.call('Conversation', `${tenant}/${conversation}`, 'create', wanted)
    const told = { joined: () => undefined, heard: () => undefined }
    const devices = members
      .slice(0, Math.max(writers, connected))
      .map((user) => new Device({ world, user, gateway: 'eu/0', channels: [channel], token, told }))
    for (const device of devices) device.come()
    await setting.until('all are subscribed', () => devices.every(({ isListening }) => isListening))
    for (let n = 0; n < 4; n++) await setting.pass(30_000)
    const before = writesOf(world)
    world.trace = []
    for (let n = 0; n < messages; n++) {
      const users = n % 10 === 0 ? members.slice(members.length - mentioned) : []
      const mentions = users.length === 0 ? {} : { mentions: { users } }
      const { method, data } = ask(n)
      devices[n % writers]?.ask({ rpc: { method, data: { conversation, ...data, ...mentions } } }, () => undefined)
      await setting.pass(paceMs)
    }
    for (let n = 0; n < 2; n++) await setting.pass(30_000)
    const calls: Record<string, number> = {}
    for (const line of world.trace) {
      const [, kind, method] = / (\S+) \S* < (\S+) /.exec(line) ?? []
      if (kind !== undefined && !others.has(`${kind}.${method}`))
        calls[`${kind}.${method}`] = (calls[`${kind}.${method}`] ?? 0) + 1 / messages
    }
    const writes = Object.fromEntries(
      Object.entries(writesOf(world))
        // The tenant goes on telling a Postgres that is not there; the heartbeat of a gateway is not caused by messages.
        .filter(([kind]) => kind !== 'Gateway' && kind !== 'Tenant')
        .map(([kind, count]) => [kind, (count - (before[kind] ?? 0)) / messages]),
    )
    return { calls, writes }
  } finally {
    setting.close()
  }
}

/** What conversations of a tenant notify of, from the beginning. */
const chatRules = JSON.stringify({ ...chatNotifications.parse({ enabled: true, unreadAfterMinutes: 1 }), since: 1 })

/** Actors of recipients that take everything. */
const recipients: ActorClass = class {
  chatNotices = () => ({ kind: 'taken' })
}

const sending = (n: number) => ({ method: 'message.send', data: { clientId: `message-${n}`, text: 'Hungry?' } })

/** A log of events that takes everything. */
const eventLog: ActorClass = class {
  append = (events: readonly object[]) => ({
    kind: 'appended',
    events: events.map(() => ({ offset: 1, duplicate: false })),
  })
}

function writesOf({ hosts }: Setting['world']): Record<string, number> {
  const writes: Record<string, number> = {}
  for (const { kind, disk } of hosts.values()) writes[kind] = (writes[kind] ?? 0) + disk.written.length
  return writes
}

const sum = (counts: Readonly<Record<string, number>>) => Object.values(counts).reduce((a, b) => a + b, 0)

/**
 * Calls that no message causes: gateways ask inboxes for their position twice an hour, and the tenant goes on telling a
 * Postgres that is not there.
 */
const others = new Set(['Inbox.execute', 'Platform.noteTenant', 'Platform.shards'])

/**
 * Kept for ten seconds, so that at one message in ten seconds it is chance how many of these calls there are: at most one each for
 * a message.
 */
const settings = ['Platform.settings', 'Tenant.admission']
const withoutSettings = (calls: Counts['calls']) =>
  Object.fromEntries(Object.entries(calls).filter(([call]) => !settings.includes(call)))

/** What a message may cost at most. Lower these numbers with the code; raise none without a reason in docs/benchmarks.md. */
const most = [
  { size: 2, writers: 2, paceMs: 10_000, messages: 18, calls: 4.5, writes: 3.5 },
  { size: 100, writers: 2, paceMs: 10_000, messages: 18, calls: 4.5, writes: 3.5 },
  { size: 1000, writers: 2, paceMs: 10_000, messages: 18, calls: 4.5, writes: 3.5 },
  { size: 2, writers: 2, paceMs: 1000, messages: 90, calls: 4.3, writes: 2.2 },
  { size: 100, writers: 10, paceMs: 1000, messages: 90, calls: 4.3, writes: 2.4 },
]

test.each(most)(
  'a message in a conversation of $size costs at most $calls calls beside those for settings, and $writes writes at one in $paceMs ms',
  async ({ calls: maxCalls, writes: maxWrites, ...room }) => {
    const { calls, writes } = await countMessages(room)
    expect(sum(withoutSettings(calls)), JSON.stringify(calls)).toBeLessThanOrEqual(maxCalls)
    for (const call of settings) expect(calls[call]).toBeLessThanOrEqual(1)
    expect(sum(writes), JSON.stringify(writes)).toBeLessThanOrEqual(maxWrites)
    // Five messages and more share one batch, one alarm and one watermark.
    expect(calls['ShardWriter.write']).toBeLessThanOrEqual(0.2)
  },
)

/** What a message costs more for a tenant with webhooks; `appends` are calls of the log of events. */
const published = [
  { size: 100, writers: 2, paceMs: 10_000, messages: 18, appends: 1.1, writes: 3 },
  { size: 100, writers: 10, paceMs: 1000, messages: 90, appends: 0.6, writes: 1.6 },
  { size: 100, writers: 10, paceMs: 100, messages: 200, appends: 0.1, writes: 0.4 },
]

test.each(published)(
  'for a tenant with webhooks a message at one in $paceMs ms costs at most $appends calls of the log of events and $writes writes more, and none for others',
  async ({ appends, writes: maxWrites, ...room }) => {
    const without = await countMessages(room)
    const withWebhook = await countMessages({ ...room, isPublished: true })
    const counts = JSON.stringify({ without, withWebhook })
    expect(without.calls['EventLog.append'] ?? 0).toBe(0)
    expect(withWebhook.calls['EventLog.append'], counts).toBeLessThanOrEqual(appends)
    expect(withWebhook.calls['EventLog.append'], counts).toBeGreaterThan(0)
    expect(sum(withWebhook.writes) - sum(without.writes), counts).toBeLessThanOrEqual(maxWrites)
  },
)

/** What costs at most half as much again as a message. The first command of each sends the message that the others are about. */
const changes = [
  // Two users in turn, so that none of the reactions repeats one.
  {
    what: 'a reaction',
    writers: 2,
    ask: (n: number) => ({ method: 'message.react', data: { seq: 1, reaction: `r${n >> 1}` } }),
  },
  {
    what: 'an edit',
    writers: 1,
    ask: (n: number) => ({ method: 'message.edit', data: { seq: 1, text: `text ${n}` } }),
  },
  // It has an index entry more than a message, and each of the two writers begins to follow the thread once.
  {
    what: 'a reply in a thread',
    writers: 2,
    entries: 2,
    ask: (n: number) => ({ method: 'message.send', data: { clientId: `reply-${n}`, text: 'Hungry?', thread: 1 } }),
  },
  { what: 'a pin', writers: 1, ask: (n: number) => ({ method: 'message.pin', data: { seq: 1, until: 4e12 + n } }) },
]

test.each(changes)(
  '$what costs at most 1.5 times the calls and writes of a message',
  async ({ writers, ask, entries = 0 }) => {
    const room = { size: 10, writers, paceMs: 1000, messages: 36 }
    const message = await countMessages(room)
    const change = await countMessages({ ...room, ask: (n) => (n === 0 ? sending(n) : ask(n)) })
    // An index entry is a row, too, and of a message there is one.
    const rows = ({ writes }: Counts, entries: number) => sum(writes) + entries
    const counts = JSON.stringify({ message, change })
    expect(rows(change, entries), counts).toBeLessThanOrEqual(1.5 * rows(message, 1))
    expect(sum(change.calls), counts).toBeLessThanOrEqual(1.5 * sum(message.calls))
    expect(rows(change, 0), counts).toBeGreaterThan(1)
  },
)

test('a token of a streaming message at 50 in a second in a conversation of 100 costs at most 0.2 writes and one roll-up of two tokens', async () => {
  const clientId = 'answer'
  const token = 'word '
  const append = (n: number) => ({ clientId, offset: token.length * (n - 1), text: token })
  const ask = (n: number) =>
    n === 0 ? { method: 'message.begin', data: { clientId } } : { method: 'message.append', data: append(n) }
  const room = { size: 100, writers: 1, paceMs: 20, messages: 500, ask }
  const { calls, writes } = await countMessages(room)
  const counts = JSON.stringify({ calls, writes })
  expect(sum(writes), counts).toBeLessThanOrEqual(0.2)
  // Stored four times a second: fewer writes would show that the text was refused.
  expect(sum(writes), counts).toBeGreaterThan(0.06)
  expect(calls['Gateway.publish'], counts).toBeLessThanOrEqual(0.55)
  expect(calls['Conversation.execute'], counts).toBeLessThanOrEqual(1.1)
})

/**
 * What a message costs more for a tenant whose conversations notify, beside the notifications themselves; `calls` are those of actors of
 * recipients. All but the writers are away. In two of the rooms every tenth message mentions 2 members.
 */
const notified = [
  { size: 2, writers: 2, connected: 2, paceMs: 10_000, messages: 18, mentions: 0, calls: 0, writes: 0.9 },
  { size: 2, writers: 2, connected: 2, paceMs: 1000, messages: 90, mentions: 0, calls: 0, writes: 0.2 },
  { size: 2, writers: 1, connected: 1, paceMs: 10_000, messages: 18, mentions: 0, calls: 0.2, writes: 0.3 },
  { size: 2, writers: 1, connected: 1, paceMs: 1000, messages: 90, mentions: 0, calls: 0.1, writes: 0.2 },
  { size: 100, writers: 2, connected: 2, paceMs: 1000, messages: 90, mentions: 0, calls: 0, writes: 0.1 },
  { size: 100, writers: 2, connected: 2, paceMs: 1000, messages: 90, mentions: 2, calls: 0.1, writes: 0.4 },
  { size: 1000, writers: 2, connected: 2, paceMs: 1000, messages: 90, mentions: 2, calls: 0.1, writes: 0.4 },
]

test.each(notified)(
  'for a tenant whose conversations notify, a message in one of $size at one in $paceMs ms costs at most $calls calls of recipients and $writes writes more, and none for others',
  async ({ calls, writes: maxWrites, mentions, ...room }) => {
    const without = await countMessages(room)
    const withNotices = await countMessages({ ...room, chat: { mentions } })
    const counts = JSON.stringify({ without, withNotices })
    expect(without.calls['Recipients.chatNotices'] ?? 0).toBe(0)
    expect(withNotices.calls['Recipients.chatNotices'] ?? 0, counts).toBeLessThanOrEqual(calls)
    expect(calls === 0 || (withNotices.calls['Recipients.chatNotices'] ?? 0) > 0, counts).toBe(true)
    expect(sum(withNotices.writes) - sum(without.writes), counts).toBeLessThanOrEqual(maxWrites)
  },
)
