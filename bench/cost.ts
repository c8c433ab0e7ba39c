/** `npm run bench:cost`: what Parley costs at Cloudflare's list prices, counted on the real Worker. */
import { z } from 'zod'
import { commandLine, flagsOf, someOf } from './command-line.ts'
import { measureEvents, measureSagas } from './cost/event-scenarios.ts'
import { measureNotifications, measureWebhooksAndProcesses } from './cost/notification-scenarios.ts'
import { measureStreaming } from './cost/streaming-scenarios.ts'
import { withMeteredSystem, type MeteredSystem } from './cost/metered.ts'
import { prices } from './cost/price.ts'
import {
  gatewayOf,
  measureConnecting,
  measureIdleTenants,
  measureIdleUsers,
  measureConversation,
  type Measured,
  type Thoroughness,
} from './cost/scenarios.ts'
import { withFolder } from './media.ts'
import { linesOf, type Comparison, type Found, type Shown } from './report/comparison.ts'
import { busyCores, thisMachine } from './report/machine.ts'
import { save } from './report/save.ts'
import { summary } from './report/summary.ts'

const numbers = (max: number) => z.array(z.int().min(2).max(max))

const options = commandLine(
  flagsOf(
    z.object({
      parts: someOf([
        'conversations',
        'away',
        'gateways',
        'connecting',
        'idle',
        'events',
        'sagas',
        'notifications',
        'webhooks',
        'streaming',
      ]),
      conversations: z
        .string()
        .default('2,10,100,1000,10000')
        .transform((sizes) => sizes.split(',').map(Number))
        .pipe(numbers(10_000)),
      lists: z
        .string()
        .default('50,2000')
        .transform((sizes) => sizes.split(',').map(Number))
        .pipe(numbers(5000)),
      seconds: z.coerce.number().min(1).max(600).default(30),
      /** Longer than messages gather for Postgres, so that what they cost falls into their own measurement. */
      settle: z.coerce.number().min(1).max(120).default(65),
      /** A look in a quarter of an hour: fewer conversations, less time. Good for what a lone message costs, not for the last digit. */
      quick: z.boolean().default(false),
      details: z.boolean().default(false),
      out: z.string().optional(),
    }),
  ),
)

const how: Thoroughness = {
  seconds: options.quick ? 10 : options.seconds,
  settleMs: options.settle * 1000,
  details: options.details,
}
const conversations = options.quick ? options.conversations.filter((size) => size <= 100) : options.conversations
const lists = options.quick ? options.lists.filter((size) => size <= 100) : options.lists

/** More than these connections at once say nothing more: deliveries are free. */
const maxConnected = 1000

async function measureConversations(system: MeteredSystem): Promise<Measured[]> {
  const measured: Measured[] = []
  for (const members of conversations) {
    const connected = Math.min(members, maxConnected)
    const name =
      connected === members ? `a conversation of ${members}` : `a conversation of ${members}, ${connected} connected`
    measured.push(...(await measureConversation(system, { name, members, connected }, how)))
  }
  return measured
}

/** Conversations whose members are away, but for the two that write. */
async function measureAway(system: MeteredSystem): Promise<Measured[]> {
  const measured: Measured[] = []
  for (const members of conversations.filter((size) => size >= 100))
    measured.push(
      ...(await measureConversation(
        system,
        { name: `a conversation of ${members}, 2 connected`, members, connected: 2 },
        how,
      )),
    )
  return measured
}

const gateways = 8

/** A conversation of a hundred whose members are at one of eight gateways, or at all of them. */
async function measureGateways(system: MeteredSystem): Promise<Measured[]> {
  const plan = { members: 100, connected: 100 }
  const atOne = (user: string) => gatewayOf(user, gateways) === 0
  return [
    ...(await measureConversation(
      system,
      { ...plan, name: `a conversation of 100 at 1 of ${gateways} gateways`, mayConnect: atOne },
      how,
    )),
    ...(await measureConversation(system, { ...plan, name: `a conversation of 100 at ${gateways} gateways` }, how)),
  ]
}

