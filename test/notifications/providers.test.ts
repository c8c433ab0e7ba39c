import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { exportJWK, exportPKCS8, generateKeyPair } from 'jose'
import { Webhook } from 'standardwebhooks'
import { z } from 'zod'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { attemptDelivery, type Caller } from '../../src/notifications/channels/attempt.ts'
import type { Answer, HttpCall, Message } from '../../src/notifications/channels/provider.ts'
import { providerTypeOf, providerTypes } from '../../src/notifications/channels/provider-types.ts'
import type { DeliveryOutcome } from '../../src/notifications/model.ts'
import { signedHeaders } from '../../src/webhooks/endpoint-post.ts'

/** One answer of a server; without one it never answers. */
interface Reply {
  readonly status: number
  readonly headers?: Record<string, string>
  readonly body?: unknown
}

interface Received {
  readonly url: string
  readonly headers: IncomingMessage['headers']
  readonly body: Buffer
}

type Behaviour = Reply | 'hang' | 'cut'

/** A server that answers as it is told, whatever the provider. Called by the address that the provider's own has been replaced with. */
const server = createServer((request, response) => void answer(request, response))
let behaviour: Behaviour = 'hang'
const received: Received[] = []
let taken: () => void = () => {}
let port = 0

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk)
  received.push({ url: request.url ?? '', headers: request.headers, body: Buffer.concat(chunks) })
  if (behaviour === 'cut') request.socket.destroy()
  else if (behaviour !== 'hang') {
    const { status, headers, body = '' } = behaviour
    response.writeHead(status, headers).end(typeof body === 'string' ? body : JSON.stringify(body))
  }
  taken()
}

beforeAll(async () => {
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  const address = server.address()
  port = typeof address === 'object' && address !== null ? address.port : 0
})
afterAll(() => {
  server.closeAllConnections()
  server.close()
})

const tokenHost = 'oauth2.googleapis.com'

/** The caller gives up a call without an answer when the server has read it whole, so that no test waits for a clock. */
const caller =
  (how: Behaviour): Caller =>
  async ({ url, method, headers, body }: HttpCall): Promise<Answer | { outcome: DeliveryOutcome }> => {
    if (new URL(url).host === tokenHost)
      return { status: 200, headers: new Headers(), text: JSON.stringify({ access_token: 'token', expires_in: 3600 }) }
    behaviour = how
    const patience = new AbortController()
    taken = () => {
      if (how === 'hang') patience.abort()
    }
    try {
      const { pathname, search } = new URL(url)
      const target = `http://127.0.0.1:${port}${pathname}${search}`
      const response = await fetch(target, { method, headers, body, signal: patience.signal, redirect: 'manual' })
      return { status: response.status, headers: response.headers, text: await response.text() }
    } catch (thrown) {
      return { outcome: { kind: 'unknown', answer: String(thrown) } }
    }
  }

const rsa = await exportPKCS8((await generateKeyPair('RS256', { extractable: true })).privateKey)
const ec = await exportPKCS8((await generateKeyPair('ES256', { extractable: true })).privateKey)
const signing = await exportJWK((await generateKeyPair('ES256', { extractable: true })).privateKey)
const vapid = {
  publicKey: Buffer.concat([
    Buffer.of(4),
    Buffer.from(signing.x ?? '', 'base64url'),
    Buffer.from(signing.y ?? '', 'base64url'),
  ]).toString('base64url'),
  privateKey: signing.d ?? '',
}
const subscription = {
  endpoint: 'https://push.example.net/push/JzLQ3raZJfFBR0aqvOMsLrt54w4rJUsV',
  keys: {
    p256dh: 'BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4',
    auth: 'BTBZMqHH6r4Tts7J_aSIgg',
  },
}

/** What is special about a provider: how it is called, and its own words for success, an address that is gone, and a refusal. */
interface Case {
  readonly credentials: object
  readonly to: unknown
  readonly from?: string
  readonly success: Reply
  readonly providerId?: string
  readonly gone: Reply
  readonly refused: Reply
  /** A success that is none: any 2xx is one for push services and webhooks. */
  readonly garbage: DeliveryOutcome['kind']
  readonly request: (got: Received) => void
}

