import { DurableObject } from 'cloudflare:workers'
import { z } from 'zod'
import { connect } from '../../src/adapters/neon/connect.ts'
import { processEpochs } from '../../src/adapters/process-epochs.ts'
import { selectTenants } from '../../src/adapters/neon/select-tenants.ts'
import { loadConfig } from '../../src/config.ts'
import type { Env } from '../../src/env.ts'
import { systemClock } from '../../src/kernel/clock.ts'
import type { ParkedTask } from '../../src/kernel/parked-task.ts'
import { refuse, type Refusal } from '../../src/protocol/errors.ts'
import type { ReplicaChange, ShardChange } from '../../src/protocol/shards-api.ts'
import type { Plan, SystemLimits } from '../../src/protocol/tenant-limits.ts'
import {
  platformSettings,
  maxPlans,
  newPlatformSettings,
  type PlatformSettings,
} from '../../src/tenants/platform-settings.ts'
import { Aggregates, type Aggregate, type Found } from '../../src/cache/aggregates.ts'
import type { TenantKnowledge } from '../../src/tenants/known.ts'
import type { MoveFigures, MoveReport } from '../../src/tenants/move-figures.ts'
import type { ShardConnection, ShardList, StoredReplica, StoredShard } from '../../src/tenants/shards.ts'
import type { ArchivableTenant, DueQueue, SweptQueue, UsedGateway } from '../../src/events/due.ts'
import { DueList } from './due-list.ts'
import { RegisteredShards } from './registered-shards.ts'
import { NotedMoves } from './noted-moves.ts'
import { ParkedTasks } from './parked-tasks.ts'
import { TenantDirectory } from './tenant-directory.ts'
import type { PlatformRpc } from '../contracts.ts'

const partitionsMade = z.string()

/** Values without tags need no epochs, and nothing is done behind an answer. */
const aggregatePorts = {
  now: () => systemClock.now(),
  random: Math.random,
  epochs: processEpochs.view,
  askEpochs: async () => undefined,
  background: () => undefined,
}

