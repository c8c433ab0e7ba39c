import { DurableObject } from 'cloudflare:workers'
import type { Database } from '../../src/adapters/neon/connect.ts'
import { openShard } from '../../src/adapters/neon/shards.ts'
import { writeBatches } from '../../src/adapters/neon/write-batches.ts'
import { loadConfig } from '../../src/config.ts'
import type { Env } from '../../src/env.ts'
import { internalEvents } from '../../src/events/internal-events.ts'
import type { Projected, ProjectionBatch } from '../../src/events/projection.ts'
import { systemClock } from '../../src/kernel/clock.ts'
import { log, reasonOf } from '../../src/kernel/log.ts'
import { admit } from '../../src/limits/shedding.ts'
import { charsOf } from '../../src/protocol/answer-size.ts'
import { noteEveryMs } from '../../src/events/due.ts'
import { ShardRefused } from '../../src/tenants/shards.ts'
import { ownName, platformOf } from '../address.ts'
import type { ShardWriterRpc } from '../contracts.ts'

interface Waiting {
  readonly since: number
  readonly weight: number
  readonly batch: ProjectionBatch
  readonly resolve: (projected: Projected) => void
}

/** Rows in one statement: beyond it another round trip costs less than a longer statement. */
const rowsPerWrite = 2000
const writeMs = 15_000
/** The shortest time between two writes: no user waits for one, and each costs a commit, here and on every replica. */
const apartMs = 100
const published = (tenant: string): string => `published/${tenant}`
const chat = (tenant: string): string => `chat/${tenant}`

/** Rows that may wait here, and for how long the oldest of them; beyond it conversations keep theirs and retry. */
const most = { waiting: 40_000, ageMs: 30_000 }

/**
 * Write-behind into one Postgres shard. Batches of many conversations gather while a write is under way, or was a
 * moment ago, and leave as one. Nothing here is durable: a conversation keeps what was not confirmed and sends it
 * again. It stores only when it noted which tenant's use.
 */