const mail = { to: 'ann@example.com', from: 'Parley <news@example.com>' }
const json = ({ body }: Received): unknown => JSON.parse(body.toString())

const cases: Readonly<Record<string, Case>> = {
  resend: {
    ...mail,
    credentials: { apiKey: 're_1' },
    success: { status: 200, body: { id: 'r1' } },
    providerId: 'r1',
    gone: { status: 422, body: { name: 'validation_error' } },
    refused: { status: 403, body: { name: 'validation_error' } },
    garbage: 'unknown',
    request: (got) => {
      expect(got.headers).toMatchObject({ authorization: 'Bearer re_1', 'idempotency-key': 'n/1/mail' })
      expect(json(got)).toMatchObject({
        from: '"Parley" <news@example.com>',
        to: ['ann@example.com'],
        subject: 'Hi',
        text: 'Body',
        html: '<p>Body</p>',
      })
    },
  },
  postmark: {
    ...mail,
    credentials: { serverToken: 'pm' },
    success: { status: 200, body: { ErrorCode: 0, MessageID: 'p1' } },
    providerId: 'p1',
    gone: { status: 422, body: { ErrorCode: 406, Message: 'inactive recipient' } },
    refused: { status: 422, body: { ErrorCode: 300, Message: 'invalid email' } },
    garbage: 'unknown',
    request: (got) => {
      expect(got.headers['x-postmark-server-token']).toBe('pm')
      expect(json(got)).toMatchObject({
        To: 'ann@example.com',
        TextBody: 'Body',
        HtmlBody: '<p>Body</p>',
        MessageStream: 'outbound',
        Metadata: { delivery: btoa('n/1/mail').replace('=', '') },
      })
    },
  },
  sendgrid: {
    ...mail,
    credentials: { apiKey: 'SG.1' },
    success: { status: 202, headers: { 'x-message-id': 's1' } },
    providerId: 's1',
    gone: { status: 400, body: { errors: [] } },
    refused: { status: 401, body: { errors: [] } },
    garbage: 'unknown',
    request: (got) => {
      expect(json(got)).toMatchObject({
        from: { name: 'Parley', email: 'news@example.com' },
        content: [{ type: 'text/plain' }, { type: 'text/html' }],
      })
    },
  },
  ses: {
    ...mail,
    credentials: { accessKeyId: 'AKIDEXAMPLE012345', secretAccessKey: 'secret', region: 'eu-west-1' },
    success: { status: 200, body: { MessageId: 'e1' } },
    providerId: 'e1',
    gone: { status: 400, headers: { 'x-amzn-errortype': 'MessageRejected' }, body: {} },
    refused: { status: 403, headers: { 'x-amzn-errortype': 'SignatureDoesNotMatch' }, body: {} },
    garbage: 'unknown',
    request: (got) => {
      expect(got.headers.authorization).toMatch(
        /^AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE012345\/\d{8}\/eu-west-1\/ses\/aws4_request, /,
      )
      expect(json(got)).toMatchObject({
        Destination: { ToAddresses: ['ann@example.com'] },
        FromEmailAddress: '"Parley" <news@example.com>',
      })
    },
  },
  twilio: {
    credentials: { accountSid: 'AC1', authToken: 't' },
    to: '+4915112345678',
    from: '+15005550006',
    success: { status: 201, body: { sid: 'SM1' } },
    providerId: 'SM1',
    gone: { status: 400, body: { code: 21610 } },
    refused: { status: 400, body: { code: 21602 } },
    garbage: 'unknown',
    request: (got) => {
      expect(got.url).toBe('/2010-04-01/Accounts/AC1/Messages.json')
      expect(got.headers.authorization).toBe(`Basic ${btoa('AC1:t')}`)
      expect(Object.fromEntries(new URLSearchParams(got.body.toString()))).toEqual({
        To: '+4915112345678',
        From: '+15005550006',
        Body: 'Body',
      })
    },
  },
  'web-push': {
    credentials: { ...vapid, subject: 'mailto:ops@example.com' },
    to: subscription,
    success: { status: 201, headers: { location: 'https://push.example.net/m/1' } },
    providerId: 'https://push.example.net/m/1',
    gone: { status: 410 },
    refused: { status: 413 },
    garbage: 'delivered',
    request: (got) => {
      expect(got.headers).toMatchObject({ ttl: '86400', urgency: 'high', 'content-encoding': 'aes128gcm' })
      expect(got.headers['topic']).toMatch(/^[\w-]{32}$/)
    },
  },
  fcm: {
    credentials: { projectId: 'parley-demo', clientEmail: 'push@parley-demo.iam.gserviceaccount.com', privateKey: rsa },
    to: { token: 'device' },
    success: { status: 200, body: { name: 'projects/parley-demo/messages/1' } },
    providerId: 'projects/parley-demo/messages/1',
    gone: { status: 404, body: { error: { status: 'NOT_FOUND', details: [{ errorCode: 'UNREGISTERED' }] } } },
    refused: {
      status: 400,
      body: { error: { status: 'INVALID_ARGUMENT', details: [{ errorCode: 'INVALID_ARGUMENT' }] } },
    },
    garbage: 'unknown',
    request: (got) => {
      expect(got.headers.authorization).toBe('Bearer token')
      expect(json(got)).toMatchObject({
        message: { token: 'device', notification: { title: 'Hi', body: 'Body' }, android: { priority: 'HIGH' } },
      })
    },
  },
  apns: {
    credentials: { teamId: 'TEAM123456', keyId: 'KEY1234567', privateKey: ec, topic: 'com.example.app' },
    to: { token: 'ab'.repeat(32) },
    success: { status: 200, headers: { 'apns-id': 'a1' } },
    providerId: 'a1',
    gone: { status: 410, body: { reason: 'Unregistered' } },
    refused: { status: 400, body: { reason: 'BadTopic' } },
    garbage: 'unknown',
    request: (got) => {
      expect(got.headers).toMatchObject({ 'apns-topic': 'com.example.app', 'apns-priority': '10' })
      expect(json(got)).toMatchObject({ aps: { alert: { title: 'Hi', body: 'Body' } } })
    },
  },
  slack: {
    credentials: {},
    to: { url: 'https://hooks.slack.com/services/T/B/x' },
    success: { status: 200, body: 'ok' },
    gone: { status: 404, body: 'no_service' },
    refused: { status: 400, body: 'invalid_payload' },
    garbage: 'unknown',
    request: (got) => expect(json(got)).toEqual({ text: '*Hi*\nBody\n<https://example.com/a>' }),
  },
  discord: {
    credentials: { url: 'https://discord.com/api/webhooks/1/x' },
    to: undefined,
    success: { status: 200, body: { id: 'd1' } },
    providerId: 'd1',
    gone: { status: 404, body: { code: 10_015 } },
    refused: { status: 400, body: { code: 50_006 } },
    garbage: 'unknown',
    request: (got) => {
      expect(got.url).toBe('/api/webhooks/1/x?wait=true')
      expect(json(got)).toEqual({ content: '**Hi**\nBody\nhttps://example.com/a', allowed_mentions: { parse: [] } })
    },
  },
  webhook: {
    credentials: { secret: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw' },
    to: { url: 'https://hooks.example.com/n' },
    success: { status: 204 },
    gone: { status: 410 },
    refused: { status: 404 },
    garbage: 'delivered',
    request: ({ headers, body }) => {
      expect(headers['webhook-id']).toBe('n/1/mail')
      const given = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]))
      expect(new Webhook('whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw').verify(body.toString(), given)).toMatchObject({
        data: { id: 'n/1/mail', title: 'Hi', body: 'Body' },
      })
    },
  },
}

