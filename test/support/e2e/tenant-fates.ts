import { expect } from 'vitest'
import { z } from 'zod'
import { Operator } from '../../../local/operator.ts'
import type { DeletionView } from '../../../src/protocol/deletion-api.ts'
import type { MoveView } from '../../../src/protocol/moves-api.ts'
import { tenantTables } from '../../../src/tenants/stores.ts'
import { actorTablesHolding } from './actor-files.ts'
import { Crowd } from './crowd.ts'
import { call } from './people.ts'
import { Shards, type Shard } from './shards.ts'
import type { System } from './system.ts'
import { until } from './until.ts'

const moved = 'demo'
const deleted = 'doomed'
/** In every message of the tenant that is deleted. */
const words = 'words of the deleted tenant'
const other = { shard0: 'shard1', shard1: 'shard0' } as const
/** As long as a system that was killed, on a loaded machine, needs for anything. */
const patienceMs = 240_000

/** Two tenants of a running system: one that is moved while people talk in it, and one that is deleted. */
export class TenantFates {
  readonly system: System
  readonly crowd: Crowd
  readonly shards: Shards
  readonly operator: Operator
  readonly home: Shard
  readonly #deletedKey: string

  private constructor(system: System, crowd: Crowd, home: Shard, deletedKey: string) {
    this.system = system
    this.crowd = crowd
    this.shards = new Shards(system)
    this.operator = new Operator(system.url, system.adminKey)
    this.home = home
    this.#deletedKey = deletedKey
  }

  static async begin(system: System): Promise<TenantFates> {
    const deletedKey = await fill(system)
    const crowd = new Crowd(system, { pauseMs: 100, timeoutMs: patienceMs })
    await crowd.gather(['alice', 'bob', 'carol'], 2)
    crowd.talk()
    await crowd.hasSaid(50)
    const shards = new Shards(system)
    const home = await until('the directory has the tenant', async () => {
      const found = await shards.query<{ shard: Shard }>(
        'directory',
        'SELECT shard FROM tenants WHERE tenant_id = $1',
        [moved],
      )
      return found[0]?.shard
    })
    await until('Postgres has rows of the tenant that is deleted', async () =>
      (await Promise.all((['shard0', 'shard1'] as const).map((shard) => rowsOn(shards, shard, deleted)))).some(
        (rows) => rows > 20,
      ),
    )
    const fates = new TenantFates(system, crowd, home, deletedKey)
    await fates.operator.deleteTenant(deleted, '0')
    await fates.operator.startMove(moved, { to: fates.to, rowsPerSecond: 200 })
    return fates
  }

  get to(): 'shard0' | 'shard1' {
    return other[this.home]
  }

  /** Waits until the move is like this. */
  async move(what: string, is: (move: MoveView) => boolean): Promise<MoveView> {
    return await until(
      `the move ${what}`,
      async () => {
        const move = await this.operator.move(moved)
        return is(move) ? move : undefined
      },
      patienceMs,
    )
  }

  async decide(decision: 'confirm' | 'reverse'): Promise<void> {
    await this.operator.decideMove(moved, decision)
  }

  /** Waits until the deletion is like this. */
  async deletion(what: string, is: (deletion: DeletionView) => boolean): Promise<DeletionView> {
    return await until(
      `the deletion ${what}`,
      async () => {
        const deletion = await this.operator.deletion(deleted)
        return is(deletion) ? deletion : undefined
      },
      patienceMs,
    )
  }

  /** Keeps the shard that the tenant moves to from taking it, until Postgres ends: a fence reaches one shard only. */
  async holdUpSwitch(): Promise<void> {
    const session = await this.shards.session(this.to)
    // It ends with its server.
    session.on('error', () => undefined)
    await session.query('BEGIN; LOCK TABLE placements IN EXCLUSIVE MODE')
  }

  /** Waits until the shard that the tenant leaves refuses its writes. */
  async isFenced(): Promise<void> {
    await until(
      'the fence is up',
      async () => {
        const found = await this.shards.query<{ phase: string }>(
          this.home,
          `SELECT phase FROM moves WHERE tenant_id = $1 AND phase = 'fenced'`,
          [moved],
        )
        return found.length > 0
      },
      patienceMs,
    )
  }

  /** The move and the deletion have ended: every message is there once, and nothing of the deleted tenant is left. */
  async expectRight(outcome: 'confirmed' | 'reversed'): Promise<void> {
    const move = await this.move('ends', ({ endedAt }) => endedAt !== null)
    expect(move).toMatchObject({ state: outcome, serving: outcome === 'confirmed' ? this.to : this.home, error: null })
    await this.crowd.hasSaid(20)
    await this.crowd.hush()
    expect(await this.crowd.verdict()).toEqual([])
    const left = outcome === 'confirmed' ? this.home : this.to
    expect(await rowsOn(this.shards, left, moved)).toBe(0)
    for (const shard of ['shard0', 'shard1'] as const)
      expect(await this.shards.query(shard, 'SELECT * FROM move_notes')).toEqual([])

    const { stores } = await this.deletion('ends', ({ phase }) => phase === 'deleted')
    expect(stores.filter(({ state, left: remains }) => state !== 'empty' || remains > 0)).toEqual([])
    expect(stores.map(({ store }) => store)).toEqual(expect.arrayContaining(tenantTables.map(({ name }) => name)))
    for (const { name, database } of tenantTables)
      for (const each of database === 'directory' ? (['directory'] as const) : (['shard0', 'shard1'] as const))
        expect(await this.shards.query(each, `SELECT 1 FROM ${name} WHERE tenant_id = $1`, [deleted]), name).toEqual([])
    expect((await call(this.system, this.#deletedKey, 'GET', '/v1/queues')).status).toBe(401)
  }

  /** No file of an actor has what the deleted tenant wrote; the system has ended. */
  expectNoWords(): void {
    expect(actorTablesHolding(this.system, words)).toEqual([])
  }
}

/** Rows of conversations, members and messages. */
async function rowsOn(shards: Shards, shard: Shard, tenant: string): Promise<number> {
  const counted = ['conversations', 'members', 'messages'].map(
    (table) => `(SELECT count(*) FROM ${table} WHERE tenant_id = $1)`,
  )
  const [found] = await shards.query<{ rows: string }>(shard, `SELECT ${counted.join(' + ')} AS rows`, [tenant])
  return Number(found?.rows)
}

/** The tenant that will be deleted, with conversations and jobs. Returns its key. */
async function fill(system: System): Promise<string> {
  const created = await call(system, system.adminKey, 'PUT', `/admin/v1/tenants/${deleted}`, { name: deleted })
  const { apiKey } = z.object({ apiKey: z.string() }).parse(created.body)
  const post = async (path: string, body: object) => {
    const answer = await call(system, apiKey, 'POST', path, body)
    expect(answer.status, `POST ${path}: ${JSON.stringify(answer.body)}`).toBeLessThan(300)
    return answer.body
  }
  for (let n = 0; n < 12; n++) {
    const group = { type: 'group', name: `${words} ${n}`, members: ['dora', 'emil'] }
    const { id } = z.object({ id: z.string() }).parse(await post('/v1/conversations', group))
    for (const text of ['first', 'second'])
      await post(`/v1/conversations/${id}/messages`, { user: 'dora', clientId: text, text: `${words}: ${text}` })
  }
  const job = { url: 'https://hooks.example.com/mail', payload: { words }, delaySeconds: 3600 }
  await post('/v1/jobs', { ...job, queue: 'mails' })
  await post('/v1/jobs', job)
  return apiKey
}