export class ShardWriter extends DurableObject<Env> implements ShardWriterRpc {
  readonly #shard = ownName(this.ctx.id.name).tenant
  readonly #waiting: Waiting[] = []
  readonly #clock = systemClock
  readonly #shed = { read: 0, message: 0 }
  #waitingRows = 0
  /** Tenants whose events are published, and since when. */
  readonly #published = new Map(
    [...this.ctx.storage.kv.list<number>({ prefix: published('') })].map(([key, since]) => [
      key.slice(published('').length),
      since,
    ]),
  )
  /** What conversations of a tenant notify their members of, as JSON text. */
  readonly #chat = new Map(
    [...this.ctx.storage.kv.list<string>({ prefix: chat('') })].map(([key, rules]) => [
      key.slice(chat('').length),
      rules,
    ]),
  )
  #busy = false
  #wroteAt = 0
  #rows = 0
  #writes = 0

  /** Writes a batch together with all others that wait. With too much waiting it is refused at once. */
  write(given: ProjectionBatch): Promise<Projected> {
    const batch = internalEvents.read('conversation.projection', given)
    const { promise, resolve } = Promise.withResolvers<Projected>()
    const now = this.#clock.now()
    // Content that must be removed from Postgres goes before content that only has to arrive there.
    const priority = batch.scrubbed.length > 0 ? 'message' : 'read'
    const verdict = admit(priority, { waiting: this.#waitingRows, ageMs: now - (this.#waiting[0]?.since ?? now) }, most)
    if (verdict.kind === 'limited') {
      this.#shed[priority]++
      return Promise.resolve({
        kind: 'failed',
        why: `overloaded: the shard writer has ${this.#waitingRows} rows waiting`,
      })
    }
    const weight = weightOf(batch)
    this.#waitingRows += weight
    this.#waiting.push({ batch, resolve, since: now, weight })
    if (!this.#busy) void this.#run()
    return promise
  }

  /** Figures for /metrics. */
  stats(): {
    readonly rows: number
    readonly writes: number
    readonly waiting: number
    readonly shed: Readonly<Record<string, number>>
  } {
    return { rows: this.#rows, writes: this.#writes, waiting: this.#waiting.length, shed: { ...this.#shed } }
  }

  async #run(): Promise<void> {
    this.#busy = true
    while (this.#waiting.length > 0) {
      await this.#gather()
      this.#wroteAt = this.#clock.now()
      await this.#writeSome(this.#take())
    }
    this.#busy = false
  }

  /**
   * The first batch after a pause leaves at once; those that follow closely wait for others, unless there are many
   * rows.
   */
  async #gather(): Promise<void> {
    const waitMs = Math.min(apartMs, this.#wroteAt + apartMs - this.#clock.now())
    if (waitMs > 0 && this.#waitingRows < rowsPerWrite) await scheduler.wait(waitMs)
  }

  #take(): Waiting[] {
    let rows = 0
    const upTo = this.#waiting.findIndex(({ weight }) => (rows += weight) > rowsPerWrite)
    const taken = this.#waiting.splice(0, upTo <= 0 ? (upTo === 0 ? 1 : this.#waiting.length) : upTo)
    for (const { weight } of taken) this.#waitingRows -= weight
    return taken
  }

  async #writeSome(some: readonly Waiting[]): Promise<void> {
    try {
      const batches = some.map(({ batch }) => batch)
      const projected = await writeBatches(await this.#database(), batches, this.#shard)
      some.forEach(({ batch, resolve }, index) =>
        resolve(this.#withTenantSettings(batch.tenant, projected[index] ?? { kind: 'misplaced' })),
      )
      this.#count(batches)
      void this.#noteUse(batches)
    } catch (thrown) {
      if (some.length > 1 && isOfOneBatch(thrown)) await this.#writeApart(some)
      else some.forEach(({ resolve }) => resolve({ kind: 'failed', why: this.#reasonOf(thrown) }))
    }
  }

  /** What went wrong, and with which shard. */
  #reasonOf(thrown: unknown): string {
    return thrown instanceof ShardRefused ? thrown.message : `${this.#shard}: ${reasonOf(thrown)}`
  }

  /** Since when the events of a tenant are published, undefined when they are not: conversations learn it from their answers. */
  setPublished(tenant: string, since: number | undefined): void {
    if (since === undefined) {
      if (this.#published.delete(tenant)) this.ctx.storage.kv.delete(published(tenant))
      return
    }
    this.ctx.storage.kv.put(published(tenant), since)
    this.#published.set(tenant, since)
  }

  /** What conversations of a tenant notify their members of; undefined for nothing. */
  setChatRules(tenant: string, rules: string | undefined): void {
    if (rules === undefined) {
      if (this.#chat.delete(tenant)) this.ctx.storage.kv.delete(chat(tenant))
      return
    }
    this.ctx.storage.kv.put(chat(tenant), rules)
    this.#chat.set(tenant, rules)
  }

  /** Conversations learn of these settings by the answers to what they write anyway. */
  #withTenantSettings(tenant: string, answer: Projected): Projected {
    const publishedSince = this.#published.get(tenant)
    const chatRules = this.#chat.get(tenant)
    if (answer.kind !== 'written' || (publishedSince === undefined && chatRules === undefined)) return answer
    return {
      ...answer,
      ...(publishedSince === undefined ? {} : { publishedSince }),
      ...(chatRules === undefined ? {} : { chatRules }),
    }
  }

  /** Forgets when a tenant was last noted; whether it ever was. */
  forgetTenant(tenant: string): boolean {
    this.setPublished(tenant, undefined)
    this.setChatRules(tenant, undefined)
    return this.ctx.storage.kv.delete(`noted/${tenant}`)
  }

  /** A batch that Postgres refuses must not block the others: each is tried alone. */
  async #writeApart(some: readonly Waiting[]): Promise<void> {
    for (const one of some) await this.#writeSome([one])
  }

  #count(batches: readonly ProjectionBatch[]): void {
    this.#writes++
    for (const { rows } of batches) this.#rows += rows.length
  }

  /** Notes at the platform which tenants are in use, each once an hour: their messages are then counted, and archived in time. */
  async #noteUse(batches: readonly ProjectionBatch[]): Promise<void> {
    const now = this.#clock.now()
    const { kv } = this.ctx.storage
    const key = (tenant: string) => `noted/${tenant}`
    const due = [...new Set(batches.map(({ tenant }) => tenant))].filter(
      (tenant) => now - (kv.get<number>(key(tenant)) ?? 0) >= noteEveryMs,
    )
    if (due.length === 0) return
    for (const tenant of due) kv.put(key(tenant), now)
    try {
      await platformOf(this.env).noteUse(due)
    } catch (thrown) {
      for (const tenant of due) kv.delete(key(tenant))
      log.warn('shard-writer.use-unnoted', { reason: reasonOf(thrown) })
    }
  }

  #database(): Promise<Database> {
    return openShard(loadConfig(this.env), platformOf(this.env), this.#shard, 'write', writeMs)
  }
}

/** In rows: long ones count as more, since it is memory that they take, here and on the way. */
const weightOf = ({ rows, facts: properties }: ProjectionBatch): number =>
  rows.length + (properties?.members.length ?? 0) + Math.floor(charsOf(rows) / 1024)

/** A Postgres error about the data itself (SQLSTATE classes 22 and 23) or a tenant that is moving (PM001), not about the connection. */
function isOfOneBatch(thrown: unknown): boolean {
  const code = thrown instanceof Error && 'code' in thrown ? String(thrown.code) : ''
  return code.startsWith('22') || code.startsWith('23') || code === 'PM001'
}
