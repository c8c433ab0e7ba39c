import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build } from 'esbuild'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import PostalMime from 'postal-mime'
import { startMiniflare } from '../../local/miniflare.ts'
import { startWorkerd, type Running } from '../../local/workerd.ts'
import { freePort } from '../support/e2e/system.ts'
import { SmtpServer } from '../support/smtp-server.ts'

const root = join(import.meta.dirname, '../..')

/** Sends an e-mail to the server with the credentials of the request. */
const worker = `
  import { sendBySmtp } from './src/handlers/notification-smtp.ts'
  const message = {
    id: 'n/ann/mail', content: { title: 'Grüße', body: 'Hello', html: '<p>Hello</p>' }, to: 'ann@example.com',
    from: 'news@example.com', priority: 'normal', headers: {}, workflow: 'welcome',
  }
  export default {
    async fetch(request, bound) {
      const { credentials, deadlineMs, tenant } = await request.json()
      const env = { ...bound, ENVIRONMENT: 'local', ALLOW_PRIVATE_ENDPOINTS: '1' }
      return Response.json(await sendBySmtp(env, tenant, message, { host: 'localhost', ...credentials }, deadlineMs))
    },
  }
`

const server = new SmtpServer()
let smtpPort = 0
beforeAll(async () => {
  smtpPort = await server.start()
})
afterAll(() => server.stop())
beforeEach(() => server.forget())

const runtimes = { workerd: startWorkerd, Miniflare: startMiniflare }

describe.each(Object.entries(runtimes))('a server of SMTP, called from %s', (_, start) => {
  let dataDir: string
  let running: Running
  let port: number

  beforeAll(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'parley-smtp-'))
    port = await freePort()
    const file = join(dataDir, 'worker.js')
    await build({
      stdin: { contents: worker, resolveDir: root, loader: 'js' },
      outfile: file,
      bundle: true,
      format: 'esm',
      platform: 'browser',
      target: 'es2024',
      conditions: ['workerd', 'worker', 'browser'],
      external: ['cloudflare:*', 'node:*'],
    })
    const config = { compatibilityDate: '2026-10-01', compatibilityFlags: [], actors: [], crons: [], vars: {} }
    const vars = { ALLOW_PRIVATE_ENDPOINTS: '1' }
    running = await start({ worker: file, config, vars, dataDir, host: '127.0.0.1', port })
  })
  afterAll(async () => {
    await running.stop()
    await rm(dataDir, { recursive: true, force: true })
  })

  const send = async (tenant: string, credentials: object, deadlineMs = 60_000): Promise<unknown> => {
    const body = JSON.stringify({ tenant, credentials: { port: smtpPort, ...credentials }, deadlineMs })
    for (;;) {
      const response = await fetch(`http://127.0.0.1:${port}/`, { method: 'POST', body }).catch(() => undefined)
      if (response !== undefined) return await response.json()
      await new Promise((again) => setTimeout(again, 50))
    }
  }

  test('takes an e-mail', async () => {
    expect(await send('one', { security: 'none', user: 'parley', password: 'secret' })).toEqual({
      kind: 'delivered',
      answer: '250 2.0.0 queued as 17',
    })
    expect(await PostalMime.parse(server.mails[0]?.text ?? '')).toMatchObject({
      subject: 'Grüße',
      html: '<p>Hello</p>',
    })
  })

  test('that does not encrypt after STARTTLS gets neither a password nor a message', async () => {
    server.answers = { handshake: '500 unknown command' }
    expect(await send('two', { security: 'starttls', user: 'parley', password: 'secret' })).toMatchObject({
      kind: 'later',
    })
    expect(server.mails).toEqual([])
    expect(server.lines.filter((line) => !/^(?:EHLO|STARTTLS)/.test(line))).toEqual([])
  })

  test('that never ends the handshake of TLS is given up at the deadline', async () => {
    expect(await send('six', { security: 'starttls' }, 300)).toEqual({
      kind: 'later',
      answer: 'no answer in time',
    })
    expect(await send('six', { security: 'tls' }, 300)).toMatchObject({ kind: 'later' })
  })

  test('that says nothing is given up at the deadline', async () => {
    server.answers = { greeting: 'hang' }
    expect(await send('three', { security: 'none' }, 200)).toEqual({ kind: 'later', answer: 'no answer in time' })
  })

  test('that refuses connections was not given the message', async () => {
    // No server listens on this one.
    expect(await send('four', { security: 'none', port: 1 })).toMatchObject({ kind: 'later' })
  })
})
