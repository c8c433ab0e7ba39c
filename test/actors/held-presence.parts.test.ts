import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Subscribers } from '../../durable-objects/shared/subscribers.ts'
import type { Env } from '../../src/env.ts'
import type { StreamCommand, StreamResult, StreamVerb } from '../../src/protocol/stream.ts'
import { leaseMs, silenceMs, type PresenceReport } from '../../src/realtime/presence-table.ts'

// A stream knows its subscribers from the calls that pass through it, and asks gateways only for what an earlier instance knew.

let now = 0
let asked: string[] = []
const reports = new Map<string, PresenceReport>()

beforeEach(() => {
  now = 1_000_000
  asked = []
  reports.clear()
  vi.spyOn(Date, 'now').mockImplementation(() => now)
})
afterEach(() => void vi.restoreAllMocks())

/** Gateways that report what `reports` says; one without a report cannot be reached. */
const gateway = (name: string) => ({
  subscribed: () => {
    asked.push(name)
    const report = reports.get(name)
    return report === undefined ? Promise.reject(new Error('unreachable')) : Promise.resolve(report)
  },
  publish: () => Promise.resolve(true),
})

/** The subscribers of a stream; an earlier instance of it had subscribers at the gateways `earlier`. */
function subscribersOf(...earlier: string[]): Subscribers {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- nothing else of it is touched
  const env = { GATEWAY: { getByName: gateway } } as unknown as Env
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- only the listed gateways are read from it
  const sql = { exec: () => earlier.map((name) => ({ gateway: name })) } as unknown as SqlStorage
  return new Subscribers(env, sql, earlier.length > 0, { tenant: 'acme', channel: 'conversation:1' })
}

const subscribed: StreamResult = {
  kind: 'subscribed',
  epoch: 'e',
  offset: 0,
  top: 0,
  wasRecovering: false,
  recovered: false,
  publications: [],
  data: '',
}

/** A call of a gateway with `held` subscribed connections before it. */
function call(subscribers: Subscribers, name: string, held: number, ...commands: (StreamVerb & { client: string })[]) {
  const all: StreamCommand[] = commands.map((command) => ({ user: 'alice', ...command }))
  const results = all.map(({ kind }) => (kind === 'subscribe' ? subscribed : { kind: 'done' as const, data: '{}' }))
  subscribers.note({ gateway: name, have: held > 0 ? 7 : null, subscribed: held, commands: all }, results)
}

const joins = (client: string) => ({ kind: 'subscribe' as const, client, joinLeave: false })
const leaves = (client: string, last = false) => ({ kind: 'leave' as const, client, last })

const listed = async (subscribers: Subscribers) =>
  (await subscribers.presence.read('list')).clients.map(({ client }) => client).toSorted()

test('a stream answers presence from the subscribes and leaves that passed through it, without a call to any gateway', async () => {
  const subscribers = subscribersOf()
  call(subscribers, 'eu/0', 0, joins('desk'), joins('phone'))
  call(subscribers, 'eu/1', 0, { ...joins('tablet'), infos: { connInfo: '1' } })
  call(subscribers, 'eu/0', 1, leaves('desk'))
  for (let n = 0; n < 100; n++) expect(await listed(subscribers)).toEqual(['phone', 'tablet'])
  expect(await subscribers.presence.read('figures')).toMatchObject({ connections: 2, users: 1 })
  expect((await subscribers.presence.read('list')).clients[1]).toEqual({
    user: 'alice',
    client: 'tablet',
    connInfo: '1',
    since: now,
  })
  call(subscribers, 'eu/1', 0, leaves('tablet', true))
  expect(await listed(subscribers)).toEqual(['phone'])
  expect(asked).toEqual([])
})

test('after a restart each gateway is asked once, however many ask the stream at the same time', async () => {
  const subscribers = subscribersOf('eu/0', 'eu/1')
  reports.set('eu/0', { clients: [{ user: 'alice', client: 'desk', since: 1 }], pending: [] })
  reports.set('eu/1', { clients: [{ user: 'bob', client: 'phone', since: 2 }], pending: [] })
  const answers = await Promise.all([listed(subscribers), listed(subscribers), listed(subscribers)])
  expect(answers).toEqual(Array.from({ length: 3 }, () => ['desk', 'phone']))
  call(subscribers, 'eu/1', 1, joins('tablet'))
  for (let n = 0; n < 100; n++) expect(await listed(subscribers)).toEqual(['desk', 'phone', 'tablet'])
  expect(asked).toEqual(['eu/0', 'eu/1'])
})

test('a gateway that names another number of connections than the stream knows is asked again', async () => {
  const subscribers = subscribersOf()
  call(subscribers, 'eu/0', 0, joins('desk'), joins('phone'))
  reports.set('eu/0', { clients: [{ user: 'alice', client: 'phone', since: 1 }], pending: [] })
  call(subscribers, 'eu/0', 1)
  expect(await listed(subscribers)).toEqual(['phone'])
  expect(await listed(subscribers)).toEqual(['phone'])
  expect(asked).toEqual(['eu/0'])
})

test('a gateway that restarted without connections and has a first subscriber again is not asked for those of before', async () => {
  const subscribers = subscribersOf()
  call(subscribers, 'eu/0', 0, joins('desk'), joins('phone'))
  call(subscribers, 'eu/0', 0, joins('tablet'))
  expect(await listed(subscribers)).toEqual(['tablet'])
  expect(asked).toEqual([])
})

test('the connections of a gateway that died are present for the length of a lease at most', async () => {
  const subscribers = subscribersOf()
  call(subscribers, 'eu/0', 0, joins('desk'))
  call(subscribers, 'eu/1', 0, joins('phone'))
  now += leaseMs - 1
  call(subscribers, 'eu/1', 1)
  expect(await listed(subscribers)).toEqual(['desk', 'phone'])
  now++
  expect(await listed(subscribers)).toEqual(['phone'])
  // It is not waited for at each question, and a publication that reaches it does not say which connections it has.
  subscribers.publish({ epoch: 'e', after: 7, publications: [{ offset: 8, data: '{}' }], events: [] }, 'eu/1')
  await Promise.resolve()
  now += silenceMs - 1
  expect(await listed(subscribers)).toEqual(['phone'])
  expect(asked).toEqual(['eu/0'])
  now++
  reports.set('eu/0', { clients: [{ user: 'alice', client: 'desk', since: 1 }], pending: [] })
  expect(await listed(subscribers)).toEqual(['desk', 'phone'])
  expect(asked).toEqual(['eu/0', 'eu/0'])
})

test('changed public infos of a connection are shown, and the connection keeps the time when it subscribed', async () => {
  const subscribers = subscribersOf()
  call(subscribers, 'eu/0', 0, joins('desk'))
  now += 5
  call(subscribers, 'eu/0', 1, { kind: 'infos', client: 'desk', infos: { chanInfo: '2' } })
  const { clients } = await subscribers.presence.read('list')
  expect(clients).toEqual([{ user: 'alice', client: 'desk', chanInfo: '2', since: now - 5 }])
  call(subscribers, 'eu/0', 1, { kind: 'infos', client: 'desk', infos: {}, hidden: true })
  expect(await subscribers.presence.read('figures')).toMatchObject({ connections: 0, users: 0 })
  expect(asked).toEqual([])
})
