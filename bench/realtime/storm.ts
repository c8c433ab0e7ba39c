import { inGroups } from '../load/conversation.ts'
import { messageText } from '../load/tally.ts'
import { pause } from '../processes.ts'
import { percentile } from '../statistics.ts'
import type { Reach } from '../targets/target.ts'
import type { Guest, Place, ConversationWire } from './wires.ts'

/** How many come back at once, to how many conversations, and how much each has missed. */
export interface StormShape {
  readonly clients: number
  readonly conversations: number
  readonly missed: number
}

/** Milliseconds from the first knock until half, almost all and all have received everything they missed. */
export interface StormResult {
  readonly medianMs: number
  readonly p99Ms: number
  readonly allMs: number
}

interface Absent {
  readonly conversation: string
  readonly user: string
  readonly ticket: string
  readonly since: Place
}

const timeoutMs = 60_000

/** All clients lose their connections, miss some messages, and come back in the same moment. */
export async function storm(
  wire: ConversationWire,
  reach: Reach,
  { clients, conversations, missed }: StormShape,
): Promise<StormResult> {
  const run = crypto.randomUUID().slice(0, 8)
  const writers = Array.from({ length: conversations }, (_, r) => `writer-${run}-${r}`)
  const names = await Promise.all(writers.map((writer) => wire.createConversation(reach, [writer])))
  const absent: Absent[] = []
  await inGroups([...Array(clients).keys()], 50, async (n) => {
    const conversation = names[n % conversations] ?? ''
    const user = `guest-${run}-${n}`
    const ticket = await wire.ticket(reach, user)
    const guest = await wire.enter(reach, conversation, user, ticket)
    absent.push({ conversation, user, ticket, since: wire.place(guest, 0) })
    guest.leave()
  })
  await inGroups([...names.entries()], 20, ([r, conversation]) =>
    speak(wire, reach, conversation, writers[r] ?? '', missed),
  )
  await pause(1000)
  return comeBack(wire, reach, absent, missed)
}

async function speak(
  wire: ConversationWire,
  reach: Reach,
  conversation: string,
  user: string,
  messages: number,
): Promise<void> {
  const writer = await wire.enter(reach, conversation, user, await wire.ticket(reach, user))
  for (let n = 1; n <= messages; n++) await writer.say(messageText(n))
  writer.leave()
}

async function comeBack(
  wire: ConversationWire,
  reach: Reach,
  absent: readonly Absent[],
  missed: number,
): Promise<StormResult> {
  const begun = performance.now()
  const guests: Guest[] = []
  const times = await Promise.all(
    absent.map(async ({ conversation, user, ticket, since }) => {
      const guest = await wire.enter(reach, conversation, user, ticket, since)
      guests.push(guest)
      while (guest.received < missed) {
        if (performance.now() - begun > timeoutMs) throw new Error(`${user} received ${guest.received} of ${missed}`)
        await pause(5)
      }
      if (guest.received !== missed) throw new Error(`${user} missed ${missed} and received ${guest.received}`)
      return performance.now() - begun
    }),
  )
  for (const guest of guests) guest.leave()
  return { medianMs: percentile(times, 0.5), p99Ms: percentile(times, 0.99), allMs: Math.max(...times) }
}
