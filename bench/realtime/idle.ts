import { inGroups } from '../load/conversation.ts'
import { pause } from '../processes.ts'
import { memoryOf } from '../report/memory.ts'
import type { Reach } from '../targets/target.ts'
import type { Guest, ConversationWire } from './wires.ts'

/** Bytes of the server that one idle connection costs. */
export interface IdleResult {
  readonly bytesPerConnection: number
}

/**
 * The runtime evicts actors that were not called for about a minute, such as the inboxes of clients that just
 * connected.
 */
const settleMs = 100_000

/** Opens `connections`, each listening to one of 50 conversations, and lets them rest. */
export async function idle(wire: ConversationWire, reach: Reach, connections: number): Promise<IdleResult> {
  const run = crypto.randomUUID().slice(0, 8)
  const conversations = await Promise.all(
    Array.from({ length: 50 }, (_, r) => wire.createConversation(reach, [`host-${run}-${r}`])),
  )
  const guests: Guest[] = []
  const open = async (from: number, to: number) => {
    await inGroups(
      Array.from({ length: to - from }, (_, n) => from + n),
      50,
      async (n) => {
        const user = `idle-${run}-${n}`
        guests.push(await wire.enter(reach, conversations[n % 50] ?? '', user, await wire.ticket(reach, user)))
      },
    )
    await pause(settleMs)
  }
  // The first thousand pay for what is there once: code, caches, conversations.
  await open(0, 1000)
  const before = await memoryOf('workerd')
  await open(1000, 1000 + connections)
  const after = await memoryOf('workerd')
  for (const guest of guests) guest.leave()
  return { bytesPerConnection: (after - before) / connections }
}