/** What applies beyond any one tenant: there is one, whose settings are cached everywhere (docs/design/caching.md). */
export class Platform extends DurableObject<Env> implements PlatformRpc {
  readonly #kv = this.ctx.storage.kv
  readonly #parked = new ParkedTasks(this.ctx.storage.sql)
  readonly #moves = new NotedMoves(this.#kv)
  readonly #shards = new RegisteredShards(this.#kv, () => loadConfig(this.env).shards)
  readonly #aggregates = new Aggregates(aggregatePorts)
  readonly #due = new DueList(this.ctx.storage.sql)
  readonly #directory = new TenantDirectory(this.ctx.storage, (after, limit) => {
    const config = loadConfig(this.env)
    return selectTenants(connect(config, config.directoryUrl), after, limit)
  })

  /** The answer to an operator's question of at most an hour ago; where there is none, or with `isFresh`, `ask` finds it. */
  aggregate(key: string, isFresh: boolean, ask: () => Promise<Found>): Promise<Aggregate> {
    return this.#aggregates.get(key, isFresh, ask)
  }

  settings(): PlatformSettings {
    const stored = this.#kv.get('record')
    return stored === undefined ? newPlatformSettings : platformSettings.parse(stored)
  }

  /** Sets the limits of all tenants together. */
  setSystemLimits(system: SystemLimits): PlatformSettings {
    return this.#write({ ...this.settings(), system })
  }

  /** Creates or changes a plan; its tenants follow. */
  setPlan(name: string, plan: Plan): { readonly kind: 'set'; readonly settings: PlatformSettings } | Refusal {
    const settings = this.settings()
    if (!Object.hasOwn(settings.plans, name) && Object.keys(settings.plans).length >= maxPlans)
      return refuse('limitExceeded', `at most ${maxPlans} plans; delete one first`)
    return { kind: 'set', settings: this.#write({ ...settings, plans: { ...settings.plans, [name]: plan } }) }
  }

  /** Deletes a plan; its tenants then have the platform's limits. False when there is none of that name. */
  dropPlan(name: string): boolean {
    const settings = this.settings()
    if (!Object.hasOwn(settings.plans, name)) return false
    const { [name]: _, ...plans } = settings.plans
    this.#write({ ...settings, plans })
    return true
  }

  /** The registered shards, with their connection strings encrypted. */
  shards(): ShardList {
    return this.#shards.list()
  }

  putShard(shard: StoredShard, schema: number): { readonly kind: 'set'; readonly version: number } | Refusal {
    return this.#shards.put(shard, schema)
  }

  /** Changes a shard, and returns the new version of the list; undefined when there is none of that name. */
  changeShard(name: string, change: ShardChange): number | undefined {
    return this.#shards.change(name, change)
  }

  reEncryptShard(name: string, before: string, connection: ShardConnection): number | undefined {
    return this.#shards.reEncrypt(name, before, connection)
  }

  removeShard(name: string): number | undefined {
    return this.#shards.remove(name)
  }

  /** Adds or replaces a replica; undefined when there is no shard of that name. */
  putReplica(
    shard: string,
    replica: StoredReplica,
  ): { readonly kind: 'set'; readonly version: number } | Refusal | undefined {
    return this.#shards.putReplica(shard, replica)
  }

  changeReplica(shard: string, name: string, change: ReplicaChange): number | undefined {
    return this.#shards.changeReplica(shard, name, change)
  }

  reEncryptReplica(shard: string, name: string, before: string, connection: ShardConnection): number | undefined {
    return this.#shards.reEncryptReplica(shard, name, before, connection)
  }

  removeReplica(shard: string, name: string): number | undefined {
    return this.#shards.removeReplica(shard, name)
  }

  noteShardSchema(shard: string, number: number): void {
    this.#shards.noteSchema(shard, number)
  }

  /** A tenant is about to be created, or was found. */
  noteTenant(id: string): void {
    this.#directory.note(id)
    this.#due.archiveSooner(systemClock.now(), id)
  }

  /** Whether a tenant exists; `perhaps` while the tenants of earlier versions have not been read from Postgres. */
  standingOfTenant(id: string): TenantKnowledge {
    const knowledge = this.#directory.knowledgeOf(id)
    if (knowledge === 'perhaps') void this.#directory.readOnce()
    return knowledge
  }

  /** A tenant is being erased: for all callers there is none of that name from now on. */
  noteDeleted(id: string): void {
    this.#directory.noteDeleted(id)
  }

  /** Deletes what is listed of a tenant, and returns how much that was. Its name stays among those that were deleted. */
  eraseTenant(id: string): number {
    return this.#due.eraseTenant(id) + this.#parked.eraseTenant(id) + this.#moves.eraseTenant(id)
  }

  /** The queues of a tenant that are listed to be swept, or were. */
  queuesOfTenant(id: string): string[] {
    return this.#due.queuesOfTenant(id)
  }

  /** How much is listed of a tenant. */
  rowsOfTenant(id: string): number {
    return this.#due.rowsOfTenant(id) + this.#parked.rowsOfTenant(id) + this.#moves.rowsOfTenant(id)
  }

  /** An actor parked a task whose process died twice. */
  noteParked(parked: ParkedTask): void {
    this.#parked.note(parked)
  }

  /** A task that was parked has run to its end. */
  clearParked(actor: string, task: string): void {
    this.#parked.clear(actor, task)
  }

  parkedTasks(): { readonly count: number; readonly tasks: readonly ParkedTask[] } {
    return this.#parked.list(systemClock.now())
  }

  /** How the last move of a tenant is now. */
  noteMove(tenant: string, report: MoveReport): void {
    if (!this.#directory.isDeleted(tenant)) this.#moves.note(tenant, report, systemClock.now())
  }

  /** The moves of all tenants, for /metrics. */
  moveFigures(): MoveFigures {
    return this.#moves.figures()
  }

  /** Whether every queue and tenant of earlier versions is noted. */
  isDueListComplete(): boolean {
    return this.#kv.get('dueListComplete') === true
  }

  completeDueList(): void {
    this.#kv.put('dueListComplete', true)
  }

  /** Queues note themselves when they have something to sweep. */
  noteQueues(queues: readonly { readonly tenant: string; readonly queue: string }[]): void {
    for (const { tenant, queue } of queues) if (!this.#directory.isDeleted(tenant)) this.#due.noteQueue(tenant, queue)
  }

  dueQueues(now: number, after: { readonly tenant: string; readonly queue: string }, limit: number): DueQueue[] {
    return this.#due.queues(now, after, limit)
  }

  hasDueQueues(now: number): boolean {
    return this.#due.hasQueues(now)
  }

  queuesSwept(queues: readonly SweptQueue[]): void {
    this.#due.swept(queues)
  }

  queueFigures(): string[] {
    return this.#due.figures()
  }

  queuesWithDead(): { readonly tenant: string; readonly queue: string }[] {
    return this.#due.queuesWithDead()
  }

  /** Tenants are in use. */
  noteUse(tenants: readonly string[]): void {
    const existing = tenants.filter((id) => !this.#directory.isDeleted(id))
    this.#due.noteUse(existing, systemClock.now())
  }

  tenantsToCount(now: number, all: boolean): string[] {
    return this.#due.toCount(now, all)
  }

  tenantsCounted(tenants: readonly string[], now: number): void {
    this.#due.counted(tenants, now)
  }

  tenantsUsedSince(since: number): string[] {
    return this.#due.usedSince(since)
  }

  tenantsToArchive(now: number): ArchivableTenant[] {
    return this.#due.toArchive(now)
  }

  tenantArchived(tenant: string, nextAt: number | null): void {
    this.#due.archived(tenant, nextAt)
  }

  /** A gateway has connections. */
  noteGateway(gateway: string): void {
    this.#due.noteGateway(gateway)
  }

  usedGateways(): UsedGateway[] {
    return this.#due.gateways()
  }

  gatewayUnused(gateway: UsedGateway): void {
    this.#due.gatewayUnused(gateway)
  }

  /** The months whose partitions a shard has, as they were last made there. */
  partitionsOf(shard: string): string {
    return partitionsMade.parse(this.#kv.get(`partitions/${shard}`) ?? '')
  }

  notePartitions(shard: string, months: string): void {
    this.#kv.put(`partitions/${shard}`, months)
  }

  #write(changed: PlatformSettings): PlatformSettings {
    const record = { ...changed, version: changed.version + 1 }
    this.#kv.put('record', record)
    this.#due.archiveSooner(systemClock.now())
    return record
  }
}
