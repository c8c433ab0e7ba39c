import { runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { z } from 'zod'
import { databasesAreThere, type FakeDatabase } from '../support/worker/databases.ts'
import { call, type Answer } from '../support/worker/http.ts'
import type { Statement } from '../support/worker/shards.ts'
import { operatorKey, succeeded } from '../support/worker/tenant.ts'

let database: (name: string) => FakeDatabase
beforeEach(() => {
  database = databasesAreThere()
})
afterEach(() => vi.unstubAllGlobals())

const asOperator = (line: string, body?: object): Promise<Answer> =>
  call(line, { as: operatorKey, ...(body === undefined ? {} : { body }) })

let count = 0
const freshName = () => `re${++count}_${crypto.randomUUID().slice(0, 8)}`
const urlOf = (name: string) => `postgresql://parley_app:open-sesame@db.example.com/${name}`

interface Said {
  system?: string
  isReplica?: boolean
  lsn?: string
  state?: string
}

/** A database that says of itself what is given. */
function says(name: string, { system = '7', isReplica = false, lsn = '0/2000', state = 'ready' }: Said): void {
  database(name).rows = ({ query }: Statement) => {
    if (query.includes('"sinceMs"')) return [{ system, isReplica: Number(isReplica), replayed: lsn, sinceMs: 40 }]
    if (query.includes('AS state')) return [{ state, replayed: lsn }]
    if (query.includes('pg_control_system')) return [{ system }]
    if (query.includes('pg_current_wal_insert_lsn')) return [{ lsn, file: '000000010000000000000000', offset: 8192 }]
    if (query.includes('pg_database_size'))
      return [{ tenants: isReplica ? 2 : 1, bytes: 10, conversations: 0, messages: 0, archivedPages: 0 }]
    return []
  }
}

/** A shard with a replica that has replayed everything. */
async function shardWithReplica(): Promise<{ shard: string; of: string; replica: string }> {
  const [shard, of] = [freshName(), freshName()]
  succeeded(await asOperator(`PUT /admin/v1/shards/${shard}`, { connection: urlOf(shard), state: 'draining' }))
  says(shard, {})
  says(of, { isReplica: true })
  const replica = await asOperator(`PUT /admin/v1/shards/${shard}/replicas/r1`, { connection: urlOf(of) })
  expect([replica.status, replica.body]).toEqual([201, expect.objectContaining({ name: 'r1', state: 'active' })])
  return { shard, of, replica: `/admin/v1/shards/${shard}/replicas/r1` }
}

const shardsIn = z.object({
  shards: z.array(z.looseObject({ name: z.string(), replicas: z.array(z.looseObject({})) })),
})
const replicasOf = async (shard: string) =>
  shardsIn.parse((await asOperator('GET /admin/v1/shards')).body).shards.find(({ name }) => name === shard)?.replicas

describe('a read replica', () => {
  test('is registered beside its shard, changed and removed, and its connection string is shown nowhere', async () => {
    const { shard, replica } = await shardWithReplica()
    expect(await replicasOf(shard)).toEqual([
      { name: 'r1', weight: 1, state: 'active', connection: { kind: 'encrypted', key: 'k1' } },
    ])
    const stored = await runInDurableObject(env.PLATFORM.getByName('house'), (_, { storage }) =>
      JSON.stringify(storage.kv.get('replicas')),
    )
    expect(stored).toContain('"text":"v1.k1.')
    expect(stored).not.toContain('open-sesame')

    succeeded(await asOperator(`PATCH ${replica}`, { state: 'paused', weight: 3, region: 'weur' }))
    expect(await replicasOf(shard)).toMatchObject([{ state: 'paused', weight: 3, region: 'weur' }])
    expect((await asOperator(`DELETE ${replica}`)).status).toBe(204)
    expect(await replicasOf(shard)).toEqual([])
    for (const line of [`DELETE ${replica}`, `PATCH ${replica}`, 'GET /admin/v1/shards/none/replicas'])
      expect((await asOperator(line, line.startsWith('PATCH') ? { weight: 2 } : undefined)).status).toBe(404)
  })

  test('says how far it is behind, and when it is no replica of its shard any more', async () => {
    const { shard, of } = await shardWithReplica()
    const look = async () => (await asOperator(`GET /admin/v1/shards/${shard}/replicas`)).body['replicas']
    expect(await look()).toMatchObject([{ health: 'following', lagBytes: 0, lagMs: 0 }])
    says(shard, { lsn: '0/2100' })
    expect(await look()).toMatchObject([{ health: 'following', lagBytes: 256, lagMs: 40 }])
    says(of, { isReplica: false })
    expect(await look()).toMatchObject([{ health: 'foreign', detail: expect.stringContaining('takes writes') }])
    database(of).isAway = true
    expect(await look()).toMatchObject([{ health: 'down', detail: expect.any(String) }])
  })

  test('answers questions of operators, and the shard itself when it has not replayed what was written', async () => {
    const { shard, of } = await shardWithReplica()
    const tenants = async () => {
      const { body } = await asOperator('GET /admin/v1/shards/counts')
      const { shards } = z.object({ shards: z.array(z.object({ shard: z.string(), tenants: z.int() })) }).parse(body)
      return shards.find((each) => each.shard === shard)?.tenants
    }
    expect(await tenants()).toBe(2)
    says(of, { isReplica: true, state: 'behind', lsn: '0/1FFF' })
    expect(await tenants()).toBe(1)
    says(of, { isReplica: true })
    await expect.poll(tenants).toBe(2)
    database(of).isAway = true
    expect(await tenants()).toBe(1)
    const metrics = (await call('GET /metrics', { as: operatorKey })).text
    expect(metrics).toMatch(new RegExp(`parley_shard_reads_total\\{shard="${shard}",from="replica",reason=""\\} [2-9]`))
    expect(metrics).toMatch(
      new RegExp(`parley_shard_reads_total\\{shard="${shard}",from="primary",reason="not-yet"\\} 1`),
    )
    expect(metrics).toContain(`parley_replica_up{shard="${shard}",replica="r1"} 0`)
  })

  test('does not make the system unready when it is gone', async () => {
    const { shard, of } = await shardWithReplica()
    const before = await call('GET /readyz', {})
    database(of).isAway = true
    const after = await call('GET /readyz', {})
    expect([after.status, after.body['status']]).toEqual([before.status, before.body['status']])
    expect(after.body['replicas']).toMatchObject({ [`${shard}/r1`]: { state: 'down' } })
  })
})

describe('a replica is refused', () => {
  test('when it takes writes, is of another database, has not caught up, or is registered already', async () => {
    const { shard, of } = await shardWithReplica()
    const put = async (name: string, at: string) => {
      const { status, body } = await asOperator(`PUT /admin/v1/shards/${shard}/replicas/${name}`, {
        connection: urlOf(at),
      })
      return [status, body.detail]
    }
    expect(await put('r2', shard)).toEqual([409, expect.stringContaining(`the database of ${shard} itself`)])
    expect(await put('r2', of)).toEqual([409, expect.stringContaining('registered already, as r1')])
    const other = freshName()
    says(other, { isReplica: false })
    expect(await put('r2', other)).toEqual([409, expect.stringContaining('it is no replica')])
    says(other, { isReplica: true, system: '8' })
    expect(await put('r2', other)).toEqual([409, expect.stringContaining('of another database')])
    says(other, { isReplica: true, lsn: '0/1000' })
    expect(await put('r2', other)).toEqual([409, expect.stringContaining('lacks 4096 bytes')])
    database(other).isAway = true
    expect((await put('r2', other))[0]).toBe(503)
    expect(await put('R2', other)).toEqual([400, expect.stringContaining('replica: a lower-case letter')])
  })

  test('a shard with replicas takes no connection to another database before they are removed', async () => {
    const { shard, replica } = await shardWithReplica()
    const other = freshName()
    const move = () => asOperator(`PUT /admin/v1/shards/${shard}`, { connection: urlOf(other), state: 'draining' })
    expect([(await move()).status, (await move()).body.detail]).toEqual([409, expect.stringContaining('r1')])
    await asOperator(`DELETE ${replica}`)
    expect((await move()).status).toBe(200)
  })
})
