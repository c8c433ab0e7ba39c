/** `npm run bench:cost`: what messages cost at Cloudflare's list prices, counted on the real Worker. */
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { billSchema, costOf, prices, shares, type Bill, type Cost } from './cost/price.ts'
import { inGroups } from './load/room.ts'
import { messageText } from './load/tally.ts'
import { withFolder } from './media.ts'
import { answers, freePort } from './ports.ts'
import { pause, Processes } from './processes.ts'
import { roomWires, type Guest } from './realtime/wires.ts'
import type { Reach } from './targets/target.ts'

const { values } = parseArgs({
  options: {
    rooms: { type: 'string', default: '2,10,100,1000' },
    seconds: { type: 'string', default: '30' },
    details: { type: 'boolean', default: false },
  },
})
const seconds = Number(values.seconds)
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

async function measureRoom(reach: Reach, size: number): Promise<void> {
  const guests = await fill(reach, size)
  await pause(settleMs)
  const rows: Record<string, Record<string, number>> = {}
  for (const pace of paces) {
    const before = await bill(reach)
    const messages = await talk(guests, pace.perSecond, pace.seconds)
    await pause(settleMs)
    const after = await bill(reach)
    rows[pace.name] = round(costOf(before, after, messages))
    if (values.details) console.table(shares(before, after, messages))
  }
  console.log(`\na room of ${size}, by how often somebody writes; each message`)
  console.table(rows)
  for (const guest of guests) guest.leave()
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

const round = (cost: Cost): Record<string, number> => ({
  calls: digits(cost.calls),
  'socket messages': digits(cost.socketMessages),
  'rows written': digits(cost.rowsWritten),
  'bytes stored': digits(cost.bytesStored),
  [`$ per million ($${prices.perMillionRequests} calls, $${prices.perMillionRowsWritten} rows)`]: digits(
    cost.dollarsPerMillion,
  ),
  '$ a month to keep them': digits(cost.dollarsKept),
})

const digits = (value: number) => Number(value.toPrecision(3))

await withFolder('tmpfs', async (folder) => {
  const processes = new Processes()
  processes.endWithUs()
  const port = await freePort()
  const server = processes.start({
    name: 'cost',
    command: process.execPath,
    args: [join(import.meta.dirname, 'cost/serve.ts')],
    // As on Cloudflare: no links between actors, and sockets that sleep.
    env: { PORT: String(port), PARLEY_DATA: join(folder, 'parley'), LINKS: 'off', HIBERNATION: 'on', ...limits },
    logs: folder,
  })
  try {
    await server.ready(() => answers(`http://127.0.0.1:${port}/readyz`), 60_000)
    const reach = { url: `ws://127.0.0.1:${port}/connection/websocket`, apiKey: 'demo-key', offerDeflate: false }
    for (const size of values.rooms.split(',').map(Number)) await measureRoom(reach, size)
  } finally {
    await server.stop()
  }
})
