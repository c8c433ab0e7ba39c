import { Cron } from 'croner'
import { z } from 'zod'
import { inGroups } from '../load/conversation.ts'
import { messageText } from '../load/tally.ts'
import { pause } from '../processes.ts'
import { postTo } from '../targets/parley-wire.ts'
import type { Reach } from '../targets/target.ts'
import { hash32 } from '../../src/kernel/id.ts'
import { Client } from './client.ts'
import type { MeteredSystem } from './metered.ts'
import { costOf, shares, type Cost } from './price.ts'

/** What a scenario measured: its name, and what one of its units cost. */
export interface Measured {
  readonly name: string
  readonly cost: Cost
  /** How many of the units a month has, where the price is given for a month. */
  readonly perMonth?: number
  /** The time until it reached a client, which 95 of 100 deliveries did not exceed, in milliseconds. */
  readonly p95Ms?: number
}

/** How long and how closely is measured. */
export interface Thoroughness {
  readonly seconds: number
  /** Until the tasks that a message made pending have run: large conversations gather for ten seconds, and longer while they go on. */
  readonly settleMs: number
  readonly details: boolean
}

/** How members write. */
const paces = [
  { name: 'one in ten seconds', perSecond: 0.1, times: 4 },
  { name: 'one a second', perSecond: 1, times: 1 },
  { name: 'twenty a second', perSecond: 20, times: 1 },
] as const

/** A conversation: its members, of which some are connected, at gateways that `place` chooses. */
export interface ConversationPlan {
  readonly name: string
  readonly members: number
  readonly connected: number
  /** Whether a user may be among the connected ones. */
  readonly mayConnect?: (user: string) => boolean
}

const createdConversation = z.object({ id: z.string() })
const tenant = 'demo'

/** The number of the gateway at which a user connects, of so many. */
export const gatewayOf = (user: string, gateways: number): number => hash32(`${tenant}/${user}`) % gateways

/** Messages in one conversation, at every pace. */
export async function measureConversation(
  system: MeteredSystem,
  plan: ConversationPlan,
  how: Thoroughness,
): Promise<Measured[]> {
  const { clients, conversation } = await fillConversation(system.reach, plan)
  await pause(how.settleMs)
  const measured: Measured[] = []
  for (const { name, perSecond, times } of paces) {
    const before = await system.bill()
    const messages = await talk(clients, conversation, perSecond, Math.max(how.seconds * times, 2 / perSecond))
    await pause(how.settleMs)
    const after = await system.bill()
    measured.push({ name: `${plan.name}, ${name}`, cost: costOf(before, after, messages) })
    if (how.details) show(`${plan.name}, ${name}`, shares(before, after, messages))
    console.error(`${plan.name}, ${name}: done`)
  }
  for (const client of clients) client.close()
  await pause(2000)
  return measured
}

/** Prints where something went. */
export function show(name: string, lines: readonly (readonly [string, number])[]): void {
  console.log(`\n${name}`)
  for (const [what, each] of lines) console.log(`  ${each.toFixed(3).padStart(10)}  ${what}`)
}

async function fillConversation(
  reach: Reach,
  { members, connected, mayConnect = () => true }: ConversationPlan,
): Promise<{ clients: Client[]; conversation: string }> {
  const run = crypto.randomUUID().slice(0, 8)
  const candidates = Array.from({ length: 50 * Math.min(members, 200) + members }, (_, n) => `member-${run}-${n}`)
  const chosen = candidates.filter(mayConnect).slice(0, connected)
  const others = candidates.filter((user) => !chosen.includes(user)).slice(0, members - chosen.length)
  const body = { type: 'channel', name: 'bench', members: [...chosen, ...others] }
  const { id } = await postTo(reach, '/v1/conversations', body, createdConversation)
  const clients: Client[] = []
  await inGroups(chosen, 25, async (user) => {
    const client = await Client.connect(reach, await Client.token(reach, user))
    await client.subscribe(id)
    clients.push(client)
  })
  return { clients, conversation: id }
}

