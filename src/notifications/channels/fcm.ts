import { importPKCS8, SignJWT } from 'jose'
import { z } from 'zod'
import { keyUpTo } from '../short-key.ts'
import { deliveredWith, gone, isRecord, isSuccess, membersOf, refused } from './answers.ts'
import { providerType, Unsendable } from './provider.ts'

const host = 'fcm.googleapis.com'
/** Characters of a key by which a device shows a repeat instead of the first. */
const maxCollapseKey = 64
const tokenUrl = 'https://oauth2.googleapis.com/token'
const scope = 'https://www.googleapis.com/auth/firebase.messaging'
const target = z.looseObject({ token: z.string().min(1).max(4096) })

/**
 * Firebase Cloud Messaging, HTTP v1 (`projects.messages.send`), with the OAuth token of a service account ("Using OAuth 2.0 for
 * server to server applications", RFC 7523). It has no idempotency keys; `collapse_key` and `apns-collapse-id` make a device show a repeat
 * instead of the first.
 */
export const fcm = providerType({
  channel: 'push',
  target: 'fcm',
  isIdempotent: false,
  credentials: z.strictObject({
    projectId: z.string().regex(/^[a-z][a-z0-9-]{4,29}$/, 'the id of a Google Cloud project'),
    clientEmail: z.email().max(320),
    privateKey: z.string().max(8192).describe('PEM, PKCS #8: `private_key` of the service account’s file'),
    ttlSeconds: z.int().min(0).max(2_419_200).default(86_400),
  }),
  authorize: async ({ clientEmail, privateKey }, { now }) => {
    const seconds = Math.floor(now / 1000)
    const assertion = await new SignJWT({ iss: clientEmail, aud: tokenUrl, scope })
      .setProtectedHeader({ alg: 'RS256', typ: 'JWT' })
      .setIssuedAt(seconds)
      .setExpirationTime(seconds + 3600)
      .sign(await keyIn(privateKey, 'RS256'))
    return {
      key: clientEmail,
      call: {
        url: tokenUrl,
        method: 'POST',
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        body: new URLSearchParams({
          grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer',
          assertion,
        }).toString(),
      },
      read: (answer) => {
        const { access_token: token, expires_in: lasts } = membersOf(answer.text)
        if (!isSuccess(answer) || typeof token !== 'string') return undefined
        return { token, seconds: typeof lasts === 'number' ? lasts : 300 }
      },
    }
  },
  hostOf: () => host,
  prepare: async ({ id, to, content, priority, workflow }, { projectId, ttlSeconds }, { token = '' }) => {
    const read = target.safeParse(to)
    if (!read.success) throw new Unsendable('address: {"token": …} of the device is missing', 'gone')
    const { title, body, url } = content
    // `data` holds texts only.
    const data = { delivery: id, workflow, ...(url === undefined ? {} : { url }) }
    const isHigh = priority === 'high'
    const collapseKey = await keyUpTo(id, maxCollapseKey)
    return {
      url: `https://${host}/v1/projects/${projectId}/messages:send`,
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({
        message: {
          token: read.data.token,
          notification: { ...(title === undefined ? {} : { title }), body: body.slice(0, 2000) },
          data,
          android: { priority: isHigh ? 'HIGH' : 'NORMAL', ttl: `${ttlSeconds}s`, collapse_key: collapseKey },
          apns: { headers: { 'apns-priority': isHigh ? '10' : '5', 'apns-collapse-id': collapseKey } },
        },
      }),
    }
  },
  read: (answer) => {
    const { name, error } = membersOf(answer.text)
    const code = isRecord(error) ? errorCodeIn(error) : undefined
    // "Error codes for FCM": the app was removed, or the token belongs to another sender.
    if (code === 'UNREGISTERED') return gone(answer)
    if (code === 'SENDER_ID_MISMATCH' || code === 'INVALID_ARGUMENT' || code === 'THIRD_PARTY_AUTH_ERROR')
      return refused(answer)
    return deliveredWith(answer, name)
  },
})

/** `error.details[].errorCode` of google.firebase.fcm.v1.FcmError. */
function errorCodeIn({ details, status }: Readonly<Record<string, unknown>>): unknown {
  const found = Array.isArray(details)
    ? details.filter(isRecord).find(({ errorCode }) => errorCode !== undefined)
    : undefined
  return found?.['errorCode'] ?? status
}

/** A private key in PEM. Throws Unsendable. */
export async function keyIn(pem: string, algorithm: 'RS256' | 'ES256') {
  try {
    return await importPKCS8(pem.replaceAll(String.raw`\n`, '\n'), algorithm)
  } catch {
    throw new Unsendable('credentials.privateKey: not a private key in PEM (PKCS #8) for this provider')
  }
}
