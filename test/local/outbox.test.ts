import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Client } from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { eventLogSchema } from '../../durable-objects/event-log/schema.ts'
import { SqlEventStore } from '../../durable-objects/event-log/sql-event-store.ts'
import { becomeRelay, cleanUp, lagOf, outboxOf, type Session } from '../../local/outbox/postgres.ts'
import { relayStep, type OutboxPorts, type Published } from '../../local/outbox/relay.ts'
import { outboxSql } from '../../local/outbox/table.ts'
import { startPostgres, type Postgres } from '../../local/postgres/start.ts'
import { append } from '../../src/event-log/append.ts'
import { readEvents } from '../../src/event-log/cloud-events.ts'
import { GivenJson } from '../../src/protocol/given-json.ts'
import { NodeSql } from '../jobs/support/node-sql.ts'

let dataDir: string
let postgres: Postgres
let owner: Client

const connect = async (): Promise<Client> => {
  const client = new Client({ connectionString: postgres.url('customer') })
  await client.connect()
  return client
}

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'parley-outbox-'))
  postgres = await startPostgres({ dataDir, databases: ['customer'] })
  owner = await connect()
})
afterAll(async () => {
  await owner.end()
  await postgres.stop()
  await rm(dataDir, { recursive: true, force: true })
})
beforeEach(async () => {
  await owner.query('DROP TABLE IF EXISTS parley_outbox')
  await owner.query(outboxSql)
})

/** The topics of a deployment: real rules, in memory. */
function deployment() {
  const topics = new Map<string, SqlEventStore>()
  const publish = (topic: string, text: string): Published => {
    const store = topics.get(topic) ?? new SqlEventStore(new NodeSql(eventLogSchema), 0)
    topics.set(topic, store)
    const read = readEvents(new GivenJson(JSON.parse(text), text), 0)
    if (read.kind === 'bad') return { kind: 'refused', detail: read.detail }
    const appended = append(
      store,
      read.events.map((event) => ({ ...event, version: event.version ?? 1 })),
      0,
    )
    return appended.kind === 'refused' ? { kind: 'refused', detail: appended.detail ?? '' } : { kind: 'published' }
  }
  const read = (topic: string) => (topics.get(topic)?.read(0, 1000, 1e9) ?? []).map(({ key, data }) => [key, data])
  return { publish, read }
}

const put = async (type: string, key: string | null, data: string | null, topic = 'default') => {
  await owner.query('INSERT INTO parley_outbox (topic, type, key, data) VALUES ($1, $2, $3, $4)', [
    topic,
    type,
    key,
    data,
  ])
}

const portsOf = (session: Session, publish: (topic: string, text: string) => Published): OutboxPorts => ({
  ...outboxOf(session),
  publish: async (topic, text) => await Promise.resolve(publish(topic, text)),
})

