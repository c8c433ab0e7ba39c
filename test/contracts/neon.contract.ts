import { Client, neon, neonConfig, Pool } from '@neondatabase/serverless'
import type { NeonQueryFunction } from '@neondatabase/serverless'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { eventually } from './neon.eventually.ts'
import type { NeonWorld } from './neon.world.ts'

type Sql = NeonQueryFunction<false, false>

/**
 * What Parley relies on when it speaks Neon's protocol, told by Neon's own SDK. Run against whatever `open` puts behind
 * it; the world must hold two empty databases.
 */
export function neonContract(name: string, open: () => Promise<NeonWorld>): void {
  describe(`Neon's protocol, ${name}`, () => {
    let world: NeonWorld
    let sql: Sql

    beforeAll(async () => {
      world = await open()
      neonConfig.fetchEndpoint = `${world.proxy.url}/sql`
      neonConfig.wsProxy = `127.0.0.1:${world.proxy.port}/v2`
      neonConfig.useSecureWebSocket = false
      sql = neon(world.url('first'))
      await sql`create table note (id bigint generated always as identity primary key, body text not null unique)`
      await neon(world.url('second'))`create table elsewhere (id int)`
    })
    afterAll(async () => await world?.close())
    beforeEach(async () => void (await sql`truncate note`))

    describe('over HTTP', () => {
      test('every type comes back as the SDK means it', async () => {
        const rows = await sql`select 1::int as int, 9007199254740993::int8 as big, 1.50::numeric as numeric,
          'é😀'::text as text, true as bool, null::text as nothing, '{"a":[1]}'::jsonb as json,
          '2026-01-02T03:04:05.678Z'::timestamptz as at, array['a,b', null, '"']::text[] as list, '\\x00ff'::bytea as bytes`
        expect(rows).toEqual([
          {
            int: 1,
            big: '9007199254740993',
            numeric: '1.50',
            text: 'é😀',
            bool: true,
            nothing: null,
            json: { a: [1] },
            at: new Date('2026-01-02T03:04:05.678Z'),
            list: ['a,b', null, '"'],
            bytes: Buffer.from([0, 255]),
          },
        ])
      })

      test('parameters of every kind arrive whole', async () => {
        const at = new Date('2026-01-02T03:04:05.678Z')
        const [row] = await sql`select ${1}::int as int, ${'x; y'}::text as text, ${null}::text as nothing,
          ${['a', 'b"']}::text[] as list, ${{ a: 1 }}::jsonb as json, ${at}::timestamptz as at, ${true}::bool as bool,
          ${Buffer.from([1, 2])} as bytes`
        expect(row).toEqual({
          int: 1,
          text: 'x; y',
          nothing: null,
          list: ['a', 'b"'],
          json: { a: 1 },
          at,
          bool: true,
          bytes: Buffer.from([1, 2]),
        })
      })

      test('full results have command, count and columns', async () => {
        const inserted = await sql.query('insert into note (body) values ($1), ($2)', ['a', 'b'], { fullResults: true })
        expect(inserted).toMatchObject({ command: 'INSERT', rowCount: 2, rows: [], fields: [] })
        const found = await sql.query('select body from note order by id', [], { fullResults: true, arrayMode: true })
        expect(found).toMatchObject({ command: 'SELECT', rowCount: 2, rows: [['a'], ['b']] })
        expect(found.fields).toMatchObject([{ name: 'body', dataTypeID: 25, columnID: 2 }])
      })

      test('two thousand rows go in with one statement', async () => {
        const bodies = Array.from({ length: 2000 }, (_, at) => `note ${at}`)
        const result = await sql.query('insert into note (body) select unnest($1::text[])', [bodies], {
          fullResults: true,
        })
        expect(result.rowCount).toBe(2000)
        expect(await sql`select count(*)::int as n from note`).toEqual([{ n: 2000 }])
      })

      test('an error keeps what Postgres said about it', async () => {
        await sql`insert into note (body) values ('twice')`
        expect(await failure(sql`insert into note (body) values ('twice')`)).toMatchObject({
          name: 'NeonDbError',
          code: '23505',
          severity: 'ERROR',
          schema: 'public',
          table: 'note',
          constraint: 'note_body_key',
          detail: 'Key (body)=(twice) already exists.',
          message: expect.stringContaining('duplicate key value'),
          routine: '_bt_check_unique',
        })
        expect(await failure(sql`insert into note (body) values (null)`)).toMatchObject({
          code: '23502',
          column: 'body',
        })
        expect(await failure(sql.query('select nosuch from note'))).toMatchObject({ code: '42703', position: '8' })
      })

      test('several statements in one string are refused', async () => {
        expect(await failure(sql.query('select 1; select 2'))).toMatchObject({ code: '42601' })
      })

      test('a batch returns each result', async () => {
        const results = await sql.transaction([
          sql`insert into note (body) values ('one')`,
          sql`select body from note`,
          sql`select count(*)::int as n from note`,
        ])
        expect(results).toEqual([[], [{ body: 'one' }], [{ n: 1 }]])
      })

      test('nothing of a failed batch stays', async () => {
        const batch = sql.transaction([sql`insert into note (body) values ('lost')`, sql`select 1/0`])
        expect(await failure(batch)).toMatchObject({ code: '22012' })
        expect(await sql`select body from note`).toEqual([])
      })

      test('a constraint checked at commit fails the batch', async () => {
        await sql`create table child (note bigint references note (id) deferrable initially deferred)`
        expect(await failure(sql.transaction([sql`insert into child values (-1)`]))).toMatchObject({ code: '23503' })
        expect(await sql`select from child`).toEqual([])
        await sql`drop table child`
      })

      test('a batch runs with the isolation asked for', async () => {
        const isolation = sql`select current_setting('transaction_isolation') as level`
        const modes = { isolationLevel: 'Serializable', readOnly: true, deferrable: true } as const
        expect(await sql.transaction([isolation], modes)).toEqual([[{ level: 'serializable' }]])
        expect(
          await sql.transaction([sql`select current_setting('transaction_deferrable') as deferrable`], modes),
        ).toEqual([[{ deferrable: 'on' }]])
        const level = (isolationLevel: 'ReadUncommitted' | 'RepeatableRead') =>
          sql.transaction([sql`select current_setting('transaction_isolation') as level`], { isolationLevel })
        expect(await level('RepeatableRead')).toEqual([[{ level: 'repeatable read' }]])
        expect(await level('ReadUncommitted')).toEqual([[{ level: 'read uncommitted' }]])
      })

      test('a read-only batch refuses to write', async () => {
        const batch = sql.transaction([sql`insert into note (body) values ('no')`], { readOnly: true })
        expect(await failure(batch)).toMatchObject({ code: '25006' })
      })

      test('leaving stops the statement on the server', async () => {
        const leaving = new AbortController()
        const running = () =>
          sql`select pid from pg_stat_activity where state = 'active' and query like 'select pg_sleep(30)%'`
        const sleep = failure(sql.query('select pg_sleep(30)', [], { fetchOptions: { signal: leaving.signal } }))
        await eventually(async () => expect(await running()).toHaveLength(1))
        leaving.abort()
        expect(await sleep).toBeInstanceOf(Error)
        await eventually(async () => expect(await running()).toEqual([]))
      })

      test('leaving in the middle of a batch rolls it back', async () => {
        const leaving = new AbortController()
        const signal = leaving.signal
        const batch = failure(
          sql.transaction([sql`insert into note (body) values ('left')`, sql`select pg_sleep(30) as middle`], {
            fetchOptions: { signal },
          }),
        )
        const open = () => sql`select pid from pg_stat_activity where query like 'select pg_sleep(30) as middle%'
          and state <> 'idle' and pid <> pg_backend_pid()`
        await eventually(async () => expect(await open()).toHaveLength(1))
        leaving.abort()
        await batch
        await eventually(async () => expect(await open()).toEqual([]))
        expect(await sql`select body from note`).toEqual([])
      })

      test('a transaction left open by one query does not reach the next', async () => {
        await sql.query('begin')
        await sql`insert into note (body) values ('seen by all')`
        await session(world.url('first'), async (client) => {
          expect((await client.query('select body from note')).rows).toEqual([{ body: 'seen by all' }])
        })
      })

      test('twenty queries at once all return their own answer', async () => {
        const answers = await Promise.all(
          Array.from({ length: 20 }, (_, at) => sql`select ${at}::int as at, pg_sleep(0.01)::text as slept`),
        )
        expect(answers.map(([row]) => row?.['at'])).toEqual(Array.from({ length: 20 }, (_, at) => at))
      })

      test('a result of five megabytes comes whole', async () => {
        const [row] = await sql`select repeat('x', 5 * 1024 * 1024) as big`
        expect(row?.['big']).toHaveLength(5 * 1024 * 1024)
      })

      test('more than ten megabytes are refused either way', async () => {
        const big = 11 * 1024 * 1024
        expect(await failure(sql`select repeat('x', ${big}::int)`)).toMatchObject({
          message: expect.stringContaining('HTTP status 507'),
        })
        expect(await failure(sql`select length(${'x'.repeat(big)})`)).toMatchObject({
          message: expect.stringContaining('HTTP status 413'),
        })
        expect(await sql`select 1 as still`).toEqual([{ still: 1 }])
      })

      test('another database is another database', async () => {
        expect(await neon(world.url('second'))`select * from elsewhere`).toEqual([])
        expect(await failure(sql`select * from elsewhere`)).toMatchObject({ code: '42P01' })
      })

      test('an endpoint may lead to a replica, which reads and refuses to write', async ({ skip }) => {
        if (world.replicaUrl === undefined) return skip('there is no replica behind this one')
        await sql`insert into note (body) values ('copied')`
        const replica = neon(world.replicaUrl('first'))
        await eventually(async () => expect(await replica`select body from note`).toEqual([{ body: 'copied' }]))
        expect(await failure(replica`insert into note (body) values ('no')`)).toMatchObject({ code: '25006' })
      })

      test('a wrong password is refused', async () => {
        const wrong = neon(world.url('first').replace(/:[^:@]+@/, ':wrong@'))
        expect(await failure(wrong`select 1`)).toMatchObject({ name: 'NeonDbError', code: '28P01' })
      })

      test('an unknown database or endpoint leads nowhere', async () => {
        expect(await failure(neon(world.url('nosuch'))`select 1`)).toMatchObject({ code: '3D000' })
        const elsewhere = world.url('first').replace(/@[^/]+/, '@elsewhere.example')
        expect(await failure(neon(elsewhere)`select 1`)).toMatchObject({ code: '3D000' })
      })

      test('a pool may send its queries over HTTP', async () => {
        neonConfig.poolQueryViaFetch = true
        const pool = new Pool({ connectionString: world.url('first') })
        const { rows } = await pool.query('select $1::int as n', [7])
        neonConfig.poolQueryViaFetch = false
        expect(rows).toEqual([{ n: 7 }])
        await pool.end()
      })
    })

    describe('over WebSocket', () => {
      test.each(['password', false] as const)('a session runs a transaction, pipelineConnect %s', async (pipelined) => {
        await session(
          world.url('first'),
          async (client) => {
            await client.query('begin')
            await client.query('insert into note (body) values ($1)', ['kept'])
            expect(await sql`select body from note`).toEqual([])
            await client.query('commit')
          },
          pipelined,
        )
        expect(await sql`select body from note`).toEqual([{ body: 'kept' }])
      })

      test('an error keeps its fields and the session goes on', async () => {
        await session(world.url('first'), async (client) => {
          expect(await failure(client.query('select 1/0'))).toMatchObject({ code: '22012', severity: 'ERROR' })
          expect((await client.query('select 1 as n')).rows).toEqual([{ n: 1 }])
        })
      })

      test('five transactions run side by side in a pool', async () => {
        const pool = new Pool({ connectionString: world.url('first'), max: 5 })
        pool.on('error', () => {})
        await Promise.all(
          Array.from({ length: 5 }, async (_, at) => {
            const client = await pool.connect()
            await client.query('begin')
            await client.query('insert into note (body) values ($1)', [`side ${at}`])
            await client.query('commit')
            client.release()
          }),
        )
        await pool.end()
        expect(await sql`select count(*)::int as n from note`).toEqual([{ n: 5 }])
      })

      test('workers skip what another has locked', async () => {
        await sql`insert into note (body) values ('a'), ('b')`
        const claim = 'select body from note order by id for update skip locked limit 1'
        await session(world.url('first'), async (one) => {
          await session(world.url('first'), async (two) => {
            await Promise.all([one.query('begin'), two.query('begin')])
            expect((await one.query(claim)).rows).toEqual([{ body: 'a' }])
            expect((await two.query(claim)).rows).toEqual([{ body: 'b' }])
          })
        })
      })

      test('a listener receives what another session notifies', async () => {
        await session(world.url('first'), async (client) => {
          const heard: (string | undefined)[] = []
          client.on('notification', ({ payload }) => heard.push(payload))
          await client.query('listen news')
          await sql`select pg_notify('news', 'hello')`
          await eventually(async () => expect(heard).toEqual(['hello']))
        })
      })

      test('five megabytes come whole, and go whole', async () => {
        await session(world.url('first'), async (client) => {
          const size = 5 * 1024 * 1024
          expect((await client.query(`select repeat('y', ${size}) as big`)).rows[0].big).toHaveLength(size)
          expect((await client.query('select length($1) as n', ['z'.repeat(size)])).rows).toEqual([{ n: size }])
        })
      })

      test('a wrong password is refused', async () => {
        const wrong = world.url('first').replace(/:[^:@]+@/, ':wrong@')
        expect(await failure(session(wrong, greet))).toMatchObject({ code: '28P01' })
        expect(await failure(session(wrong, greet, false))).toMatchObject({ code: '28P01' })
      })

      test('an unknown database leads nowhere', async () => {
        expect(await failure(session(world.url('nosuch'), greet))).toMatchObject({ code: '3D000' })
      })

      test('a session that ends leaves nothing behind', async () => {
        await session(world.url('first'), async (client) => void (await client.query(`set application_name = 'brief'`)))
        const left = () => sql`select pid from pg_stat_activity where application_name = 'brief'`
        await eventually(async () => expect(await left()).toEqual([]))
      })
    })
  })
}

/** Pipelining, the SDK calls a session connected before it was let in: a refusal shows at the first query. */
async function greet(client: Client): Promise<void> {
  await client.query('select 1')
}

/** Opens one SDK client, works with it, closes it. */
async function session(
  url: string,
  work: (client: Client) => Promise<void>,
  pipelineConnect: 'password' | false = 'password',
): Promise<void> {
  const client = new Client(url)
  client.neonConfig.pipelineConnect = pipelineConnect
  client.on('error', () => {})
  await client.connect()
  try {
    await work(client)
  } finally {
    await client.end()
  }
}

/** The error something must end with. */
async function failure(work: PromiseLike<unknown>): Promise<unknown> {
  const outcome = await Promise.resolve(work).then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  )
  if ('error' in outcome) return outcome.error
  throw new Error(`it should have failed, but returned ${JSON.stringify(outcome.value)}`)
}
