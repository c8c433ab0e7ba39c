import { z } from 'zod'
import type { Entry } from '../support/history.ts'
import { tenant } from './neighbours.ts'

/** A publication on the wire. */
export const pub = z.object({
  offset: z.number().default(0),
  data: z.looseObject({ type: z.string(), clientId: z.string().optional(), text: z.string().optional() }),
  info: z.object({ user: z.string() }).optional(),
})
export type Pub = z.output<typeof pub>
/** The result of a subscribe, alone or inside a connect's; a stream that keeps nothing has no places. */
export const subscribed = z.object({
  epoch: z.string().default(''),
  offset: z.number().default(0),
  recovered: z.boolean().default(false),
  publications: z.array(pub).default([]),
})
export type Subscribed = z.output<typeof subscribed>

/** One line from a gateway. */
export const heardLine = z.object({
  id: z.number().default(0),
  error: z.object({ code: z.number(), message: z.string() }).optional(),
  connect: z.object({ subs: z.record(z.string(), subscribed) }).optional(),
  subscribe: subscribed.optional(),
  unsubscribe: z.object({}).optional(),
  publish: z.object({}).optional(),
  history: z.object({ epoch: z.string(), offset: z.number(), publications: z.array(pub).default([]) }).optional(),
  rpc: z.object({ data: z.looseObject({ seq: z.number().optional() }) }).optional(),
  push: z
    .object({ channel: z.string(), pub: pub.optional(), unsubscribe: z.object({ code: z.number() }).optional() })
    .optional(),
})
export type Line = z.output<typeof heardLine>

/** A publication as a history speaks of it. */
export function toEntry(channel: string, { offset, data, info }: Pub): Entry {
  return {
    tenant,
    conversation: channel.slice('conversation:'.length),
    seq: offset,
    user: info?.user ?? '',
    clientId: data.clientId ?? null,
    body: data.text ?? JSON.stringify(data),
  }
}