/** Up to ten of the connected members write in turn. */
async function talk(
  clients: readonly Client[],
  conversation: string,
  perSecond: number,
  forSeconds: number,
): Promise<number> {
  const messages = Math.round(perSecond * forSeconds)
  const sent: Promise<unknown>[] = []
  for (let n = 0; n < messages; n++) {
    const client = clients[n % Math.min(10, clients.length)]
    const data = { conversation, clientId: crypto.randomUUID(), text: messageText(n) }
    if (client !== undefined) sent.push(client.rpc('message.send', data))
    await pause(1000 / perSecond)
  }
  await Promise.all(sent)
  return messages
}

/** Ten users connect and read their whole list, which has `conversations` entries; and what reading costs. */
export async function measureConnecting(
  system: MeteredSystem,
  conversations: number,
  how: Thoroughness,
): Promise<Measured[]> {
  const { reach } = system
  const run = crypto.randomUUID().slice(0, 8)
  const users = Array.from({ length: 10 }, (_, n) => `reader-${run}-${n}`)
  const ids: string[] = []
  await inGroups([...Array(conversations).keys()], 8, async (n) => {
    const body = { type: 'group', name: `bench ${n}`, members: users }
    ids.push((await postTo(reach, '/v1/conversations', body, createdConversation)).id)
  })
  for (const id of ids.slice(0, 20)) {
    const body = { user: users[0], clientId: crypto.randomUUID(), text: messageText(1) }
    await postTo(reach, `/v1/conversations/${id}/messages`, body, z.object({ seq: z.number() }))
  }
  await pause(how.settleMs + conversations * 10)

  const tokens = await Promise.all(users.map((user) => Client.token(reach, user)))
  const before = await system.bill()
  const clients: Client[] = []
  for (const token of tokens) {
    const client = await Client.connect(reach, token)
    const listed = await client.list()
    if (listed !== conversations) throw new Error(`a list of ${listed} conversations instead of ${conversations}`)
    clients.push(client)
  }
  await pause(2000)
  const connected = await system.bill()
  const name = `connecting and reading a list of ${conversations}`
  const found: Measured[] = [{ name, cost: costOf(before, connected, users.length) }]
  if (how.details) show(name, shares(before, connected, users.length))

  const read = ids.slice(0, 10)
  const readers = clients.slice(1)
  for (const conversation of read)
    for (const client of readers) await client.rpc('conversation.read', { conversation, seq: 1 })
  await pause(how.settleMs)
  const after = await system.bill()
  const reads = read.length * readers.length
  const reading = `marking a message as read, with a list of ${conversations}`
  found.push({ name: reading, cost: costOf(connected, after, reads) })
  if (how.details) show(reading, shares(connected, after, reads))
  for (const client of clients) client.close()
  await pause(2000)
  return found
}

const monthSeconds = 30 * 86_400

/** How often a cron expression rings in thirty days. */
function ringsInAMonth(cron: string): number {
  const begin = new Date('2026-11-01T00:00:00Z')
  const end = new Date(begin.getTime() + monthSeconds * 1000)
  const rings = new Cron(cron, { timezone: 'UTC' }).nextRuns(10_000, begin)
  return rings.filter((at) => at < end).length
}

