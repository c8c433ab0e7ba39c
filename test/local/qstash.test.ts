import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { Client, Receiver } from '@upstash/qstash'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { type Qstash, type QstashOptions, startQstash } from '../../local/qstash/server.ts'
import { Gate, Hooks } from '../contracts/qstash-hooks.ts'

/** What only the stand-in has: its file, scaled time, refused destinations. */

const keys = { currentSigningKey: 'sig_current', nextSigningKey: 'sig_next' }

let folder = ''
let hooks = new Hooks()
let running: Qstash | undefined

async function start(options: Partial<QstashOptions> = {}): Promise<Client> {
  running = await startQstash({ dataFile: join(folder, 'qstash.sqlite'), token: 'token', ...keys, ...options })
  return new Client({ baseUrl: running.url, token: 'token', retry: false })
}

async function restart(options: Partial<QstashOptions> = {}): Promise<Client> {
  await running?.stop()
  return start(options)
}

/** Starts it in a process of its own, which can be killed. */
async function startInChild(dataFile: string): Promise<{ url: string; kill: () => Promise<void> }> {
  const module = new URL('../../local/qstash/server.ts', import.meta.url).href
  const options = JSON.stringify({ dataFile, token: 'token', ...keys })
  const script = `const { startQstash } = await import('${module}'); console.log((await startQstash(${options})).url)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [url] = await once(child.stdout, 'data')
  return {
    url: String(url).trim(),
    async kill() {
      const ended = once(child, 'exit')
      child.kill('SIGKILL')
      await ended
    },
  }
}

const eventually = <T>(holds: () => T | Promise<T>) => vi.waitFor(holds, { timeout: 30_000, interval: 5 })

beforeEach(async () => {
  vi.spyOn(console, 'error').mockReturnValue()
  folder = await mkdtemp(join(tmpdir(), 'qstash-'))
  hooks = new Hooks()
  await hooks.listen()
})

afterEach(async () => {
  await running?.stop()
  running = undefined
  await hooks.close()
  await rm(folder, { recursive: true })
})

test('a file that is no database is set aside, and QStash starts without its messages', async () => {
  const file = join(folder, 'qstash.sqlite')
  await writeFile(file, 'not a database')
  await start()
  await restart()
  const aside = (await readdir(folder)).filter((name) => name.includes('.damaged-'))
  expect(await Promise.all(aside.map((name) => readFile(join(folder, name), 'utf8')))).toEqual(['not a database'])
})

test('a delivery that the end of the process interrupts is made again, under the same id', async () => {
  const client = await start()
  const hook = hooks.open((_, nth) => (nth === 0 ? new Promise(() => {}) : {}))
  const { messageId } = await client.publish({ url: hook.url, body: 'precious' })
  await eventually(() => expect(hook.deliveries).toHaveLength(1))

  const after = await restart()
  await eventually(() => expect(hook.deliveries).toHaveLength(2))
  expect(hook.deliveries.map(({ header }) => header['upstash-message-id'])).toEqual([messageId, messageId])
  expect(hook.deliveries.map(({ header }) => header['upstash-retried'])).toEqual(['0', '0'])
  await eventually(() => expect(after.messages.get(messageId)).rejects.toMatchObject({ status: 404 }))
})

test('accepted messages survive a kill of the process', async () => {
  const child = await startInChild(join(folder, 'qstash.sqlite'))
  const client = new Client({ baseUrl: child.url, token: 'token', retry: false })
  const hook = hooks.open((_, nth) => (nth === 0 ? new Promise(() => {}) : {}))
  const { messageId } = await client.publish({ url: hook.url, body: 'precious' })
  const { messageId: later } = await client.publish({ url: hook.url, body: 'later', delay: 3600 })
  await eventually(() => expect(hook.deliveries).toHaveLength(1))
  await child.kill()

  const after = await start()
  await eventually(() => expect(hook.deliveries).toHaveLength(2))
  expect(hook.deliveries[1]?.header['upstash-message-id']).toBe(messageId)
  expect(await after.messages.get(later)).toMatchObject({ body: 'later' })
})

test('delayed messages and dead letters survive a restart', async () => {
  const client = await start()
  const [hook, dead] = [hooks.open(), hooks.open(() => ({ status: 500 }))]
  const { messageId } = await client.publish({ url: hook.url, body: 'later', delay: 3600 })
  await client.publish({ url: dead.url, retries: 0 })
  const letters = await eventually(async () => {
    const { messages } = await client.dlq.listMessages()
    expect(messages).toHaveLength(1)
    return messages
  })

  const after = await restart()
  expect(await after.messages.get(messageId)).toMatchObject({ body: 'later' })
  expect((await after.dlq.listMessages()).messages).toEqual(letters)
})

test('a file of the version with queues, schedules and a log is opened, and its messages are delivered', async () => {
  const [hook, failed] = [hooks.open(() => ({ status: 500 })), hooks.open()]
  const db = new DatabaseSync(join(folder, 'qstash.sqlite'))
  db.exec(await readFile(new URL('qstash-earlier.sql', import.meta.url), 'utf8'))
  const options = { method: 'POST', header: {}, maxRetries: 0, delayMs: 0 }
  const times = { notBefore: 1000, createdAt: 1000, callerIp: '127.0.0.1' }
  const details = {
    ...options,
    ...times,
    labels: ['old'],
    failureCallback: { url: failed.url, options },
    flow: { key: 'k' },
  }
  db.prepare(
    `INSERT INTO messages (id, url, queue, flow_key, position, retried, due_at, active, details, body)
     VALUES ('msg_old', ?, 'line', 'k', 7, 0, 1000.5, 1, ?, ?)`,
  ).run(hook.url, JSON.stringify(details), Buffer.from('kept'))
  db.prepare('INSERT INTO deduplications (key, message_id, expires_at) VALUES (?, ?, ?)').run(
    'id:once ',
    'msg_old',
    9e12,
  )
  db.close()

  const client = await start()
  await eventually(() => expect(failed.deliveries).toHaveLength(1))
  expect(hook.deliveries.map(({ body }) => body.toString())).toEqual(['kept'])
  expect((await client.dlq.listMessages({ filter: { label: 'old' } })).messages).toMatchObject([
    { messageId: 'msg_old', body: 'kept', responseStatus: 500 },
  ])
  expect(await client.publish({ url: hook.url, deduplicationId: 'once' })).toMatchObject({ messageId: 'msg_old' })
})

test('an option that the stand-in does not have is refused by its name', async () => {
  const client = await start()
  const { url } = hooks.open()
  await expect(client.publish({ url, callback: url })).rejects.toThrow('Upstash-Callback: not supported')
  await expect(client.publish({ url, timeout: 5 })).rejects.toThrow('Upstash-Timeout: not supported')
  await expect(client.publish({ url, flowControl: { key: 'k', rate: 1 } })).rejects.toThrow('Upstash-Flow-Control')
  await expect(client.publish({ url, contentBasedDeduplication: true })).rejects.toThrow('Content-Based-Deduplication')
  await expect(client.publishJSON({ urlGroup: 'all', body: 1 })).rejects.toMatchObject({ status: 400 })
  await expect(client.queue({ queueName: 'line' }).enqueue({ url })).rejects.toMatchObject({ status: 404 })
  await expect(client.schedules.create({ destination: url, cron: '* * * * *' })).rejects.toMatchObject({ status: 404 })
  await expect(client.logs()).rejects.toMatchObject({ status: 404 })
})

test('a message that came due while the process was down goes out at the next start', async () => {
  const client = await start({ timeScale: 100 })
  const hook = hooks.open()
  await client.publish({ url: hook.url, delay: 200 })
  const dueAt = Date.now() + 2000
  await running?.stop()
  await eventually(() => expect(Date.now()).toBeGreaterThan(dueAt))
  expect(hook.deliveries).toEqual([])

  await start({ timeScale: 100 })
  await eventually(() => expect(hook.deliveries).toHaveLength(1))
})

test('a receiver that has rotated its keys accepts what was signed with its next one', async () => {
  const client = await start({ currentSigningKey: 'sig_next' })
  const hook = hooks.open()
  await client.publish({ url: hook.url, body: 'x' })
  await eventually(() => expect(hook.deliveries).toHaveLength(1))

  const signature = hook.deliveries[0]?.header['upstash-signature'] ?? ''
  await expect(new Receiver(keys).verify({ signature, body: 'x', url: hook.url })).resolves.toBe(true)
})

test('after the deduplication window the same id sends again', async () => {
  const client = await start({ timeScale: 6000 })
  const hook = hooks.open()
  const publish = () => client.publish({ url: hook.url, deduplicationId: 'once' })
  const began = Date.now()
  const first = await publish()
  await eventually(() => expect(hook.deliveries).toHaveLength(1))

  const later = await eventually(async () => {
    const { messageId } = await publish()
    expect(messageId).not.toBe(first.messageId)
    return messageId
  })
  expect(Date.now() - began).toBeGreaterThan(80)
  await eventually(() => expect(hook.deliveries).toHaveLength(2))
  expect(hook.deliveries[1]?.header['upstash-message-id']).toBe(later)
})

test('a URL that is not allowed is refused as a destination and as a failure callback', async () => {
  const url = 'https://example.com/'
  const client = await start({ allowDestination: (asked) => new URL(asked).hostname === '127.0.0.1' })
  const hook = hooks.open()

  const refused = { status: 400 }
  await expect(client.publish({ url })).rejects.toMatchObject(refused)
  await expect(client.publish({ url: hook.url, failureCallback: url })).rejects.toMatchObject(refused)
  await client.publish({ url: hook.url })
  await eventually(() => expect(hook.deliveries).toHaveLength(1))
})

test('a batch with one bad message sends none of them', async () => {
  const client = await start()
  const hook = hooks.open()
  await expect(client.batch([{ url: hook.url }, { url: 'ftp://nowhere' }])).rejects.toMatchObject({ status: 400 })

  await client.publish({ url: hook.url, body: 'alone' })
  await eventually(() => expect(hook.deliveries.map(({ body }) => body.toString())).toEqual(['alone']))
})

test('malformed options are refused, each by name', async () => {
  await start()
  const publish = async (header: Record<string, string>) => {
    const response = await fetch(`${running?.url}/v2/publish/http://127.0.0.1:1/`, {
      method: 'POST',
      headers: { Authorization: 'Bearer token', ...header },
    })
    return { status: response.status, text: await response.text() }
  }

  for (const [name, value] of [
    ['Upstash-Delay', 'soon'],
    ['Upstash-Retries', '-1'],
    ['Upstash-Method', 'BREW'],
    ['Upstash-Retry-Delay', 'retried +'],
    ['Upstash-Not-Before', 'tomorrow'],
  ] as const) {
    expect(await publish({ [name]: value })).toEqual({ status: 400, text: expect.stringContaining(name) })
  }
})

