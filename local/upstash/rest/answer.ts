import { type Bytes, toBase64, toText } from '../bytes.ts'
import { type Reply, isFailure } from '../reply.ts'

/** What goes over HTTP as JSON. */
export type Json = string | number | null | Json[]

/** One command's outcome. */
export type Answer = { readonly result: Json } | { readonly error: string }

/** How strings are written: as they are, or in base64 so that any bytes survive. */
export type Encoding = 'text' | 'base64'

/**
 * A reply as Upstash words it. Under base64 every string is encoded but the status `OK` standing alone; inside an array
 * even that is encoded, since the SDK decodes there without asking.
 */
export function answerOf(reply: Reply, encoding: Encoding): Answer {
  if (isFailure(reply)) return { error: toText(reply.text) }
  const plainOk = typeof reply === 'object' && reply !== null && 'text' in reply && reply.text === 'OK'
  return { result: plainOk ? 'OK' : toJson(reply, encoding === 'base64' ? toBase64 : toText) }
}

function toJson(reply: Reply, encode: (bytes: Bytes) => string): Json {
  if (reply === null || typeof reply === 'number') return reply
  if (typeof reply === 'bigint') return Number(reply) // JSON readers would round it just so.
  if (typeof reply === 'string') return encode(reply)
  if (Array.isArray(reply)) return reply.map((item) => toJson(item, encode))
  return encode(reply.text)
}