describe('the outbox relay', () => {
  test('publishes what was committed, in order, with data byte for byte, and nothing that was rolled back', async () => {
    const { publish, read } = deployment()
    await owner.query('BEGIN')
    await put('t', 'a', '{"n": 1.0}')
    await owner.query('COMMIT')
    await owner.query('BEGIN')
    await put('t', 'a', '"rolled back"')
    await owner.query('ROLLBACK')
    await put('t', null, null)
    await put('t', 'a', '2', 'other')
    expect(await relayStep(portsOf(owner, publish))).toEqual({ published: 3, failed: 0, waitMs: 0 })
    expect(read('default')).toEqual([
      ['a', '{"n": 1.0}'],
      [null, null],
    ])
    expect(read('other')).toEqual([['a', '2']])
    expect(await relayStep(portsOf(owner, publish))).toEqual({ published: 0, failed: 0, waitMs: 0 })
  })

  test('killed before or after any statement or request, it publishes each row once in effect and in order', async () => {
    let boundaries = 0
    for (let killAt = 1; killAt <= boundaries || boundaries === 0; killAt++) {
      await owner.query('DELETE FROM parley_outbox')
      const { publish, read } = deployment()
      for (const data of ['1', '2', '3']) await put('t', 'a', data)
      for (const data of ['4', '5']) await put('t', 'b', data, 'other')
      const session = await connect()
      let passed = 0
      const boundary = () => {
        if (++passed === killAt) throw new Error('killed')
      }
      const around = async <T>(work: () => Promise<T>): Promise<T> => {
        boundary()
        const result = await work()
        boundary()
        return result
      }
      const ports = portsOf(session, publish)
      const killed = relayStep({
        read: async (limit) => await around(async () => await ports.read(limit)),
        publish: async (topic, text) => await around(async () => await ports.publish(topic, text)),
        markPublished: async (seqs) => await around(async () => await ports.markPublished(seqs)),
        markFailed: async (seq, error) => await around(async () => await ports.markFailed(seq, error)),
      })
      await expect(killed).rejects.toThrow('killed')
      await session.end()
      boundaries ||= 10
      // Written between the two lives.
      await put('t', 'a', '6')
      const again = await connect()
      while ((await relayStep(portsOf(again, publish))).published > 0);
      expect([killAt, read('default'), read('other')]).toEqual([
        killAt,
        ['1', '2', '3', '6'].map((data) => ['a', data]),
        ['4', '5'].map((data) => ['b', data]),
      ])
      expect(await lagOf(again)).toMatchObject({ pending: 0, failed: 0 })
      await again.end()
    }
    expect(boundaries).toBe(10)
  })

  test('a row that is refused stops its key only, is counted, and goes on once it is mended', async () => {
    const { publish, read } = deployment()
    await put('t', 'a', '1')
    await put('not a type', 'a', '2')
    await put('t', 'a', '3')
    await put('t', 'b', '4')
    const drain = async () => {
      for (let steps = 0; steps < 5; steps++) await relayStep(portsOf(owner, publish))
    }
    await drain()
    expect(read('default')).toEqual([
      ['a', '1'],
      ['b', '4'],
    ])
    expect(await lagOf(owner)).toMatchObject({ pending: 2, failed: 1 })
    const { rows } = await owner.query('SELECT error FROM parley_outbox WHERE error IS NOT NULL')
    expect(rows).toEqual([{ error: expect.stringMatching(/^events\.0\.type: /) }])
    await owner.query("UPDATE parley_outbox SET type = 't', error = NULL WHERE error IS NOT NULL")
    await drain()
    expect(read('default')).toEqual([
      ['a', '1'],
      ['b', '4'],
      ['a', '2'],
      ['a', '3'],
    ])
  })

  test('runs once for a database, waits where it is asked to, and deletes published rows after their time', async () => {
    const other = await connect()
    expect(await becomeRelay(owner)).toBe(true)
    expect(await becomeRelay(other)).toBe(false)
    await put('t', null, '1')
    expect(await relayStep(portsOf(owner, () => ({ kind: 'later', waitMs: 500 })))).toEqual({
      published: 0,
      failed: 0,
      waitMs: 500,
    })
    await relayStep(portsOf(owner, deployment().publish))
    expect(await cleanUp(owner, 3600, 10)).toBe(0)
    expect(await cleanUp(owner, -1, 10)).toBe(1)
    await other.end()
  })

  test('has the table that the documentation shows', async () => {
    const page = await readFile(join(import.meta.dirname, '../../docs/outbox.md'), 'utf8')
    expect(page).toContain(outboxSql)
  })
})

describe('the package `parley`', () => {
  const run = promisify(execFile)

  test('relays an outbox where it was installed from its archive, without a network and other packages', async () => {
    const app = join(dataDir, 'app')
    await mkdir(app)
    const package_ = join(import.meta.dirname, '../../cli')
    await run('npm', ['pack', '--silent', '--pack-destination', app], { cwd: package_ })
    await run('npm', [
      'install',
      '--offline',
      '--no-audit',
      '--no-fund',
      '--prefix',
      app,
      join(app, 'parley-0.1.0.tgz'),
    ])
    const received: unknown[] = []
    const deployed = createServer((request, response) => {
      let body = ''
      request.on('data', (chunk: Buffer) => (body += chunk.toString()))
      request.on('end', () => {
        received.push(request.method, request.url, request.headers.authorization, ...JSON.parse(body))
        response.end('{}')
      })
    })
    await new Promise<void>((resolve) => deployed.listen(0, '127.0.0.1', resolve))
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it listens on a port
    const { port } = deployed.address() as AddressInfo
    try {
      // An earlier test made its session the relay of this database.
      await owner.query('SELECT pg_advisory_unlock_all()')
      await put('order.paid', 'o-1', '{"total": 20}', 'orders')
      const { stdout } = await run(
        join(app, 'node_modules/.bin/parley'),
        ['outbox-relay', '--once', '--database', postgres.url('customer'), '--url', `http://127.0.0.1:${port}`],
        { cwd: app, env: { ...process.env, PARLEY_API_KEY: 'key' } },
      )
      expect(stdout).toContain('pending')
      expect(received).toEqual([
        'POST',
        '/v1/events?topic=orders',
        'Bearer key',
        expect.objectContaining({ type: 'order.paid', key: 'o-1', data: { total: 20 } }),
      ])
      const { rows } = await owner.query('SELECT count(published_at)::int AS published FROM parley_outbox')
      expect(rows).toEqual([{ published: 1 }])
    } finally {
      deployed.close()
    }
  }, 120_000)
})
