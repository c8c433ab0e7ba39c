import { inGroups } from '../load/room.ts'
import { pause } from '../processes.ts'
import { memoryOf } from '../report/memory.ts'
import type { Reach } from '../targets/target.ts'
import type { Guest, RoomWire } from './wires.ts'

/** Bytes of the server that one idle connection costs. */
export interface IdleResult {
  readonly bytesPerConnection: number
}

/**
 * The runtime evicts actors that were not called for about a minute, such as the inboxes of clients that just
 * connected.
 */
const settleMs = 100_000

/** Opens `connections`, each listening to one of 50 rooms, and lets them rest. */
export async function idle(wire: RoomWire, reach: Reach, connections: number): Promise<IdleResult> {
  const run = crypto.randomUUID().slice(0, 8)
  const rooms = await Promise.all(Array.from({ length: 50 }, (_, r) => wire.createRoom(reach, [`host-${run}-${r}`])))
  const guests: Guest[] = []
  const open = async (from: number, to: number) => {
    await inGroups(
      Array.from({ length: to - from }, (_, n) => from + n),
      50,
      async (n) => {
        const user = `idle-${run}-${n}`
        guests.push(await wire.enter(reach, rooms[n % 50] ?? '', user, await wire.ticket(reach, user)))
      },
    )
    await pause(settleMs)
  }
  // The first thousand pay for what is there once: code, caches, rooms.
  await open(0, 1000)
  const before = await memoryOf('workerd')
  await open(1000, 1000 + connections)
  const after = await memoryOf('workerd')
  for (const guest of guests) guest.leave()
  return { bytesPerConnection: (after - before) / connections }
}
