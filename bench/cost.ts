/** `npm run bench:cost`: what messages cost at Cloudflare's list prices, counted on the real Worker. */
import { join } from 'node:path'
import { z } from 'zod'
import { commandLine, flagsOf } from './command-line.ts'
import { billSchema, costOf, prices, shares, type Bill, type Cost } from './cost/price.ts'
import { inGroups } from './load/room.ts'
import { messageText } from './load/tally.ts'
import { withFolder } from './media.ts'
import { answers, freePort } from './ports.ts'
import { pause, Processes } from './processes.ts'
import { roomWires, type Guest } from './realtime/wires.ts'
import { linesOf, type Comparison, type Found, type Shown } from './report/comparison.ts'
import { busyCores, thisMachine } from './report/machine.ts'
import { save } from './report/save.ts'
import { summary } from './report/summary.ts'
import type { Reach } from './targets/target.ts'

const options = commandLine(
  flagsOf(
    z.object({
      rooms: z
        .string()
        .default('2,10,100,1000')
        .transform((sizes) => sizes.split(',').map(Number))
        .pipe(z.array(z.int().min(2).max(10_000))),
      seconds: z.coerce.number().min(1).max(600).default(30),
      details: z.boolean().default(false),
      out: z.string().optional(),
    }),
  ),
)
const { seconds } = options
/** Until whatever a message owes has been paid: a room of a thousand gathers for ten seconds. */
const settleMs = 25_000

const limits = { LIMIT_MESSAGES_PER_SECOND: '1000000', LIMIT_REQUESTS_PER_SECOND: '1000000' }

/** How people write. */
const paces = [
  { name: 'one every ten seconds', perSecond: 0.1, seconds: 4 * seconds },
  { name: 'one a second', perSecond: 1, seconds },
  { name: 'twenty a second', perSecond: 20, seconds },
] as const

const wire = roomWires.parley

const figures: Readonly<Record<string, Shown>> = Object.fromEntries(
  options.rooms.flatMap((size) =>
    paces.flatMap(({ name }): [string, Shown][] => [
      [`a room of ${size}, ${name}: $ per million`, { better: 'lower', digits: 2 }],
      [`a room of ${size}, ${name}: calls each`, { better: 'lower', digits: 1 }],
      [`a room of ${size}, ${name}: rows written each`, { better: 'lower', digits: 1 }],
      [`a room of ${size}, ${name}: $ a month to keep a million`, { better: 'lower', digits: 2 }],
    ]),
  ),
)

async function measureRoom(reach: Reach, size: number): Promise<Found> {
  const guests = await fill(reach, size)
  await pause(settleMs)
  const found: Record<string, number> = {}
  for (const pace of paces) {
    const before = await bill(reach)
    const messages = await talk(guests, pace.perSecond, pace.seconds)
    await pause(settleMs)
    const after = await bill(reach)
    Object.assign(found, figuresOf(`a room of ${size}, ${pace.name}`, costOf(before, after, messages)))
    if (options.details) console.table(shares(before, after, messages))
    console.error(`a room of ${size}, ${pace.name}: done`)
  }
  for (const guest of guests) guest.leave()
  return found
}

const figuresOf = (name: string, { dollarsPerMillion, calls, rowsWritten, dollarsKept }: Cost): Found => ({
  [`${name}: $ per million`]: dollarsPerMillion,
  [`${name}: calls each`]: calls,
  [`${name}: rows written each`]: rowsWritten,
  [`${name}: $ a month to keep a million`]: dollarsKept,
})

function told(found: readonly Found[], othersCores: number): Comparison {
  return {
    suite: 'cost',
    date: new Date().toISOString(),
    machine: thisMachine(),
    conditions: `counted while people write for ${seconds} s, four times as long at the slowest pace`,
    othersCores,
    sides: { Parley: 'hibernating and without links between actors, as on Cloudflare' },
    lines: linesOf(figures, new Map([['Parley', found]])),
    notes: [
      `priced at Cloudflare's list: $${prices.perMillionRequests} a million requests (${prices.messagesPerRequest} incoming socket messages are one), ` +
        `$${prices.perMillionRowsWritten} a million rows written, $${prices.perGigabyteMonth} a GB and month`,
      'not in it: duration, requests to the Worker, Postgres, Redis, QStash',
    ],
    failures: [],
  }
}

async function fill(reach: Reach, size: number): Promise<Guest[]> {
  const run = crypto.randomUUID().slice(0, 8)
  const users = Array.from({ length: size }, (_, n) => `member-${run}-${n}`)
  const room = await wire.createRoom(reach, users)
  const guests: Guest[] = []
  await inGroups(users, 25, async (user) => {
    guests.push(await wire.enter(reach, room, user, await wire.ticket(reach, user)))
  })
  return guests
}

/** Up to ten of the room write in turn. */
async function talk(guests: readonly Guest[], perSecond: number, forSeconds: number): Promise<number> {
  const messages = Math.round(perSecond * forSeconds)
  const said: Promise<void>[] = []
  for (let n = 0; n < messages; n++) {
    const guest = guests[n % Math.min(10, guests.length)]
    if (guest !== undefined) said.push(guest.say(messageText(n)))
    await pause(1000 / perSecond)
  }
  await Promise.all(said)
  return messages
}

async function bill({ url }: Reach): Promise<Bill> {
  const { host } = new URL(url)
  return billSchema.parse(await (await fetch(`http://${host}/bill`)).json())
}

await withFolder('tmpfs', async (folder) => {
  const others = await busyCores()
  const processes = new Processes()
  processes.endWithUs()
  const port = await freePort()
  const server = processes.start({
    name: 'cost',
    command: process.execPath,
    args: [join(import.meta.dirname, 'cost/serve.ts')],
    // As on Cloudflare: no links between actors, and sockets that sleep.
    env: {
      PORT: String(port),
      PARLEY_PROFILE: 'dev',
      PARLEY_DATA: join(folder, 'parley'),
      LINKS: 'off',
      HIBERNATION: 'on',
      ...limits,
    },
    logs: folder,
  })
  try {
    await server.ready(() => answers(`http://127.0.0.1:${port}/readyz`), 60_000)
    const reach = { url: `ws://127.0.0.1:${port}/connection/websocket`, apiKey: 'demo-key', offerDeflate: false }
    const found: Found[] = []
    for (const size of options.rooms) found.push(await measureRoom(reach, size))
    const comparison = told(found, others)
    console.log(`\n${summary(comparison)}\n\nwritten to ${await save('cost', options.out, { comparison, options })}`)
  } finally {
    await server.stop()
  }
})
