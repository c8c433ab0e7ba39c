import { z } from 'zod'
import type { Setting } from './setting.ts'

const presentClients = z.object({ clients: z.array(z.object({ client: z.string() })) })

/** A stream as the setting calls it; `given` are the arguments of its `presence`. */
export interface PresentStream {
  readonly kind: 'Conversation' | 'Topic'
  readonly tenant: string
  readonly name: string
  readonly channel: string
  readonly given: readonly unknown[]
}

/** Says so when the stream lists other connections than its gateways hold. */
export async function differentPresence(setting: Setting, gateways: number, stream: PresentStream): Promise<string[]> {
  const { kind, tenant, name, channel, given } = stream
  const clientsOf = (answer: unknown) => presentClients.parse(answer).clients.map(({ client }) => client)
  const held: string[] = []
  for (let n = 0; n < gateways; n++)
    held.push(...clientsOf(await setting.call('Gateway', `eu/${n}`, 'subscribed', tenant, channel)))
  const listed = clientsOf(await setting.call(kind, `${tenant}/${name}`, 'presence', ...given))
  if (listed.toSorted().join() === held.toSorted().join()) return []
  return [`${channel} of ${tenant} lists ${listed.join()} and the gateways hold ${held.join()}`]
}
