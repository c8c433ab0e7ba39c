import { once } from 'node:events'
import { connect } from 'node:net'
import { Readable, Writable } from 'node:stream'
import PostalMime from 'postal-mime'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Message } from '../../src/notifications/channels/provider.ts'
import { mailText, type Mail } from '../../src/notifications/channels/smtp/mime.ts'
import {
  sendMail,
  type SmtpResult,
  type SmtpSession,
  type SmtpStream,
} from '../../src/notifications/channels/smtp/smtp-client.ts'
import { badSmtp, smtpCredentials } from '../../src/notifications/channels/smtp/smtp.ts'
import { SmtpServer, type SmtpAnswer, type SmtpPoint } from '../support/smtp-server.ts'

const server = new SmtpServer()
let port = 0
beforeAll(async () => {
  port = await server.start()
})
afterAll(() => server.stop())
beforeEach(() => server.forget())

const at = Date.parse('2026-11-30T12:00:00Z')
const message: Message = {
  id: 'n/ann/mail',
  content: { title: 'Grüße, Ann', body: 'Hello\n.\n..dots', html: '<p>Hello <b>Ann</b></p>' },
  to: 'ann@example.com',
  from: 'Parley <news@example.com>',
  priority: 'normal',
  headers: {
    'List-Unsubscribe': `<https://api.example.com/unsubscribe/${'x'.repeat(400)}>`,
    'List-Unsubscribe-Post': 'List-Unsubscribe=One-Click',
  },
  workflow: 'welcome',
}
const login = { user: 'parley', password: 'sécret' }
const session: SmtpSession = { security: 'starttls', login, name: 'api.example.com' }

/** Hands a mail to the server, which answers as told; a server that says nothing is given up. */
async function send(
  answers: Partial<Record<SmtpPoint, SmtpAnswer>> = {},
  given: Partial<SmtpSession> = {},
  mail?: Mail,
): Promise<SmtpResult & { readonly encryptions: number }> {
  server.answers = answers
  const socket = connect(port, '127.0.0.1')
  server.silent = () => socket.destroy()
  // It may be closed before it was seen to be open.
  await Promise.race([once(socket, 'connect'), once(socket, 'close')])
  let encryptions = 0
  const [readable, writable] = [Readable.toWeb(socket), Writable.toWeb(socket)]
  const stream: SmtpStream = {
    readable,
    writable,
    startTls: () => {
      encryptions++
      return stream
    },
  }
  const result = await sendMail(
    stream,
    mail ?? (await mailText(message, at)),
    { ...session, ...given },
    new AbortController().signal,
  )
  socket.destroy()
  return { ...result, encryptions }
}

const kindOf = async (...given: Parameters<typeof send>) => (await send(...given)).outcome.kind

test('an e-mail is handed over encrypted and signed in, and is read back by a MIME library as it was meant', async () => {
  const sent = await send()
  expect(sent).toEqual({
    outcome: { kind: 'delivered', answer: '250 2.0.0 queued as 17' },
    isTrouble: false,
    encryptions: 1,
  })
  // The end of the session may be lost with the connection.
  expect(server.lines.filter((line) => line !== 'QUIT')).toEqual([
    'EHLO api.example.com',
    'STARTTLS',
    'EHLO api.example.com',
    'AUTH PLAIN',
    Buffer.from('\0parley\0sécret').toString('base64'),
    expect.stringMatching(/^MAIL FROM:<news@example\.com> SIZE=\d+$/),
    'RCPT TO:<ann@example.com>',
    'DATA',
  ])
  const [mail] = server.mails
  expect(mail).toMatchObject({ from: 'news@example.com', to: 'ann@example.com' })
  expect(Math.max(...(mail?.text ?? '').split('\r\n').map((line) => line.length))).toBeLessThanOrEqual(998)
  const read = await PostalMime.parse(mail?.text ?? '')
  expect(read).toMatchObject({
    from: { name: 'Parley', address: 'news@example.com' },
    to: [{ address: 'ann@example.com' }],
    subject: 'Grüße, Ann',
    date: '2026-11-30T12:00:00.000Z',
    text: expect.stringMatching(/^Hello\r?\n\.\r?\n\.\.dots\s*$/),
    html: expect.stringMatching(/^<p>Hello <b>Ann<\/b><\/p>\s*$/),
    messageId: expect.stringMatching(/^<[\da-f]{40}@example\.com>$/),
  })
  const headers = Object.fromEntries(read.headers.map(({ key, value }) => [key, value]))
  expect(headers).toMatchObject({
    'list-unsubscribe': message.headers['List-Unsubscribe'],
    'list-unsubscribe-post': 'List-Unsubscribe=One-Click',
  })
})

