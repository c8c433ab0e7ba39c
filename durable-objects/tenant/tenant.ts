import { DurableObject } from 'cloudflare:workers'
import { z } from 'zod'
import { connect } from '../../src/adapters/neon/connect.ts'
import { openShard } from '../../src/adapters/neon/shards.ts'
import { placeOnShard, writeDirectory } from '../../src/adapters/neon/placements.ts'
import { loadConfig } from '../../src/config.ts'
import type { Env } from '../../src/env.ts'
import { systemClock } from '../../src/kernel/clock.ts'
import { dayOf } from '../../src/kernel/day.ts'
import { reasonOf } from '../../src/kernel/log.ts'
import { within } from '../../src/kernel/retry.ts'
import { creationRun, deletionRun, ownKeepMs, ownSagasTenant } from '../../src/sagas/own.ts'
import { tenantTag } from '../../src/tenants/cache.ts'
import type { TenantDeletion } from '../../src/tenants/deletion.ts'
import type { MoveDecision } from '../../src/tenants/move.ts'
import { placeTenant } from '../../src/tenants/placement.ts'
import { refuse, type Refusal } from '../../src/protocol/errors.ts'
import type { ContentRules } from '../../src/protocol/content-rules-api.ts'
import type { SettingsChange } from '../../src/protocol/api.ts'
import { chatRules, type ChatNotifications } from '../../src/protocol/chat-notifications-api.ts'
import type { MoveOrder, MoveView } from '../../src/protocol/moves-api.ts'
import { maxPolicies, type StoredPolicy } from '../../src/protocol/limits-api.ts'
import { maxNamespaces, type Namespace } from '../../src/protocol/namespaces-api.ts'
import type { OwnLimits } from '../../src/protocol/tenant-limits.ts'
import {
  defaultPlan,
  maxKeys,
  stateOf,
  tenantRecord,
  type Placement,
  type StoredKey,
  type StoredTenant,
  type TenantSecrets,
  type TokenKey,
} from '../../src/tenants/record.ts'
import {
  cacheEpochsOf,
  gatewayNamed,
  jobQueueOf,
  notificationCatalogOf,
  platformOf,
  sagaOf,
  shardWritersOf,
} from '../address.ts'
import type { KeySet } from '../../src/tenants/key-sets.ts'
import type { ActorSizes } from '../../src/protocol/usage-api.ts'
import { Deletion } from './deletion.ts'
import { measureActors } from './erasers.ts'
import { OpenPlace } from '../shared/open-place.ts'
import { AlarmTasks } from '../shared/alarm-tasks.ts'
import type { CallsOfDay, MoveAnswered, Provision, TenantRpc, TenantStep } from '../contracts.ts'
import { TenantMove } from './tenant-move.ts'
import { TokenKeys } from './token-keys.ts'
import { gatewayNames } from '../../src/realtime/gateway-names.ts'

const storedPeaks = z.record(z.string(), z.number())
const daysOfPeaks = 8
const storedCalls = z.record(z.string(), z.object({ requests: z.number(), commands: z.number() }))
const noCalls: CallsOfDay = { requests: 0, commands: 0 }
const callsEveryMs = 60_000
/**
 * The alarm places a new tenant within this time; then the run that creates it does so, with pauses that double up to the longest, in
 * milliseconds.
 */
const placeAgainMs = 2000
const placeAtMostMs = 300_000
/** After this time no further actors are measured for one page. */
const measureMs = 2000