function caseOf(name: string): Case {
  const found = cases[name]
  if (found === undefined) throw new Error(`there is no case for ${name}`)
  return found
}

function send(name: string, how: Behaviour, change: Partial<Message> = {}): Promise<DeliveryOutcome> {
  const type = providerTypeOf(name)!
  const { credentials, to, from } = caseOf(name)
  const content = {
    title: 'Hi',
    body: 'Body',
    url: 'https://example.com/a',
    ...(type.channel === 'email' ? { html: '<p>Body</p>' } : {}),
  }
  const message: Message = {
    id: 'n/1/mail',
    content,
    to,
    from,
    priority: 'high',
    headers: {},
    workflow: 'welcome',
    ...change,
  }
  const tokens = new Map<string, string>()
  return attemptDelivery(
    type,
    message,
    type.credentials.parse(credentials),
    caller(how),
    { now: Date.now(), sign: async (secret, id, body) => await signedHeaders([secret], id, body, Date.now()) },
    tokens,
  )
}

test('every type of provider is held against the contract', () => {
  expect(Object.keys(cases).toSorted()).toEqual(Object.keys(providerTypes).toSorted())
})

describe.each(Object.keys(cases))('%s', (name) => {
  const { success, providerId, gone, refused, garbage, request } = caseOf(name)

  test('delivers, with what the message needs in the request', async () => {
    const outcome = await send(name, success)
    expect(outcome).toMatchObject({ kind: 'delivered', ...(providerId === undefined ? {} : { providerId }) })
    request(received.at(-1)!)
  })

  test('says that an address is gone, or that this message is refused', async () => {
    // These three know of addresses by their events only.
    const isKnown = !['resend', 'sendgrid', 'ses'].includes(name)
    expect((await send(name, gone)).kind).toBe(isKnown ? 'gone' : 'refused')
    expect((await send(name, refused)).kind).toBe('refused')
  })

  test('is tried again after 429, when it said, and after its own errors: nothing was sent', async () => {
    const limited = await send(name, { status: 429, headers: { 'retry-after': '7' }, body: '{}' })
    expect(limited).toMatchObject({ kind: 'later', retryInMs: 7000 })
    expect((await send(name, { status: 500, body: 'oops' })).kind).toBe('later')
    expect(await send(name, { status: 503, headers: { 'retry-after': '60' } })).toMatchObject({
      kind: 'later',
      retryInMs: 60_000,
    })
  })

  test('leaves open what became of a call that a gateway ended, that was not answered, or whose connection was lost', async () => {
    expect((await send(name, { status: 502, body: '<html>Bad gateway</html>' })).kind).toBe('unknown')
    expect((await send(name, { status: 504 })).kind).toBe('unknown')
    expect((await send(name, 'hang')).kind).toBe('unknown')
    expect((await send(name, 'cut')).kind).toBe('unknown')
  })

  test('does not take nonsense for an answer of the provider', async () => {
    expect(
      (await send(name, { status: 200, headers: { 'content-type': 'text/html' }, body: '<html>Sign in</html>' })).kind,
    ).toBe(garbage)
    expect((await send(name, { status: 200, body: '[]' })).kind).toBe(garbage)
    expect((await send(name, { status: 302, headers: { location: 'https://example.com' } })).kind).toBe('refused')
  })

  test('is not called for an address that is none', async () => {
    const before = received.length
    const outcome = await send(name, success, { to: { nonsense: true } })
    if (name === 'discord') return
    expect(outcome.kind).toMatch(/gone|refused/)
    expect(received.length).toBe(before)
  })
})

