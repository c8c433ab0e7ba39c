import { inGroups } from '../load/room.ts'
import { messageText } from '../load/tally.ts'
import { pause } from '../processes.ts'
import { percentile } from '../statistics.ts'
import type { Reach } from '../targets/target.ts'
import type { Guest, Place, RoomWire } from './wires.ts'

/** How many come back at once, to how many rooms, and how much each has missed. */
export interface StormShape {
  readonly clients: number
  readonly rooms: number
  readonly missed: number
}

/** Milliseconds from the first knock until half, almost all and all have heard everything they missed. */
export interface StormResult {
  readonly medianMs: number
  readonly p99Ms: number
  readonly allMs: number
}

interface Absent {
  readonly room: string
  readonly user: string
  readonly ticket: string
  readonly since: Place
}

const timeoutMs = 60_000

/** All clients lose their connections, miss some messages, and come back in the same moment. */
export async function storm(
  wire: RoomWire,
  reach: Reach,
  { clients, rooms, missed }: StormShape,
): Promise<StormResult> {
  const run = crypto.randomUUID().slice(0, 8)
  const writers = Array.from({ length: rooms }, (_, r) => `writer-${run}-${r}`)
  const names = await Promise.all(writers.map((writer) => wire.createRoom(reach, [writer])))
  const absent: Absent[] = []
  await inGroups([...Array(clients).keys()], 50, async (n) => {
    const room = names[n % rooms] ?? ''
    const user = `guest-${run}-${n}`
    const ticket = await wire.ticket(reach, user)
    const guest = await wire.enter(reach, room, user, ticket)
    absent.push({ room, user, ticket, since: wire.place(guest, 0) })
    guest.leave()
  })
  await inGroups([...names.entries()], 20, ([r, room]) => speak(wire, reach, room, writers[r] ?? '', missed))
  await pause(1000)
  return comeBack(wire, reach, absent, missed)
}

async function speak(wire: RoomWire, reach: Reach, room: string, user: string, messages: number): Promise<void> {
  const writer = await wire.enter(reach, room, user, await wire.ticket(reach, user))
  for (let n = 1; n <= messages; n++) await writer.say(messageText(n))
  writer.leave()
}

async function comeBack(wire: RoomWire, reach: Reach, absent: readonly Absent[], missed: number): Promise<StormResult> {
  const begun = performance.now()
  const guests: Guest[] = []
  const times = await Promise.all(
    absent.map(async ({ room, user, ticket, since }) => {
      const guest = await wire.enter(reach, room, user, ticket, since)
      guests.push(guest)
      while (guest.heard < missed) {
        if (performance.now() - begun > timeoutMs) throw new Error(`${user} heard ${guest.heard} of ${missed}`)
        await pause(5)
      }
      if (guest.heard !== missed) throw new Error(`${user} missed ${missed} and heard ${guest.heard}`)
      return performance.now() - begun
    }),
  )
  for (const guest of guests) guest.leave()
  return { medianMs: percentile(times, 0.5), p99Ms: percentile(times, 0.99), allMs: Math.max(...times) }
}
