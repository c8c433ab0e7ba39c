import { z } from 'zod'
import type { Env } from '../../src/env.ts'
import {
  registerVersion,
  type EventType,
  type Registered,
  type TypeVersion,
} from '../../src/event-log/types/event-type.ts'
import { ownTopic } from '../../src/events/own-topic.ts'
import { refuse, type Refusal } from '../../src/protocol/errors.ts'
import { requireTenant } from '../../src/tenants/erased.ts'
import { ownName } from '../address.ts'
import type { EventCatalogRpc } from '../contracts.ts'
import { isUsed, migrate } from '../shared/migrate.ts'
import { OpenPlace } from '../shared/open-place.ts'
import { TenantActor } from '../shared/tenant-actor.ts'
import { eventCatalogSchema } from './schema.ts'

const maxTypes = 1000
const maxTopics = 1000
const maxConsumers = 1000
const maxConsumersOfTopic = 20
const maxProcesses = 100
const maxProcessesOfTopic = 20

const storedVersion: z.ZodType<TypeVersion> = z.object({
  version: z.number(),
  schema: z.string(),
  compatibility: z.enum(['backward', 'forward', 'full', 'none']),
  upcast: z.string().nullable(),
})

/** The event types of a tenant, and the names of its topics of events, its consumers and its processes. */
export class EventCatalog extends TenantActor implements EventCatalogRpc {
  readonly #place = new OpenPlace(this.ctx, this.env, 'event-catalog')
  readonly #sql = this.ctx.storage.sql
  #isUsed = isUsed(this.#sql)

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env)
    if (this.#isUsed) migrate(this.#sql, eventCatalogSchema)
  }

  /** A registered type with all its versions. */
  type(name: string): EventType | undefined {
    if (!this.#isUsed) return undefined
    const versions = this.#sql
      .exec<{ spec: string }>('SELECT spec FROM types WHERE type = ? ORDER BY version', name)
      .toArray()
      .map(({ spec }) => storedVersion.parse(JSON.parse(spec)))
    return versions.length === 0 ? undefined : { type: name, versions }
  }

  /** Names of types after `after`, with their newest version. */
  types(after: string, limit: number): { readonly type: string; readonly newest: number }[] {
    if (!this.#isUsed) return []
    return this.#sql
      .exec<{ type: string; newest: number }>(
        'SELECT type, max(version) AS newest FROM types WHERE type > ? GROUP BY type ORDER BY type LIMIT ?',
        after,
        limit,
      )
      .toArray()
  }

  /** The newest version of each of these types that is registered. */
  newestOf(types: readonly string[]): { readonly type: string; readonly newest: number }[] {
    if (!this.#isUsed || types.length === 0) return []
    return this.#sql
      .exec<{ type: string; newest: number }>(
        'SELECT type, max(version) AS newest FROM types WHERE type IN (SELECT value FROM json_each(?)) GROUP BY type',
        JSON.stringify(types),
      )
      .toArray()
  }

  /** Registers a version of a type; see `registerVersion`. */
  putVersion(name: string, wanted: TypeVersion): Registered {
    this.#use()
    const registered = registerVersion(name, this.type(name), wanted)
    if (registered.kind !== 'registered' || !registered.isNew) return registered
    if (wanted.version === 1 && this.#count('SELECT count(DISTINCT type) AS n FROM types') >= maxTypes)
      return { kind: 'conflict', detail: `type: at most ${maxTypes} types` }
    this.#sql.exec(
      'INSERT INTO types (type, version, spec) VALUES (?, ?, ?)',
      name,
      wanted.version,
      JSON.stringify(wanted),
    )
    return registered
  }

  /** Notes a topic before it is created. */
  addTopic(name: string): { readonly kind: 'added' } | Refusal {
    this.#use()
    if (this.topics().includes(name)) return { kind: 'added' }
    if (this.#count('SELECT count(*) AS n FROM topics') >= maxTopics)
      return refuse('limitExceeded', `topics: at most ${maxTopics}; reuse one, or choose it by a hash of the key`)
    this.#sql.exec('INSERT INTO topics (name) VALUES (?)', name)
    return { kind: 'added' }
  }

  /** Names of topics; `default` always exists. */
  topics(): string[] {
    if (!this.#isUsed) return ['default']
    const rows = this.#sql
      .exec<{ name: string }>("SELECT name FROM topics WHERE name <> 'default' ORDER BY name")
      .toArray()
    return ['default', ...rows.map(({ name }) => name)]
  }

  /** Notes a consumer before it is created. A consumer keeps its topic. */
  addConsumer(name: string, topic: string): { readonly kind: 'added' } | Refusal {
    this.#use()
    const known = this.consumer(name)
    if (known !== undefined && known !== topic)
      return refuse('conflict', `topic: consumer ${name} reads ${known}; delete it first, or choose another name`)
    if (known !== undefined) return { kind: 'added' }
    if (this.#count('SELECT count(*) AS n FROM consumers') >= maxConsumers)
      return refuse('limitExceeded', `consumers: at most ${maxConsumers}`)
    if (this.#count('SELECT count(*) AS n FROM consumers WHERE topic = ?', topic) >= maxConsumersOfTopic)
      return refuse(
        'limitExceeded',
        topic === ownTopic
          ? `webhooks: at most ${maxConsumersOfTopic}, with the consumers of ${ownTopic}; delete one first`
          : `consumers: at most ${maxConsumersOfTopic} of a topic`,
      )
    this.#sql.exec('INSERT INTO consumers (name, topic) VALUES (?, ?)', name, topic)
    return { kind: 'added' }
  }

  removeConsumer(name: string): void {
    if (this.#isUsed) this.#sql.exec('DELETE FROM consumers WHERE name = ?', name)
  }

  /** The topic of a consumer; undefined when there is no such consumer. */
  consumer(name: string): string | undefined {
    if (!this.#isUsed) return undefined
    return this.#sql.exec<{ topic: string }>('SELECT topic FROM consumers WHERE name = ?', name).toArray()[0]?.topic
  }

  consumers(): { readonly name: string; readonly topic: string }[] {
    if (!this.#isUsed) return []
    return this.#sql.exec<{ name: string; topic: string }>('SELECT name, topic FROM consumers ORDER BY name').toArray()
  }

  /** Notes a process with the topics it reads before it is created or changed. */
  addProcess(name: string, topics: readonly string[]): { readonly kind: 'added' } | Refusal {
    this.#use()
    if (!this.hasProcess(name) && this.#count('SELECT count(*) AS n FROM processes') >= maxProcesses)
      return refuse('limitExceeded', `processes: at most ${maxProcesses}; delete one first`)
    const readers = `SELECT count(*) AS n FROM processes, json_each(processes.topics) WHERE json_each.value = ? AND name <> ?`
    const full = topics.find((topic) => this.#count(readers, topic, name) >= maxProcessesOfTopic)
    if (full !== undefined)
      return refuse('limitExceeded', `topics: at most ${maxProcessesOfTopic} processes read ${full}; delete one first`)
    this.#sql.exec('INSERT OR REPLACE INTO processes (name, topics) VALUES (?, ?)', name, JSON.stringify(topics))
    return { kind: 'added' }
  }

  removeProcess(name: string): void {
    if (this.#isUsed) this.#sql.exec('DELETE FROM processes WHERE name = ?', name)
  }

  hasProcess(name: string): boolean {
    return this.#isUsed && this.#count('SELECT count(*) AS n FROM processes WHERE name = ?', name) > 0
  }

  processes(): string[] {
    if (!this.#isUsed) return []
    return this.#sql
      .exec<{ name: string }>('SELECT name FROM processes ORDER BY name')
      .toArray()
      .map(({ name }) => name)
  }

  #count(query: string, ...bindings: string[]): number {
    return this.#sql.exec<{ n: number }>(query, ...bindings).one().n
  }

  #use(): void {
    this.#place.used()
    if (this.#isUsed) return
    requireTenant(ownName(this.ctx.id.name).tenant)
    migrate(this.#sql, eventCatalogSchema)
    this.#isUsed = true
  }
}