/** What the schedule costs in a month: of itself, and for each tenant that does nothing. */
export async function measureIdleTenants(system: MeteredSystem, how: Thoroughness): Promise<Measured[]> {
  const tenants = 40
  const crons = await system.crons()
  const run = async () => {
    await pause(35_000)
    const found = new Map<string, Cost>()
    for (const cron of crons) {
      const before = await system.bill()
      await system.ring(cron)
      await pause(how.settleMs / 10)
      const after = await system.bill()
      found.set(cron, costOf(before, after, 1))
      if (how.details) show(`the tasks of ${cron}`, shares(before, after, 1))
    }
    return found
  }
  await run()
  const without = await run()
  for (let n = 0; n < tenants; n++) await system.createTenant(`idle-${n}`)
  await pause(how.settleMs)
  // What a new tenant makes due is done by its first runs.
  await run()
  const withThem = await run()
  const monthly = (costs: ReadonlyMap<string, Cost>) =>
    sumOf(crons.map((cron) => [costs.get(cron), ringsInAMonth(cron)]))
  const [few, many] = [monthly(without), monthly(withThem)]
  const name = 'an idle tenant'
  return [
    { name: 'the schedule, without tenants that do anything', cost: few, perMonth: 1 },
    { name, cost: scaled(many, few, 1 / tenants), perMonth: 1 },
  ]
}

/** What a gateway costs in a month whose users are connected and do nothing, and each of them. */
export async function measureIdleUsers(system: MeteredSystem, how: Thoroughness): Promise<Measured[]> {
  const seconds = how.seconds * 4
  const run = crypto.randomUUID().slice(0, 8)
  const connect = async (first: number, count: number) => {
    const clients: Client[] = []
    await inGroups([...Array(count).keys()], 10, async (n) => {
      clients.push(await Client.connect(system.reach, await Client.token(system.reach, `idle-${run}-${first + n}`)))
    })
    return clients
  }
  const watch = async () => {
    // Longer than the deadline of any call that was under way before.
    await pause(Math.max(how.settleMs, 35_000))
    const before = await system.bill()
    await pause(seconds * 1000)
    const after = await system.bill()
    if (how.details) show('idle connections', shares(before, after, 1))
    return costOf(before, after, 1)
  }
  const few = 10
  const many = 400
  const clients = await connect(0, few)
  const ofFew = await watch()
  clients.push(...(await connect(few, many - few)))
  const ofMany = await watch()
  for (const client of clients) client.close()
  const perMonth = monthSeconds / seconds
  const perUser = scaled(ofMany, ofFew, 1 / (many - few))
  return [
    { name: 'a gateway with idle connections', cost: scaled(ofFew, perUser, 1, few), perMonth },
    { name: 'an idle connected user', cost: perUser, perMonth },
  ]
}

/** `a` minus `times` times `b`, times `factor`. */
export function scaled(a: Cost, b: Cost, factor: number, times = 1): Cost {
  return combine((read) => (read(a) - times * read(b)) * factor, [a, b])
}

function sumOf(costs: readonly (readonly [Cost | undefined, number])[]): Cost {
  const known = costs.flatMap(([cost, times]) => (cost === undefined ? [] : [[cost, times] as const]))
  return combine(
    (read) => known.reduce((sum, [cost, times]) => sum + times * read(cost), 0),
    known.map(([cost]) => cost),
  )
}

function combine(number: (read: (cost: Cost) => number) => number, all: readonly Cost[]): Cost {
  const services = [...new Set(all.flatMap((cost) => Object.keys(cost.services)))]
  return {
    calls: number(({ calls }) => calls),
    socketMessages: number(({ socketMessages }) => socketMessages),
    rowsWritten: number(({ rowsWritten }) => rowsWritten),
    rowsRead: number(({ rowsRead }) => rowsRead),
    awakeSeconds: number(({ awakeSeconds }) => awakeSeconds),
    bytesStored: number(({ bytesStored }) => bytesStored),
    services: Object.fromEntries(services.map((name) => [name, number((cost) => cost.services[name] ?? 0)])),
    dollarsPerMillion: number(({ dollarsPerMillion }) => dollarsPerMillion),
    dollarsHeartbeat: number(({ dollarsHeartbeat }) => dollarsHeartbeat),
    dollarsAwake: number(({ dollarsAwake }) => dollarsAwake),
    dollarsKept: number(({ dollarsKept }) => dollarsKept),
  }
}