test('text alone is an e-mail of one part, lines of AUTH LOGIN are used where there is no PLAIN, and no name is signed in without one', async () => {
  const { html: _, ...content } = message.content
  const offers = '250-mail.example.com\r\n250 AUTH LOGIN'
  expect(await kindOf({ EHLO: offers }, { security: 'tls' }, await mailText({ ...message, content }, at))).toBe(
    'delivered',
  )
  expect(server.lines).toContain(Buffer.from('sécret').toString('base64'))
  expect(await PostalMime.parse(server.mails[0]?.text ?? '')).toMatchObject({ text: expect.stringContaining('..dots') })
  server.forget()
  expect(await kindOf({}, { security: 'none', login: undefined })).toBe('delivered')
  expect(server.lines.some((line) => line.startsWith('AUTH'))).toBe(false)
})

describe('no header and no command can be added by', () => {
  const injected = 'x\r\nBcc: eve@example.com\r\n\r\nBody'

  test.each([
    ['a subject', { content: { title: injected, body: 'b' } }],
    ['the name of the sender', { from: `${injected} <news@example.com>` }],
    ['the recipient', { to: `ann@example.com>\r\nRCPT TO:<eve@example.com` }],
    ['a header', { headers: { 'X-A': injected } }],
    ['the name of a header', { headers: { 'X-A: b\r\nBcc': 'eve@example.com' } }],
    ['the id of the delivery', { id: injected }],
  ] as const)('%s', async (_, change) => {
    const mail = await mailText({ ...message, ...change }, at).catch((thrown: unknown) => String(thrown))
    if (typeof mail === 'string') return expect(mail).toMatch(/email|from|headers/)
    expect(await kindOf({}, {}, mail)).toBe('delivered')
    const read = await PostalMime.parse(server.mails[0]?.text ?? '')
    expect(read.bcc).toBeUndefined()
    expect(server.lines.filter((line) => line.startsWith('RCPT'))).toEqual(['RCPT TO:<ann@example.com>'])
  })
})

describe('the answer of a server', () => {
  const points: readonly SmtpPoint[] = ['greeting', 'EHLO', 'STARTTLS', 'AUTH', 'login', 'MAIL', 'RCPT', 'DATA', 'end']

  test.each(points)('with 4xx at %s is tried again later: nothing was sent', async (point) => {
    expect(await send({ [point]: '451 4.3.2 try later' })).toMatchObject({
      outcome: { kind: 'later', answer: '451 4.3.2 try later' },
      isTrouble: false,
    })
    expect(await send({ [point]: '421 4.3.2 closing' })).toMatchObject({ outcome: { kind: 'later' }, isTrouble: true })
  })

  test.each(points)('with 5xx at %s refuses the message', async (point) => {
    expect(await send({ [point]: '554 5.7.1 no' })).toMatchObject({
      outcome: { kind: 'refused', answer: '554 5.7.1 no' },
      isTrouble: false,
    })
  })

  test('about a mailbox that does not exist says that the address is gone, in its own words only', async () => {
    expect(await kindOf({ RCPT: '550-5.1.1 no such\r\n550 5.1.1 user' })).toBe('gone')
    expect(await kindOf({ RCPT: '550 5.2.1 disabled' })).toBe('gone')
    expect(await kindOf({ RCPT: '550 5.7.1 blocked by policy' })).toBe('refused')
    expect(await kindOf({ RCPT: '550 no' })).toBe('refused')
    expect(await kindOf({ MAIL: '550 5.1.1 sender' })).toBe('refused')
  })

  test.each(points)(
    'is missing at %s, whether it hangs or cuts the connection: not known only when the whole message was handed over',
    async (point) => {
      const kind = point === 'end' ? 'unknown' : 'later'
      expect(await send({ [point]: 'hang' })).toMatchObject({ outcome: { kind }, isTrouble: true })
      expect(await send({ [point]: 'cut' })).toMatchObject({ outcome: { kind }, isTrouble: true })
    },
  )

  test.each(points)('is nonsense, too long or endless at %s', async (point) => {
    const kind = point === 'end' ? 'unknown' : 'later'
    for (const nonsense of [
      'HTTP/1.1 400 Bad Request',
      '99 low',
      '2500 long code',
      '250-one\r\n550 two',
      '\u0016\u0003\u0001',
      `250 ${'x'.repeat(3000)}`,
      '250-a\r\n'.repeat(200),
      'x'.repeat(3000),
    ])
      expect(await send({ [point]: nonsense }), nonsense.slice(0, 20)).toMatchObject({
        outcome: { kind },
        isTrouble: true,
      })
  })

  test('a success that was not asked for is no answer', async () => {
    expect(await kindOf({ MAIL: '354 go on' })).toBe('later')
    expect(await kindOf({ DATA: '250 ok' })).toBe('later')
    expect(await kindOf({ end: '354 more' })).toBe('unknown')
    expect(await kindOf({ RCPT: '250 ok\r\n250 ok' })).toBe('later')
  })
})