/** One tenant: the authority on its placement, keys and limits. Postgres learns of the placement afterwards. */
export class Tenant extends DurableObject<Env> implements TenantRpc {
  readonly #clock = systemClock
  readonly #place = new OpenPlace(this.ctx, this.env, 'tenant')
  readonly #kv = this.ctx.storage.kv
  readonly #tokenKeys = new TokenKeys(this.env, this.#kv, () => this.record()?.id)
  /** Calls by day, once any were reported to this instance. */
  #callsByDay: Record<string, CallsOfDay> | undefined
  #callsWrittenAt = 0
  /** Calls of the run that creates the tenant, while its placement is pending. */
  #creationCalls = 0
  readonly #deletion = new Deletion({
    kv: this.#kv,
    clock: this.#clock,
    at: () => ({ env: this.env, tenant: this.ctx.id.name ?? '' }),
    commit: (writes) => this.ctx.storage.transactionSync(writes),
  })
  readonly #move = new TenantMove(this.env, this.#kv, {
    record: () => this.record(),
    place: (record, placement) => this.#write({ ...record, placement, version: record.version + 1 }),
    schedule: (delayMs) => this.#tasks.schedule(this.#clock.now(), delayMs),
  })
  readonly #tasks: AlarmTasks = new AlarmTasks(this.#place.alarm, [
    { name: 'placement', isPending: () => this.#isPlacementPending(), run: () => this.#tellPostgres() },
    { name: 'caches', isPending: () => this.#isCachedOlder(), run: () => this.#invalidateCaches() },
    {
      name: 'move',
      isPending: () => this.#move.isPending(),
      run: () => this.#move.run(),
      dueAt: () => this.#move.dueAt(),
    },
    {
      name: 'move report',
      isPending: () => this.#move.isReportPending(),
      run: () => this.#move.report(),
      dueAt: () => this.#move.reportDueAt(),
    },
    {
      name: 'publishers',
      isPending: () => !this.#deletion.isErasing && this.#publishingNotified() !== this.#kv.get('publishingNotified'),
      run: () => this.#notifyPublishers(),
    },
    {
      name: 'chat rules',
      isPending: () => !this.#deletion.isErasing && this.#chatRulesNotified() !== this.#kv.get('chatRulesNotified'),
      run: () => this.#tellChatRules(),
    },
    { name: 'gateways', isPending: () => this.#kv.get('stateOwed') !== undefined, run: () => this.#tellGateways() },
    { name: 'queues', isPending: () => this.#kv.get('holdPending') !== undefined, run: () => this.#tellQueues() },
    {
      name: 'creation',
      isPending: () => this.#kv.get('creationPending') !== undefined,
      run: () => this.#startCreation(),
    },
    {
      name: 'deletion',
      // Also of a deletion that the version before began: its run then goes on where it is.
      isPending: () => this.#deletion.isPending() && this.#kv.get('deletionRun') === undefined,
      run: () => this.#startDeletion(),
    },
  ])

  /** Creates the tenant, or changes its name and limits; its placement and keys stay. Returns whether it is new. */
  provision({
    id,
    name,
    plan,
    limits,
    key,
    shard,
    region,
  }: Provision): { readonly record: StoredTenant; readonly made: boolean } | Refusal {
    const deleted = this.#refuseDeleted()
    if (deleted !== undefined) return deleted
    const known = this.record()
    const near = region ?? known?.region
    const keys = known?.keys.map((other) => (other.id === key.id ? key : other)) ?? [key]
    const record: StoredTenant = {
      id,
      name,
      state: known?.state ?? 'active',
      placement: known?.placement ?? { shard: shard ?? this.#placeByConfiguration(id), epoch: 1 },
      keys,
      plan: plan ?? known?.plan ?? defaultPlan,
      limits,
      policies: known?.policies ?? {},
      namespaces: known?.namespaces ?? {},
      anonymous: known?.anonymous ?? false,
      ...(known?.origins === undefined ? {} : { origins: known.origins }),
      ...(near === undefined ? {} : { region: near }),
      version: (known?.version ?? 0) + 1,
    }
    this.#write(record)
    if (known === undefined) this.#kv.put('creationPending', 1)
    this.#tokenKeys.provision(known === undefined)
    return { record, made: known === undefined }
  }

  /** For callers of a version that did not choose the shard. */
  #placeByConfiguration(id: string): string {
    const shard = placeTenant(id, loadConfig(this.env).shards)
    if (shard === undefined) throw new Error('no Postgres shard is configured: set SHARDS, or register one')
    return shard
  }

  /** The public part of its own settings; undefined when there is no such tenant. */
  record(): StoredTenant | undefined {
    const stored = this.#kv.get('record')
    return stored === undefined ? undefined : tenantRecord.parse(stored)
  }

  /** Record and secrets together, for the verifiers of tokens. */
  admission(): { readonly record: StoredTenant; readonly secrets: TenantSecrets } | undefined {
    const record = this.record()
    const secrets = record === undefined ? undefined : this.#tokenKeys.secrets()
    return record === undefined || secrets === undefined ? undefined : { record, secrets }
  }

  /** Where its rows are; undefined also for a tenant that is being erased. */
  placement(): Placement | undefined {
    return this.#deletion.isErasing ? undefined : this.record()?.placement
  }

  /** Publishes the tenant's own events from now on, or no more; see docs/design/webhooks.md. */
  setPublished(isPublished: boolean): void {
    const isNow = this.#kv.get('publishedSince') !== undefined
    if (isPublished === isNow || this.record() === undefined) return
    if (isPublished) this.#kv.put('publishedSince', this.#clock.now())
    else this.#kv.delete('publishedSince')
    this.#tasks.schedule(this.#clock.now(), 0)
  }

  /** Whether the tenant has a reader of its own events. */
  isPublished(): boolean {
    return this.#kv.get('publishedSince') !== undefined
  }

  /** What the parts that publish have to know, and where; undefined while it never was other than nothing. */
  #publishingNotified(): string | undefined {
    const since = this.#kv.get<number>('publishedSince')
    if (since === undefined && this.#kv.get('publishingNotified') === undefined) return undefined
    // The version before told the shard writers alone.
    return `${since ?? 0} ${this.record()?.placement.shard ?? ''} 2`
  }

  /** Conversations are told by the shard writers, recipients of notifications by the catalog. */
  async #notifyPublishers(): Promise<void> {
    const { id, shard } = { id: this.ctx.id.name ?? '', shard: this.record()?.placement.shard }
    const notified = this.#publishingNotified()
    const since = this.#kv.get<number>('publishedSince')
    const isPublished = since !== undefined
    const writers = shard === undefined ? [] : shardWritersOf(this.env, shard, id)
    const calls = writers.map((writer) => writer.setPublished(id, since))
    await within(10_000, 'the shard writers', Promise.all(calls))
    await within(10_000, 'queues and notifications', this.#setPublishedOf(id, isPublished))
    this.#kv.put('publishingNotified', notified)
  }

  async #setPublishedOf(id: string, isPublished: boolean): Promise<void> {
    await notificationCatalogOf(this.env, id).setPublished(isPublished)
    const first = jobQueueOf(this.env, id, 'default')
    // A queue that registers later learns it from `default`.
    await first.setPublished(isPublished)
    for (const name of await first.queueNames())
      if (name !== 'default') await jobQueueOf(this.env, id, name).setPublished(isPublished)
  }

  /** What conversations notify their members of from now on; see docs/design/chat-notifications.md. */
  setChatNotifications(settings: ChatNotifications): void {
    if (this.record() === undefined) return
    const known = this.#kv.get<string>('chatRules')
    const before = known === undefined ? undefined : chatRules.parse(JSON.parse(known))
    const since = before?.enabled === true ? before.since : this.#clock.now()
    this.#kv.put('chatRules', JSON.stringify({ ...settings, since }))
    this.#tasks.schedule(this.#clock.now(), 0)
  }

  /** The rules that conversations are to learn of; undefined while they notify of nothing. */
  #chatRules(): string | undefined {
    const text = this.#kv.get<string>('chatRules')
    return text !== undefined && chatRules.parse(JSON.parse(text)).enabled ? text : undefined
  }

  /** What the shard writers have to know of them, and where; undefined while there never were any. */
  #chatRulesNotified(): string | undefined {
    const rules = this.#chatRules()
    if (rules === undefined && this.#kv.get('chatRulesNotified') === undefined) return undefined
    return `${this.record()?.placement.shard ?? ''} ${rules ?? ''}`
  }

  async #tellChatRules(): Promise<void> {
    const { id, shard } = { id: this.ctx.id.name ?? '', shard: this.record()?.placement.shard }
    const notified = this.#chatRulesNotified()
    const rules = this.#chatRules()
    const writers = shard === undefined ? [] : shardWritersOf(this.env, shard, id)
    const calls = writers.map((writer) => writer.setChatRules(id, rules))
    await within(10_000, 'the shard writers', Promise.all(calls))
    this.#kv.put('chatRulesNotified', notified)
  }

  /** Deletes the tenant after so many days, in which it can be restored. A repeat changes the days while that is so. */
  requestDeletion(graceDays: number): TenantDeletion | Refusal {
    const known = this.record()
    const before = this.#deletion.state
    if (known === undefined) return before ?? refuse('notFound', 'there is no such tenant')
    if (this.#move.isUnderWay)
      return refuse('conflict', 'id: the tenant is being moved to another shard; confirm or reverse the move first')
    const deletion = this.#deletion.request(before?.stateBefore ?? known.state, graceDays)
    if (deletion !== before && deletion.phase === 'grace') {
      // The run is told of another grace as well.
      this.#kv.delete('deletionRun')
      this.#changeState({ ...known, state: 'suspended', eraseAt: deletion.eraseAt })
    }
    return deletion
  }

  /**
   * Undoes the deletion, the one of `requestedAt` if it is given: the tenant is as it was before. Refused when there is none, and once
   * the erasure has begun.
   */
  restore(requestedAt?: number): StoredTenant | Refusal {
    const { state } = this.#deletion
    const known = this.record()
    if (state === undefined || (requestedAt !== undefined && state.requestedAt !== requestedAt))
      return known === undefined
        ? refuse('notFound', 'there is no such tenant')
        : refuse('conflict', 'id: this tenant is not deleted')
    if (this.#deletion.isErasing || known === undefined)
      return refuse('conflict', 'id: the grace of this tenant is over, and its data is being erased or is gone')
    const { eraseAt: _, ...rest } = known
    this.#deletion.drop()
    this.#kv.delete('deletionRun')
    return this.#changeState({ ...rest, state: state.stateBefore })
  }

  /** How far its deletion is; undefined when it was not deleted. */
  deletion(): TenantDeletion | undefined {
    return this.#deletion.state
  }

  /** Goes on with a step of the run that deletes the tenant; see `src/sagas/own.ts`. */
  async continueDeletion(step: string, requestedAt: number): Promise<TenantStep> {
    return await this.#deletion.goOn(step, requestedAt)
  }

  /** Goes on with the creation of the tenant: its placement in Postgres. */
  async continueCreation(): Promise<TenantStep> {
    if (this.record() === undefined) return { kind: 'none' }
    if (!this.#isPlacementPending()) return { kind: 'done' }
    const inMs = Math.min(placeAtMostMs, placeAgainMs * 2 ** this.#creationCalls)
    if (this.#creationCalls++ === 0) return { kind: 'unfinished', detail: 'it is being placed', inMs }
    try {
      await this.#tellPostgres()
      return { kind: 'done' }
    } catch (thrown) {
      return { kind: 'unfinished', detail: reasonOf(thrown), inMs }
    }
  }

  /** The platform runs it from here on. */
  async #startCreation(): Promise<void> {
    const tenant = this.ctx.id.name ?? ''
    await this.#startRun('tenant-creation', creationRun(tenant), { tenant })
    this.#kv.delete('creationPending')
  }

  async #startDeletion(): Promise<void> {
    const { state } = this.#deletion
    if (state === undefined) return
    const tenant = this.ctx.id.name ?? ''
    const { requestedAt } = state
    const id = deletionRun(tenant, requestedAt)
    const isKnown = await this.#startRun('tenant-deletion', id, { tenant, requestedAt })
    // It waits for the grace of before; where it does not wait there is nothing to tell it.
    if (isKnown) await this.#callRun(id, async (run) => await run.retry(id, 'grace', 'operator'))
    if (this.#deletion.state?.requestedAt === requestedAt) this.#kv.put('deletionRun', id)
  }

  /** Starts a run of the platform for this tenant; returns whether it was started before. */
  async #startRun(saga: string, id: string, input: object): Promise<boolean> {
    const wanted = { id, saga, input: JSON.stringify(input), watchers: [], keepMs: ownKeepMs }
    const started = await this.#callRun(id, async (run) => await run.start(wanted))
    if (started.kind === 'refused') throw new Error(started.detail ?? started.error)
    return started.duplicate
  }

  async #callRun<T>(id: string, call: (run: ReturnType<typeof sagaOf>) => Promise<T>): Promise<T> {
    return await within(10_000, 'the run', call(sagaOf(this.env, ownSagasTenant, id)))
  }

  /** Whether nothing of the tenant may be stored any more. */
  isErased(): boolean {
    return this.#deletion.isErasing
  }

  /** Adds a further API key. */
  addKey(key: StoredKey): { readonly kind: 'added' } | Refusal {
    const record = this.record()
    if (record === undefined) return refuse('notFound', 'there is no such tenant')
    if (record.keys.length >= maxKeys) return refuse('limitExceeded', `at most ${maxKeys} keys; delete one first`)
    this.#write({ ...record, keys: [...record.keys, key], version: record.version + 1 })
    return { kind: 'added' }
  }

  /** Removes an API key. False when there is none of that id. */
  revokeKey(keyId: string): boolean {
    const record = this.record()
    if (record === undefined || !record.keys.some(({ id }) => id === keyId)) return false
    this.#write({ ...record, keys: record.keys.filter(({ id }) => id !== keyId), version: record.version + 1 })
    return true
  }

  /** Suspends or reactivates the tenant; every gateway and queue is told. */
  setState(state: StoredTenant['state']): StoredTenant | Refusal {
    const deleted = this.#refuseDeleted()
    if (deleted !== undefined) return deleted
    const known = this.record()
    return known === undefined
      ? refuse('notFound', 'id: there is no such tenant')
      : this.#changeState({ ...known, state })
  }

  #changeState(changed: StoredTenant): StoredTenant {
    const record = { ...changed, version: changed.version + 1 }
    this.#kv.put('holdPending', record.version)
    this.#write(record)
    return record
  }

  #refuseDeleted(): Refusal | undefined {
    const { state } = this.#deletion
    if (state === undefined) return undefined
    return refuse(
      'conflict',
      state.phase === 'deleted'
        ? 'id: this tenant was deleted, and its id is never given to another one; choose another id'
        : 'id: this tenant is being deleted; POST /admin/v1/tenants/{id}/restore restores it until the grace is over',
    )
  }

  /** Changes its plan and its own limits, and nothing else; undefined when there is no such tenant. */
  setLimits(plan: string | undefined, limits: OwnLimits): StoredTenant | undefined {
    const record = this.record()
    if (record === undefined) return undefined
    const changed = { ...record, plan: plan ?? record.plan, limits, version: record.version + 1 }
    this.#write(changed)
    return changed
  }

  /** Creates or changes a rate limit policy. */
  setPolicy(
    name: string,
    policy: Omit<StoredPolicy, 'version'>,
  ): { readonly kind: 'set'; readonly policy: StoredPolicy } | Refusal {
    const record = this.record()
    if (record === undefined) return refuse('notFound', 'there is no such tenant')
    const { policies, version } = record
    if (!Object.hasOwn(policies, name) && Object.keys(policies).length >= maxPolicies)
      return refuse('limitExceeded', `at most ${maxPolicies} policies; delete one first`)
    const stored = { ...policy, version: version + 1 }
    this.#write({ ...record, policies: { ...policies, [name]: stored }, version: version + 1 })
    return { kind: 'set', policy: stored }
  }

  /** Deletes a rate limit policy. False when there is none of that name. */
  dropPolicy(name: string): boolean {
    const record = this.record()
    if (record === undefined || !Object.hasOwn(record.policies, name)) return false
    const { [name]: _, ...policies } = record.policies
    this.#write({ ...record, policies, version: record.version + 1 })
    return true
  }

  /**
   * The number of connections open now. Of each day only the maximum is kept, and days only until they are written to
   * Postgres.
   */
  noteConnections(connections: number): void {
    const today = dayOf(this.#clock.now())
    const peaks = this.connectionPeaks()
    if (connections <= (peaks[today] ?? 0)) return
    const newest = Object.keys({ ...peaks, [today]: 0 })
      .toSorted()
      .slice(-daysOfPeaks)
    this.#kv.put(
      'connectionPeaks',
      Object.fromEntries(newest.map((day) => [day, day === today ? connections : peaks[day]])),
    )
  }

  /** The maximum of open connections on each of the last days (UTC). */
  connectionPeaks(): Record<string, number> {
    return storedPeaks.parse(this.#kv.get('connectionPeaks') ?? {})
  }

  /**
   * Calls that an isolate or a gateway counted. They gather in memory and are a row a minute at most; what this actor has counted since
   * its last row is lost with its memory.
   */
  noteCalls(kind: 'requests' | 'commands', calls: number): void {
    if (this.record() === undefined || this.#deletion.isErasing) return
    const now = this.#clock.now()
    const byDay = this.#calls()
    const today = byDay[dayOf(now)] ?? noCalls
    const noted: Record<string, CallsOfDay> = { ...byDay, [dayOf(now)]: { ...today, [kind]: today[kind] + calls } }
    const newest = Object.keys(noted).toSorted().slice(-daysOfPeaks)
    this.#callsByDay = Object.fromEntries(newest.map((day) => [day, noted[day] ?? noCalls]))
    if (Math.abs(now - this.#callsWrittenAt) >= callsEveryMs) this.#writeCalls(now)
  }

  /** The calls of each of the last days (UTC). */
  callsByDay(): Record<string, CallsOfDay> {
    if (this.#callsByDay !== undefined) this.#writeCalls(this.#clock.now())
    return this.#calls()
  }

  #calls(): Record<string, CallsOfDay> {
    return this.#callsByDay ?? storedCalls.parse(this.#kv.get('calls') ?? {})
  }

  #writeCalls(now: number): void {
    if (this.record() === undefined) return
    this.#kv.put('calls', this.#calls())
    this.#callsWrittenAt = now
  }

  /** Creates or changes a namespace of plain topics. */
  setNamespace(name: string, namespace: Namespace): { readonly kind: 'set' } | Refusal {
    const record = this.record()
    if (record === undefined) return refuse('notFound', 'there is no such tenant')
    const { namespaces, version } = record
    if (!Object.hasOwn(namespaces, name) && Object.keys(namespaces).length >= maxNamespaces)
      return refuse('limitExceeded', `at most ${maxNamespaces} namespaces; delete one first`)
    this.#write({ ...record, namespaces: { ...namespaces, [name]: namespace }, version: version + 1 })
    return { kind: 'set' }
  }

  /** Deletes a namespace: its channels are unknown from then on. False when there is none of that name. */
  dropNamespace(name: string): boolean {
    const record = this.record()
    if (record === undefined || !Object.hasOwn(record.namespaces, name)) return false
    const { [name]: _, ...namespaces } = record.namespaces
    this.#write({ ...record, namespaces, version: record.version + 1 })
    return true
  }

  /** Changes the given settings; undefined when there is no such tenant. */
  setSettings({ anonymous, origins, rights, uploads }: SettingsChange): StoredTenant | undefined {
    const record = this.record()
    if (record === undefined) return undefined
    const { origins: before, rights: rightsBefore, uploads: uploadsBefore, ...rest } = record
    const grids = rights === undefined ? rightsBefore : (rights ?? undefined)
    const files = uploads === undefined ? uploadsBefore : (uploads ?? undefined)
    const listed = origins === undefined ? before : (origins ?? undefined)
    const changed = {
      ...rest,
      anonymous: anonymous ?? record.anonymous,
      ...(listed === undefined ? {} : { origins: [...new Set(listed)] }),
      ...(grids === undefined ? {} : { rights: grids }),
      ...(files === undefined ? {} : { uploads: files }),
    }
    if (JSON.stringify(changed) === JSON.stringify(record)) return record
    const written = { ...changed, version: record.version + 1 }
    this.#write(written)
    return written
  }

  /** Stores what messages of users may not contain; undefined: anything may. */
  setContentRules(rules: ContentRules | undefined): StoredTenant | undefined {
    const record = this.record()
    if (record === undefined) return undefined
    const { contentRules: _, ...rest } = record
    const written = { ...rest, ...(rules === undefined ? {} : { contentRules: rules }), version: record.version + 1 }
    this.#write(written)
    return written
  }

  /** The keys that sign or verify tokens now. */
  signingKeys(): TokenKey[] {
    return this.#tokenKeys.inForce()
  }

  /** The addresses where the tenant publishes further keys, and what was found there. */
  keySets(): KeySet[] {
    return this.#tokenKeys.sets()
  }

  /** Adds or replaces a key set, with the keys that the caller found at its address. */
  putKeySet(set: KeySet): { readonly kind: 'set' } | Refusal {
    return this.#tokenKeys.putSet(set)
  }

  /** Removes a key set; its keys verify no more. False when there is none of that name. */
  dropKeySet(name: string): boolean {
    return this.#tokenKeys.dropSet(name)
  }

  /** Whether a token that names an unknown key may be good a moment later. */
  mayPublishKey(): boolean {
    return this.#tokenKeys.mayPublish()
  }

  /** Adds a further signing key. */
  addSigningKey(key: TokenKey): { readonly kind: 'changed' } | Refusal {
    return this.#tokenKeys.add(key)
  }

  /** Replaces a signing key, which still verifies for `overlapMs`. */
  rotateSigningKey(id: string, successor: TokenKey, overlapMs: number): { readonly kind: 'changed' } | Refusal {
    return this.#tokenKeys.rotate(id, successor, overlapMs)
  }

  /** Removes a signing key. */
  revokeSigningKey(id: string): { readonly kind: 'changed' } | Refusal {
    return this.#tokenKeys.revoke(id)
  }

  /** Writes the placement to Postgres again, whatever was written before: the nightly sweep. */
  retell(): void {
    // While a move holds up writes, its shards are told by the move.
    if (this.record() === undefined || this.#deletion.isErasing || this.#move.ownsPlacement) return
    this.#kv.put('told', 0)
    if (this.#kv.get('publishedSince') !== undefined) this.#kv.delete('publishingNotified')
    if (this.#kv.get('chatRules') !== undefined) this.#kv.delete('chatRulesNotified')
    this.#tasks.schedule(this.#clock.now(), 0)
  }

  /** Begins to move the tenant to another shard. The caller has looked at the shard. */
  startMove(order: MoveOrder & { readonly to: string }): MoveAnswered | Refusal {
    return this.#move.start(order)
  }

  /** The last move of the tenant. */
  move(): MoveView | undefined {
    return this.#move.view()
  }

  /** Confirms, reverses, pauses or resumes the move that is under way. */
  decideMove(decision: MoveDecision): MoveAnswered | Refusal {
    return this.#move.decide(decision)
  }

  /** What the tenant's actors store, some of them: those after `cursor`, which is "" at first. */
  async measureActors(cursor: string): Promise<ActorSizes> {
    const endsAt = this.#clock.now() + measureMs
    const at = { env: this.env, tenant: this.ctx.id.name ?? '' }
    const sizes = await measureActors(at, cursor, () => this.#clock.now() >= endsAt)
    if (cursor !== '') return sizes
    const own = { class: 'Tenant', actors: 1, bytes: this.ctx.storage.sql.databaseSize }
    return { ...sizes, actors: [own, ...sizes.actors] }
  }

  override async alarm(): Promise<void> {
    await this.#tasks.run(this.#clock.now(), 0)
  }

  #write(record: StoredTenant): void {
    this.#kv.put('record', record)
    // No gateway knows a new tenant.
    if (record.version > 1) this.#kv.put('stateOwed', record.version)
    this.#tasks.schedule(this.#clock.now(), 0)
  }

  #isPlacementPending(): boolean {
    if (this.#deletion.isErasing) return false
    return (this.#kv.get<number>('told') ?? 0) < (this.record()?.version ?? 0)
  }

  /** Whether caches were last notified of an older version: also when a version of this code made the change that notified none. */
  #isCachedOlder(): boolean {
    return (this.#kv.get<number>('invalidated') ?? 0) < (this.record()?.version ?? 0)
  }

  /** The request that changed the tenant does the same before it is answered; this is for the case that it was cut off. */
  async #invalidateCaches(): Promise<void> {
    const version = this.record()?.version ?? 0
    await cacheEpochsOf(this.env).invalidate([tenantTag(this.ctx.id.name ?? '')], undefined)
    this.#kv.put('invalidated', version)
  }

  /**
   * Repeated until every gateway has answered. Gateways use limits and namespaces without asking whether they changed, which
   * would be a call for each message of a quiet connection, and those of a suspended tenant have to close its sockets.
   */
  async #tellGateways(): Promise<void> {
    const record = this.record()
    const pending = this.#kv.get('stateOwed')
    if (record === undefined) return
    const notified = gatewayNames(loadConfig(this.env)).map((name) =>
      gatewayNamed(this.env, name).tenantStateChanged(record.id, stateOf(record)),
    )
    await within(10_000, 'the gateways', Promise.all(notified))
    if (this.#kv.get('stateOwed') === pending) this.#kv.delete('stateOwed')
  }

  /** The queues of a suspended tenant start no jobs and run no schedules. */
  async #tellQueues(): Promise<void> {
    const record = this.record()
    const pending = this.#kv.get('holdPending')
    if (record === undefined || this.#deletion.isErasing) return void this.#kv.delete('holdPending')
    const names = await jobQueueOf(this.env, record.id, 'default').queueNames()
    const isHeld = record.state !== 'active'
    for (const name of names) await within(10_000, name, jobQueueOf(this.env, record.id, name).hold(isHeld))
    if (this.#kv.get('holdPending') === pending) this.#kv.delete('holdPending')
  }

  async #tellPostgres(): Promise<void> {
    const record = this.record()
    if (record === undefined) return
    await platformOf(this.env).noteTenant(record.id)
    const config = loadConfig(this.env)
    const shard = await openShard(config, platformOf(this.env), record.placement.shard, 'write')
    if (!this.#move.ownsPlacement) await within(10_000, 'the shard', placeOnShard(shard, record.id, record.placement))
    await within(
      10_000,
      'the directory',
      writeDirectory(connect(config, config.directoryUrl), { ...record, state: stateOf(record) }, record.placement),
    )
    this.#kv.put('told', record.version)
  }
}
