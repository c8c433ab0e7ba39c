import { encryptNotification, vapidHeaders } from '@block65/webcrypto-web-push'
import { z } from 'zod'
import { base64Url } from './base64.ts'
import { gone, isSuccess, refused } from './answers.ts'
import { providerType, Unsendable } from './provider.ts'

/** A push service has to take 4,096 bytes (RFC 8030 §7.2); header, padding delimiter and tag leave this much (RFC 8291 §4). */
const maxPayloadBytes = 3993

/** What `PushManager.subscribe` gives in a browser. Keys may be in either alphabet of base64. */
const subscription = z.looseObject({
  endpoint: z.string().max(2048),
  keys: z.looseObject({ p256dh: z.string().min(80).max(100), auth: z.string().min(20).max(30) }),
})

const urgencies = { low: 'low', normal: 'normal', high: 'high' } as const

/**
 * Web Push: RFC 8030 with TTL, Urgency and Topic, encrypted by RFC 8291, with the token of RFC 8292 (VAPID). The topic is made of the
 * delivery's id: a repeat replaces the first one while the push service still has it.
 */
export const webPush = providerType({
  channel: 'push',
  target: 'web-push',
  isIdempotent: false,
  credentials: z.strictObject({
    publicKey: z.string().regex(/^[\w-]{87}$/, '65 bytes in URL-safe base64'),
    privateKey: z.string().regex(/^[\w-]{43}$/, '32 bytes in URL-safe base64'),
    subject: z
      .string()
      .max(320)
      .regex(/^(?:mailto:|https:\/\/)\S+$/, 'mailto: or https: address of the operator'),
    ttlSeconds: z.int().min(0).max(2_419_200).default(86_400),
  }),
  prepare: async ({ id, to, content, priority }, { publicKey, privateKey, subject, ttlSeconds }) => {
    const read = subscription.safeParse(to)
    if (!read.success)
      throw new Unsendable('address: not a push subscription: {"endpoint", "keys": {"p256dh", "auth"}}', 'gone')
    const { endpoint, keys } = read.data
    if (!URL.canParse(endpoint) || !endpoint.startsWith('https://'))
      throw new Unsendable('address.endpoint: not an https address', 'gone')
    const { title, body, url, actions } = content
    const payload = fitted({ id, title, body, url, actions })
    const target = { endpoint, expirationTime: null, keys }
    const vapid = await attempted('credentials', 'refused', vapidHeaders(target, { subject, publicKey, privateKey }))
    return {
      url: endpoint,
      method: 'POST',
      headers: {
        ...vapid.headers,
        ttl: String(ttlSeconds),
        urgency: urgencies[priority],
        topic: await topicOf(id),
        'content-encoding': 'aes128gcm',
        'content-type': 'application/octet-stream',
      },
      body: await attempted('address.keys', 'gone', encryptNotification(target, payload, { pad: false })),
    }
  },
  read: (answer) => {
    // RFC 8030 §7.3: a subscription that has ended. 410 is what services answer in practice.
    if (answer.status === 404 || answer.status === 410) return gone(answer)
    if (answer.status === 413) return refused(answer)
    if (!isSuccess(answer)) return undefined
    const location = answer.headers.get('location')
    return {
      kind: 'delivered',
      answer: String(answer.status),
      ...(location === null ? {} : { providerId: location.slice(0, 200) }),
    }
  },
})

/** Names what the library's error is about: keys of the tenant are not the recipient's, whose subscription is kept. */
async function attempted<T>(field: string, kind: 'gone' | 'refused', work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (thrown) {
    throw new Unsendable(`${field}: ${thrown instanceof Error ? thrown.message : String(thrown)}`, kind)
  }
}

/** The payload as JSON; a body that is too long is cut, so that the title arrives. */
function fitted(payload: { readonly body: string; readonly [name: string]: unknown }): Uint8Array {
  const encode = (body: string) => new TextEncoder().encode(JSON.stringify({ ...payload, body }))
  let encoded = encode(payload.body)
  let length = payload.body.length
  while (encoded.byteLength > maxPayloadBytes && length > 0) {
    length = Math.floor(length * Math.min(0.9, maxPayloadBytes / encoded.byteLength))
    encoded = encode(`${payload.body.slice(0, length).toWellFormed()}…`)
  }
  if (encoded.byteLength > maxPayloadBytes) throw new Unsendable(`a push holds at most ${maxPayloadBytes} bytes`)
  return encoded
}

/** At most 32 characters of URL-safe base64 (RFC 8030 §5.4). */
async function topicOf(id: string): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(id))
  return base64Url(new Uint8Array(digest)).slice(0, 32)
}