describe('encryption', () => {
  test('that is not offered, or is refused, ends the attempt before a name or a message was said', async () => {
    expect(await send({ EHLO: '250-mail.example.com\r\n250 AUTH PLAIN' })).toMatchObject({
      outcome: { kind: 'refused', answer: expect.stringContaining('STARTTLS') },
      encryptions: 0,
    })
    expect(await send({ STARTTLS: '454 4.7.0 not now' })).toMatchObject({ outcome: { kind: 'later' }, encryptions: 0 })
    expect(await send({ STARTTLS: '502 5.5.1 no' })).toMatchObject({ outcome: { kind: 'refused' }, encryptions: 0 })
    expect(server.lines.filter((line) => !/^(?:EHLO|STARTTLS)/.test(line))).toEqual([])
  })

  test('is not begun when the server says more in plain text than that it goes ahead', async () => {
    expect(await send({ STARTTLS: '220 go ahead\r\n250 injected' })).toMatchObject({
      outcome: { kind: 'later', answer: expect.stringContaining('before the encryption') },
      encryptions: 0,
    })
  })
})

test('a server that takes less than the message, no such address or no sign-in is not given the message', async () => {
  expect(await send({ EHLO: '250-mail.example.com\r\n250-STARTTLS\r\n250-AUTH PLAIN\r\n250 SIZE 100' })).toMatchObject({
    outcome: {
      kind: 'refused',
      answer: expect.stringMatching(/^the message has \d+ bytes, and the server takes 100$/),
    },
  })
  expect(await send({ EHLO: '250-mail.example.com\r\n250 STARTTLS' })).toMatchObject({
    outcome: { kind: 'refused', answer: expect.stringContaining('AUTH') },
  })
  const abroad = await mailText({ ...message, to: 'ann@bücher.example' }, at)
  expect(abroad.to).toBe('ann@xn--bcher-kva.example')
  const local = await mailText({ ...message, to: 'jürgen@example.com' }, at)
  expect(await kindOf({}, {}, local)).toBe('refused')
  expect(
    await kindOf({ EHLO: '250-mail.example.com\r\n250-STARTTLS\r\n250-AUTH PLAIN\r\n250 SMTPUTF8' }, {}, local),
  ).toBe('delivered')
})

test('lines that begin with a dot arrive as they were', async () => {
  const text = '.one\r\n..two\r\n.\r\nthree\r\n'
  expect(await kindOf({}, {}, { from: 'a@example.com', to: 'b@example.com', text })).toBe('delivered')
  expect(server.mails[0]?.text).toBe('.one\r\n..two\r\n.\r\nthree')
})

test('credentials name a port of submission, and encryption, unless the server is on the same machine of a development system', () => {
  const bad = (given: object, isPrivateAllowed = false) => badSmtp(smtpCredentials.parse(given), isPrivateAllowed)
  const host = 'smtp.example.com'
  expect(bad({ host })).toBeUndefined()
  expect(bad({ host, port: 465, user: 'a', password: 'b' })).toBeUndefined()
  expect(bad({ host, port: 25 })).toMatch(/^port: /)
  expect(bad({ host, security: 'none' })).toMatch(/^security: /)
  expect(bad({ host, user: 'a' })).toMatch(/^user: /)
  expect(bad({ host: 'localhost', port: 1025, security: 'none' }, true)).toBeUndefined()
  expect(bad({ host: 'localhost', port: 1025, security: 'none' })).toMatch(/^port: /)
  expect(bad({ host: '10.0.0.1', port: 1025 }, true)).toMatch(/^port: /)
  expect(smtpCredentials.safeParse({ host, user: 'a\0b', password: 'c\r\n' }).success).toBe(false)
})
