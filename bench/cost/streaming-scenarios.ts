import { z } from 'zod'
import { MessageWriter } from '../../sdk/message-writer.ts'
import { inGroups } from '../load/conversation.ts'
import { pause } from '../processes.ts'
import { percentile } from '../statistics.ts'
import { postTo } from '../targets/parley-wire.ts'
import { Client } from './client.ts'
import type { MeteredSystem } from './metered.ts'
import { costOf, shares } from './price.ts'
import { show, type Measured, type Thoroughness } from './scenarios.ts'

const perSecond = 50
const tokensPerMessage = 300
const token = 'word '

const created = z.object({ id: z.string() })
const event = z.object({
  type: z.literal('message.streaming'),
  clientId: z.string(),
  offset: z.number(),
  text: z.string(),
})

/** What a token of a streaming message costs in conversations of different sizes, and how soon it reaches the last of the connected clients. */
export async function measureStreaming(system: MeteredSystem, how: Thoroughness): Promise<Measured[]> {
  const measured: Measured[] = []
  for (const members of [2, 100]) {
    const run = crypto.randomUUID().slice(0, 8)
    const users = Array.from({ length: members }, (_, n) => `reader-${run}-${n}`)
    const body = { type: 'channel', name: 'bench', members: users }
    const { id } = await postTo(system.reach, '/v1/conversations', body, created)
    const waits: number[] = []
    const writtenAt = new Map<string, number[]>()
    const clients: Client[] = []
    await inGroups(users, 25, async (user) => {
      const client = await Client.connect(system.reach, await Client.token(system.reach, user))
      client.onEvent = (data) => {
        const given = event.safeParse(data)
        if (!given.success) return
        const { clientId, offset, text } = given.data
        const now = performance.now()
        const times = writtenAt.get(clientId) ?? []
        for (let n = offset / token.length; n < (offset + text.length) / token.length; n++)
          waits.push(now - (times[n] ?? now))
      }
      await client.subscribe(id)
      clients.push(client)
    })
    await pause(how.settleMs)
    const before = await system.bill()
    const messages = Math.max(1, Math.round((how.seconds * perSecond) / tokensPerMessage))
    for (let n = 0; n < messages; n++) {
      const writer = new MessageWriter(id, (path, given) => system.call('POST', path, given))
      const times: number[] = []
      writtenAt.set(writer.clientId, times)
      await writer.begin()
      for (let at = performance.now(), count = 0; count < tokensPerMessage; count++, at += 1000 / perSecond) {
        times.push(performance.now())
        await writer.write(token)
        await pause(Math.max(0, at + 1000 / perSecond - performance.now()))
      }
      await writer.complete()
    }
    await pause(how.settleMs)
    const after = await system.bill()
    const tokens = messages * tokensPerMessage
    const name = `a token of a streaming message in a conversation of ${members}, ${perSecond} a second`
    if (waits.length < 0.9 * tokens * members) throw new Error(`${waits.length} tokens arrived of ${tokens * members}`)
    measured.push({ name, cost: costOf(before, after, tokens), p95Ms: percentile(waits, 0.95) })
    if (how.details) show(name, shares(before, after, tokens))
    console.error(`${name}: done`)
    for (const client of clients) client.close()
    await pause(2000)
  }
  return measured
}