test('a message cancelled during an attempt is neither retried nor reported, whatever the outcome', async () => {
  const client = await start()
  const gate = new Gate()
  const told = hooks.open()
  const hook = hooks.open(() => gate.passed().then(() => ({ status: 500 })))
  const { messageId } = await client.publish({ url: hook.url, retries: 0, failureCallback: told.url })
  await eventually(() => expect(hook.open).toBe(1))
  await client.messages.cancel(messageId)
  gate.open()

  await eventually(() => expect(hook.open).toBe(0))
  const marker = hooks.open()
  await client.publish({ url: marker.url })
  await eventually(() => expect(marker.deliveries).toHaveLength(1))
  expect((await client.dlq.listMessages()).messages).toEqual([])
  expect(told.deliveries).toEqual([])
})

test('an endpoint that cannot be reached leads to a dead letter without a status', async () => {
  const client = await start()
  await client.publish({ url: 'http://127.0.0.1:1/', retries: 0 })

  const letter = await eventually(async () => {
    const { messages } = await client.dlq.listMessages()
    const [first] = messages
    if (first === undefined) throw new Error('no dead letter yet')
    return first
  })
  expect(letter.responseStatus).toBeUndefined()
  expect(letter.responseBody).toContain('ECONNREFUSED')
})

test('a batch of 500 messages is delivered within seconds, each once', async () => {
  const client = await start()
  const hook = hooks.open()
  await client.batch(Array.from({ length: 500 }, (_, n) => ({ url: hook.url, body: String(n) })))

  await eventually(() => expect(hook.deliveries).toHaveLength(500))
  expect(new Set(hook.deliveries.map(({ body }) => body.toString())).size).toBe(500)
})