test('keys that are longer than a provider takes are hashed, so that deliveries whose ids begin alike have different keys', async () => {
  const long = `n/${'u'.repeat(300)}/`
  const keyOf = async (name: string, id: string, read: (got: Received) => unknown) => {
    await send(name, caseOf(name).success, { id })
    return String(read(received.at(-1)!))
  }
  const header = (name: string) => (got: Received) => got.headers[name]
  const collapse = (got: Received) =>
    z.object({ message: z.object({ android: z.object({ collapse_key: z.string() }) }) }).parse(json(got)).message
      .android.collapse_key
  const cases = [
    ['resend', 256, header('idempotency-key')],
    ['webhook', 256, header('webhook-id')],
    ['fcm', 64, collapse],
    ['apns', 64, header('apns-collapse-id')],
  ] as const
  for (const [name, length, read] of cases) {
    const [one, again, two] = [
      await keyOf(name, `${long}1`, read),
      await keyOf(name, `${long}1`, read),
      await keyOf(name, `${long}2`, read),
    ]
    expect(one.length, name).toBeLessThanOrEqual(length)
    expect(one, name).toBe(again)
    expect(one, name).not.toBe(two)
    expect(await keyOf(name, 'n/1/mail', read), name).toBe('n/1/mail')
  }
})
