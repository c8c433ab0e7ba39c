import { z } from 'zod'

const account = z.record(z.string(), z.number())

/** What the metered Worker has counted since it started. */
export const billSchema = z.object({
  /** Calls of actors, by actor and method. */
  calls: account,
  /** Messages that clients sent over WebSockets. */
  messages: z.number(),
  /** Requests to the Worker. */
  workerRequests: z.number(),
  /** Rows by actor. */
  rowsWritten: account,
  rowsRead: account,
  /** Alarms set, by actor: each is billed as a row. */
  alarmsSet: account,
  bytes: account,
  /** How long actors were awake, by actor, in milliseconds: an event, call, timer or `waitUntil` was under way. */
  awakeMs: account,
  /** How long each kind of work held its actor, by actor and kind, in milliseconds. Kinds overlap. */
  heldMs: account,
  /** Requests to Postgres, Redis and QStash. */
  services: account,
})
export type Bill = z.output<typeof billSchema>

/**
 * Cloudflare's list prices of Workers and Durable Objects on the paid plan, in dollars, beyond what is included
 * (developers.cloudflare.com, Durable Objects: Pricing; November 2026).
 */
export const prices = {
  perMillionRequests: 0.15,
  perMillionWorkerRequests: 0.3,
  /** Incoming messages of a WebSocket are counted twenty to a request; outgoing ones are free. */
  messagesPerRequest: 20,
  perMillionRowsWritten: 1,
  perMillionRowsRead: 0.001,
  perGigabyteMonth: 0.2,
  perMillionGigabyteSeconds: 12.5,
  /** Every actor is billed for this memory while it is awake, whatever it uses. */
  gigabytes: 0.128,
} as const

/** What one thing cost on average, for example a message. */
export interface Cost {
  readonly calls: number
  readonly socketMessages: number
  /** Alarms among them: setting one is billed as a row. */
  readonly rowsWritten: number
  readonly rowsRead: number
  readonly awakeSeconds: number
  readonly bytesStored: number
  readonly services: Readonly<Record<string, number>>
  /** Dollars for a million of them: requests and rows. */
  readonly dollarsPerMillion: number
  /** Of these dollars, the share of the gateways' heartbeats: they do not depend on how many users a gateway has, or on messages. */
  readonly dollarsHeartbeat: number
  /** Dollars for the duration of a million of them. */
  readonly dollarsAwake: number
  /** Dollars a month for keeping what a million of them stored in their actors. */
  readonly dollarsKept: number
}

const sum = (numbers: Readonly<Record<string, number>>) => Object.values(numbers).reduce((a, b) => a + b, 0)

/** A gateway writes no other rows than those of its heartbeat. In dollars for a million. */
const heartbeatOf = ({ calls, rowsWritten, alarmsSet }: Bill): number =>
  (calls['Gateway.alarm'] ?? 0) * prices.perMillionRequests +
  ((rowsWritten['Gateway'] ?? 0) + (alarmsSet['Gateway'] ?? 0)) * prices.perMillionRowsWritten

/** What lies between two readings, for each of `units`. */
export function costOf(before: Bill, after: Bill, units: number): Cost {
  const each = (read: (bill: Bill) => number) => (read(after) - read(before)) / units
  const calls = each((bill) => sum(bill.calls))
  const socketMessages = each((bill) => bill.messages)
  const workerRequests = each((bill) => bill.workerRequests)
  const rowsWritten = each((bill) => sum(bill.rowsWritten) + sum(bill.alarmsSet))
  const rowsRead = each((bill) => sum(bill.rowsRead))
  const bytesStored = each((bill) => sum(bill.bytes))
  const awakeSeconds = each((bill) => sum(bill.awakeMs)) / 1000
  const requests = calls + socketMessages / prices.messagesPerRequest
  return {
    calls,
    socketMessages,
    rowsWritten,
    rowsRead,
    awakeSeconds,
    bytesStored,
    services: Object.fromEntries(
      Object.keys(after.services).map((name) => [name, each(({ services }) => services[name] ?? 0)]),
    ),
    dollarsPerMillion:
      requests * prices.perMillionRequests +
      workerRequests * prices.perMillionWorkerRequests +
      rowsWritten * prices.perMillionRowsWritten +
      rowsRead * prices.perMillionRowsRead,
    dollarsHeartbeat: each(heartbeatOf),
    dollarsAwake: awakeSeconds * prices.gigabytes * prices.perMillionGigabyteSeconds,
    dollarsKept: (bytesStored * 1e6 * prices.perGigabyteMonth) / 1e9,
  }
}

/** The accounts that `shares` lists, and what it calls their counts. */
const listed: readonly (readonly [keyof Bill, string])[] = [
  ['calls', 'calls'],
  ['rowsWritten', 'rows'],
  ['alarmsSet', 'alarms'],
  ['awakeMs', 'awake ms'],
  ['heldMs', 'held ms'],
  ['services', 'asked'],
]

const entriesOf = (counted: Bill[keyof Bill]) => (typeof counted === 'number' ? {} : counted)

/** Where the calls, rows and time of each of `units` went, the most of each kind first. */
export function shares(before: Bill, after: Bill, units: number): [string, number][] {
  return listed.flatMap(([account, what]) => {
    const earlier = entriesOf(before[account])
    return Object.entries(entriesOf(after[account]))
      .map(([name, count]): [string, number] => [`${what} ${name}`, (count - (earlier[name] ?? 0)) / units])
      .filter(([, each]) => each > 0.001)
      .toSorted((a, b) => b[1] - a[1])
  })
}
