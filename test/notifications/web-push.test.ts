import { createDecipheriv, createECDH, hkdfSync } from 'node:crypto'
import { encryptNotification } from '@block65/webcrypto-web-push'
import { importJWK, jwtVerify, generateKeyPair, exportJWK } from 'jose'
import { afterEach, expect, test, vi } from 'vitest'
import { Unsendable, type Message } from '../../src/notifications/channels/provider.ts'
import { webPush } from '../../src/notifications/channels/web-push.ts'

afterEach(() => vi.restoreAllMocks())

const bytes = (text: string) => new Uint8Array(Buffer.from(text, 'base64url'))

/** RFC 8291, appendix A. */
const example = {
  plaintext: 'When I grow up, I want to be a watermelon',
  sender: {
    privateKey: 'yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw',
    publicKey: 'BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8',
  },
  receiver: {
    privateKey: 'q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94',
    publicKey: 'BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4',
  },
  salt: 'DGv6ra1nlYgDCS1FRnbzlw',
  auth: 'BTBZMqHH6r4Tts7J_aSIgg',
  message:
    'DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN',
}

const endpoint = 'https://push.example.net/push/JzLQ3raZJfFBR0aqvOMsLrt54w4rJUsV'
const subscription = {
  endpoint,
  expirationTime: null,
  keys: { p256dh: example.receiver.publicKey, auth: example.auth },
}

test('a push with the keys and the salt of RFC 8291 is the message of RFC 8291', async () => {
  const point = bytes(example.sender.publicKey)
  const jwk = {
    kty: 'EC',
    crv: 'P-256',
    x: Buffer.from(point.slice(1, 33)).toString('base64url'),
    y: Buffer.from(point.slice(33)).toString('base64url'),
  }
  const curve = { name: 'ECDH', namedCurve: 'P-256' }
  const keyPair = {
    privateKey: await crypto.subtle.importKey('jwk', { ...jwk, d: example.sender.privateKey }, curve, false, [
      'deriveBits',
    ]),
    publicKey: await crypto.subtle.importKey('jwk', jwk, curve, true, []),
  }
  vi.spyOn(crypto.subtle, 'generateKey').mockResolvedValue(keyPair)
  vi.spyOn(crypto, 'getRandomValues').mockReturnValue(bytes(example.salt))
  const encrypted = await encryptNotification(subscription, new TextEncoder().encode(example.plaintext), { pad: false })
  expect(Buffer.from(encrypted).toString('base64url')).toBe(example.message)
})

/** What a browser does with a push (RFC 8188 §2, RFC 8291 §3), by Node's own functions. */
function decrypted(given: string | Uint8Array): string {
  const body = Buffer.from(typeof given === 'string' ? new TextEncoder().encode(given) : given)
  const salt = body.subarray(0, 16)
  const keyEnd = 21 + body.readUInt8(20)
  const senderKey = body.subarray(21, keyEnd)
  const record = body.subarray(keyEnd)
  const receiver = createECDH('prime256v1')
  receiver.setPrivateKey(example.receiver.privateKey, 'base64url')
  const info = Buffer.concat([Buffer.from('WebPush: info\0'), bytes(example.receiver.publicKey), senderKey])
  const secret = new Uint8Array(hkdfSync('sha256', receiver.computeSecret(senderKey), bytes(example.auth), info, 32))
  const key = (name: string, length: number) =>
    Buffer.from(hkdfSync('sha256', secret, salt, Buffer.from(`Content-Encoding: ${name}\0`), length))
  const decipher = createDecipheriv('aes-128-gcm', key('aes128gcm', 16), key('nonce', 12))
  decipher.setAuthTag(record.subarray(-16))
  const padded = Buffer.concat([decipher.update(record.subarray(0, -16)), decipher.final()])
  return padded.subarray(0, padded.lastIndexOf(2)).toString()
}

test('the receiver of the RFC decrypts its own message', () => {
  expect(decrypted(bytes(example.message))).toBe(example.plaintext)
})

async function credentials() {
  const { privateKey } = await generateKeyPair('ES256', { extractable: true })
  const { x = '', y = '', d = '' } = await exportJWK(privateKey)
  const publicKey = Buffer.concat([Buffer.of(4), bytes(x), bytes(y)]).toString('base64url')
  const verify = await importJWK({ kty: 'EC', crv: 'P-256', x, y }, 'ES256')
  return { verify, given: { publicKey, privateKey: d, subject: 'mailto:ops@example.com', ttlSeconds: 60 } }
}

const message = (further: Partial<Message> = {}): Message => ({
  id: 'n/1/push',
  content: { title: 'Grüße', body: 'Body', url: 'https://example.com/' },
  to: { endpoint, keys: subscription.keys },
  priority: 'low',
  headers: {},
  workflow: 'w',
  ...further,
})
const tools = { now: 0, sign: async () => ({}) }

test('a push is decrypted by its receiver, and its token is the one of RFC 8292', async () => {
  const { verify, given } = await credentials()
  const { headers, body, url } = await webPush.prepare(message(), given, tools)
  expect(url).toBe(endpoint)
  expect(headers).toMatchObject({ ttl: '60', urgency: 'low' })
  expect(JSON.parse(decrypted(body))).toEqual({
    id: 'n/1/push',
    title: 'Grüße',
    body: 'Body',
    url: 'https://example.com/',
  })
  const [, token = '', key] = /^vapid t=([^,]+), k=(.+)$/.exec(headers['authorization'] ?? '') ?? []
  expect(key).toBe(given.publicKey)
  const { payload } = await jwtVerify(token, verify, { audience: 'https://push.example.net' })
  expect(payload.sub).toBe('mailto:ops@example.com')
  // At most 24 hours (RFC 8292 §2).
  expect((payload.exp ?? Infinity) - Date.now() / 1000).toBeLessThan(86_400)
})

test('a body that is too long for a push is cut between characters, and its title arrives', async () => {
  const { given } = await credentials()
  const long = message({ content: { title: 'Title', body: '😀'.repeat(5000) } })
  const { body } = await webPush.prepare(long, given, tools)
  expect(body.length).toBeLessThanOrEqual(4096)
  const read: unknown = JSON.parse(decrypted(body))
  expect(read).toMatchObject({ title: 'Title', body: expect.stringMatching(/^😀+…$|^😀+�…$/u) })
})

test('a subscription that is none is gone, and wrong keys of the tenant leave it alone', async () => {
  const { given } = await credentials()
  const kindOf = async (to: unknown, keys: object = given) => {
    try {
      await webPush.prepare(message({ to }), keys, tools)
      return 'prepared'
    } catch (thrown) {
      return thrown instanceof Unsendable ? thrown.kind : thrown
    }
  }
  const keys = { ...subscription.keys, p256dh: `B${'A'.repeat(86)}` }
  expect(await kindOf({ endpoint })).toBe('gone')
  expect(await kindOf({ endpoint, keys })).toBe('gone')
  expect(await kindOf({ endpoint: 'http://push.example.net/', keys: subscription.keys })).toBe('gone')
  expect(await kindOf(subscription, { ...given, privateKey: 'A'.repeat(43) })).toBe('refused')
})
