import { SignJWT } from 'jose'
import { z } from 'zod'
import { keyUpTo } from '../short-key.ts'
import { answerOf, gone, isSuccess, membersOf, refused } from './answers.ts'
import { keyIn } from './fcm.ts'
import { providerType, Unsendable } from './provider.ts'

/** Bytes of `apns-collapse-id`. */
const maxCollapseId = 64
const hostIn = ({ environment }: { readonly environment: 'production' | 'sandbox' }): string =>
  `api.${environment === 'sandbox' ? 'sandbox.' : ''}push.apple.com`
const target = z.looseObject({ token: z.string().regex(/^[\da-fA-F]{64,200}$/) })

/** Reasons of "Handling notification responses from APNs" for a device that is not reached any more. */
const goneReasons = ['BadDeviceToken', 'Unregistered', 'ExpiredToken', 'DeviceTokenNotForTopic']

/**
 * APNs, "Sending notification requests to APNs". Apple's servers speak HTTP/2 only: `fetch` on Cloudflare's network negotiates it where
 * the platform does so for this host; a workerd of one's own speaks HTTP/1.1, where every call fails as `unknown`. FCM reaches
 * Apple's devices from everywhere. `apns-id` is only echoed; `apns-collapse-id` makes a device show a repeat instead of the first.
 */
export const apns = providerType({
  channel: 'push',
  target: 'apns',
  isIdempotent: false,
  credentials: z.strictObject({
    teamId: z.string().regex(/^[A-Z0-9]{10}$/),
    keyId: z.string().regex(/^[A-Z0-9]{10}$/),
    privateKey: z.string().max(4096).describe('PEM, PKCS #8: the .p8 file'),
    topic: z.string().regex(/^[\w.-]{1,255}$/, 'the bundle id of the app'),
    environment: z.enum(['production', 'sandbox']).default('production'),
    ttlSeconds: z.int().min(0).max(2_592_000).default(86_400),
  }),
  hostOf: hostIn,
  prepare: async (
    { id, to, content, priority },
    { teamId, keyId, privateKey, topic, environment, ttlSeconds },
    { now },
  ) => {
    const read = target.safeParse(to)
    if (!read.success) throw new Unsendable('address: {"token": …} of the device is missing or not hexadecimal', 'gone')
    const { title, body, url } = content
    return {
      url: `https://${hostIn({ environment })}/3/device/${read.data.token}`,
      method: 'POST',
      headers: {
        authorization: `bearer ${await tokenOf({ teamId, keyId, privateKey }, now)}`,
        'apns-topic': topic,
        'apns-push-type': 'alert',
        'apns-priority': priority === 'high' ? '10' : '5',
        'apns-expiration': String(ttlSeconds === 0 ? 0 : Math.floor(now / 1000) + ttlSeconds),
        'apns-collapse-id': await keyUpTo(id, maxCollapseId),
        'content-type': 'application/json',
      },
      body: JSON.stringify({
        aps: { alert: { ...(title === undefined ? {} : { title }), body: body.slice(0, 1500) }, sound: 'default' },
        delivery: id,
        ...(url === undefined ? {} : { url }),
      }),
    }
  },
  read: (answer) => {
    const { reason } = membersOf(answer.text)
    if (answer.status === 410 || goneReasons.some((each) => each === reason)) return gone(answer)
    if (answer.status === 400 || answer.status === 403 || answer.status === 413) return refused(answer)
    if (!isSuccess(answer)) return undefined
    // APNs answers success without a body, and with its id.
    const id = answer.headers.get('apns-id')
    if (id === null) return { kind: 'unknown', answer: `the answer was not understood: ${answerOf(answer)}` }
    return { kind: 'delivered', providerId: id.slice(0, 200), answer: String(answer.status) }
  },
})

/** Tokens are valid for an hour, and may not be renewed more than once in 20 minutes. */
const tokenMs = 40 * 60_000
const tokens = new Map<string, { readonly token: string; readonly at: number }>()

async function tokenOf(
  { teamId, keyId, privateKey }: { readonly teamId: string; readonly keyId: string; readonly privateKey: string },
  now: number,
): Promise<string> {
  const key = `${teamId}/${keyId}/${privateKey}`
  const known = tokens.get(key)
  if (known !== undefined && now >= known.at && now - known.at < tokenMs) return known.token
  const token = await new SignJWT({})
    .setProtectedHeader({ alg: 'ES256', kid: keyId })
    .setIssuer(teamId)
    .setIssuedAt(Math.floor(now / 1000))
    .sign(await keyIn(privateKey, 'ES256'))
  if (tokens.size >= 200) tokens.clear()
  tokens.set(key, { token, at: now })
  return token
}
