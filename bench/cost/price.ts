import { z } from 'zod'

/** What the metered Worker has counted since it started. */
export const billSchema = z.object({
  calls: z.record(z.string(), z.number()),
  messages: z.number(),
  rowsWritten: z.record(z.string(), z.number()),
  alarmsSet: z.number(),
  bytes: z.record(z.string(), z.number()),
})
export type Bill = z.output<typeof billSchema>

/**
 * Cloudflare's list prices of Durable Objects on the paid plan, in dollars, beyond what is included (developers.cloudflare.com,
 * Durable Objects: Pricing; November 2026). Duration is left out: it depends on how long actors stay awake between messages.
 */
export const prices = {
  perMillionRequests: 0.15,
  /** Incoming messages of a WebSocket are counted twenty to a request; outgoing ones are free. */
  messagesPerRequest: 20,
  perMillionRowsWritten: 1,
  perGigabyteMonth: 0.2,
} as const

/** What one message cost, on average. */
export interface Cost {
  readonly calls: number
  readonly socketMessages: number
  /** Alarms among them: setting one is billed as a row. */
  readonly rowsWritten: number
  readonly bytesStored: number
  /** Dollars for a million messages, without keeping them. */
  readonly dollarsPerMillion: number
  /** Dollars a month for keeping a million messages in their actors. */
  readonly dollarsKept: number
}

const sum = (numbers: Readonly<Record<string, number>>) => Object.values(numbers).reduce((a, b) => a + b, 0)

/** What lies between two readings, for each of `messages`. */
export function costOf(before: Bill, after: Bill, messages: number): Cost {
  const each = (read: (bill: Bill) => number) => (read(after) - read(before)) / messages
  const calls = each((bill) => sum(bill.calls))
  const socketMessages = each((bill) => bill.messages)
  const rowsWritten = each((bill) => sum(bill.rowsWritten) + bill.alarmsSet)
  const bytesStored = each((bill) => sum(bill.bytes))
  const requests = calls + socketMessages / prices.messagesPerRequest
  return {
    calls,
    socketMessages,
    rowsWritten,
    bytesStored,
    dollarsPerMillion: requests * prices.perMillionRequests + rowsWritten * prices.perMillionRowsWritten,
    dollarsKept: (bytesStored * 1e6 * prices.perGigabyteMonth) / 1e9,
  }
}

/** Where the calls and rows of a message went, the most first. */
export function shares(before: Bill, after: Bill, messages: number): [string, number][] {
  const differences = (kind: 'calls' | 'rowsWritten') =>
    Object.entries(after[kind]).map(([name, count]): [string, number] => [
      `${kind === 'calls' ? 'calls' : 'rows'} ${name}`,
      (count - (before[kind][name] ?? 0)) / messages,
    ])
  return [...differences('calls'), ...differences('rowsWritten')]
    .filter(([, each]) => each > 0.001)
    .toSorted((a, b) => b[1] - a[1])
}