async function measureAll(folder: string): Promise<Measured[]> {
  const measured: Measured[] = []
  const has = (part: (typeof options.parts)[number]) => options.parts.includes(part)
  await withMeteredSystem(folder, 1, async (system) => {
    if (has('idle')) measured.push(...(await measureIdleTenants(system, how)), ...(await measureIdleUsers(system, how)))
    if (has('connecting')) for (const list of lists) measured.push(...(await measureConnecting(system, list, how)))
    if (has('events')) measured.push(...(await measureEvents(system, how)))
    if (has('sagas')) measured.push(...(await measureSagas(system, how)))
    if (has('notifications')) measured.push(...(await measureNotifications(system, how)))
    if (has('webhooks')) measured.push(...(await measureWebhooksAndProcesses(system, how)))
    if (has('streaming')) measured.push(...(await measureStreaming(system, how)))
    if (has('conversations')) measured.push(...(await measureConversations(system)))
    if (has('away')) measured.push(...(await measureAway(system)))
  })
  if (has('gateways'))
    await withMeteredSystem(folder, gateways, async (system) => {
      measured.push(...(await measureGateways(system)))
    })
  return measured
}

const lower = (digits: number): Shown => ({ better: 'lower', digits })

function figuresOf({ name, cost, perMonth, p95Ms }: Measured): [string, Shown, number][] {
  const asked = Object.values(cost.services).reduce((sum, count) => sum + count, 0)
  if (perMonth !== undefined)
    return [
      [`${name}: $ a month`, lower(5), (cost.dollarsPerMillion * perMonth) / 1e6],
      [`${name}: $ a month for duration`, lower(5), (cost.dollarsAwake * perMonth) / 1e6],
      [`${name}: calls a month`, lower(0), cost.calls * perMonth],
      [`${name}: requests to Postgres, Redis and QStash a month`, lower(0), asked * perMonth],
    ]
  const reached: [string, Shown, number][] =
    p95Ms === undefined ? [] : [[`${name}: p95 until a client has it, ms`, lower(0), p95Ms]]
  return [
    ...reached,
    [`${name}: $ per million`, lower(2), cost.dollarsPerMillion],
    [`${name}: $ per million without heartbeats`, lower(2), cost.dollarsPerMillion - cost.dollarsHeartbeat],
    [`${name}: $ per million for duration`, lower(2), cost.dollarsAwake],
    [`${name}: calls each`, lower(1), cost.calls],
    [`${name}: rows written each`, lower(1), cost.rowsWritten],
    [`${name}: rows read each`, lower(1), cost.rowsRead],
    [`${name}: seconds awake each`, lower(2), cost.awakeSeconds],
    [`${name}: requests to Postgres each`, lower(2), cost.services['Postgres'] ?? 0],
    [`${name}: requests to Redis and QStash each`, lower(2), asked - (cost.services['Postgres'] ?? 0)],
    [`${name}: $ a month to keep a million`, lower(2), cost.dollarsKept],
  ]
}

function reportOf(measured: readonly Measured[], othersCores: number): Comparison {
  const figures = measured.flatMap(figuresOf)
  const shown = Object.fromEntries(figures.map(([name, how]) => [name, how]))
  const found: Found = Object.fromEntries(figures.map(([name, , value]) => [name, value]))
  return {
    suite: 'cost',
    date: new Date().toISOString(),
    machine: thisMachine(),
    conditions: `counted while members write, events are published and sagas started for ${how.seconds} s, four times as long at the slowest pace`,
    othersCores,
    sides: { Parley: 'hibernating and without links between actors, as on Cloudflare' },
    lines: linesOf(shown, new Map([['Parley', [found]]])),
    notes: [
      `priced at Cloudflare's list: $${prices.perMillionRequests} a million requests (${prices.messagesPerRequest} incoming socket messages are one), ` +
        `$${prices.perMillionRowsWritten} a million rows written, $${prices.perMillionRowsRead} a million rows read, ` +
        `$${prices.perMillionWorkerRequests} a million requests to the Worker, $${prices.perGigabyteMonth} a GB and month`,
      `duration: $${prices.perMillionGigabyteSeconds} a million GB-seconds, ${prices.gigabytes} GB for each actor while an event, a call, ` +
        `a timer or a promise of waitUntil is under way; measured here, so a loaded machine makes it longer`,
      'a million streamed tokens elsewhere, by list prices of November 2026, in messages of 300 tokens: Ably with a message for each token $5 with one reader and ' +
        '$252 with 100 ($2.50 a million messages, in and out; half of it with its roll-up of 40 ms at 50 tokens a second); Stream $0.47 ($7 a million calls, ' +
        'about 20 calls with the whole text for a message, so that text comes in steps of 15 tokens)',
      'in each figure: the heartbeat of the gateways; Postgres, Redis and QStash are counted and not priced',
    ],
    failures: [],
  }
}

await withFolder('tmpfs', async (folder) => {
  const others = await busyCores()
  const comparison = reportOf(await measureAll(folder), others)
  console.log(`\n${summary(comparison)}\n\nwritten to ${await save('cost', options.out, { comparison, options })}`)
})
