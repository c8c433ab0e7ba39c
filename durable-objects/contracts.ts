import type { ReadableUploads, UploadAction, UploadAnswer } from '../src/conversations/uploads.ts'
import type {
  ActivityQuery,
  ActivityRow,
  ConversationActivity,
  DeletedConversation,
  ActivityAnswer,
  UserStates,
  NewestQuery,
} from '../src/events/activity.ts'
import type { StoredRoute } from '../src/facade/rollout.ts'
import type { RouteReport } from '../src/facade/outcomes.ts'
import type { PublishedRoute } from '../src/facade/route.ts'
import type { RouteWindow } from '../src/facade/route-window.ts'
import type { DifferenceReport, FacadeDefinition, facadeActions } from '../src/protocol/facade-api.ts'
import type { KeySet } from '../src/tenants/key-sets.ts'
import type { ArchivableTenant, DueQueue, SweptQueue, UsedGateway } from '../src/events/due.ts'
import type { z } from 'zod'
import type { conversationView } from '../src/protocol/conversation-views.ts'
import type { ServerSubscription } from '../src/auth/claims.ts'
import type { NewConversation } from '../src/conversations/create.ts'
import type { Actor, Conversation as ConversationRecord, LogRow, Member } from '../src/conversations/types.ts'
import type { Projected, ProjectionBatch } from '../src/events/projection.ts'
import type { Block } from '../src/inbox/user-ban.ts'
import type { InboxUpdate } from '../src/inbox/entry.ts'
import type { ListItem } from '../src/inbox/list.ts'
import type { MissedPage, NotesAnswer, NotesUpdate, Opened } from '../src/inbox/notes.ts'
import type { Appended } from '../src/event-log/append.ts'
import type { ConsumerSpec } from '../src/event-log/consumers/spec.ts'
import type { Replay } from '../src/event-log/webhooks/replay.ts'
import type { DeliveryState, LoggedDelivery } from '../src/event-log/webhooks/webhook.ts'
import type { Retention } from '../src/event-log/retention.ts'
import type { EventType, Registered, TypeVersion } from '../src/event-log/types/event-type.ts'
import type { ProgressState } from '../src/event-log/consumers/progress.ts'
import type { ErasedUser, MessagesOfErased } from '../src/events/erased-user.ts'
import type { EventName, EventWait, LogEvent, NewEvent, SeenEvent } from '../src/events/log-event.ts'
import type { NewJob } from '../src/jobs/model/job.ts'
import type { JobState } from '../src/jobs/model/phase.ts'
import type { Policy } from '../src/jobs/model/policy.ts'
import type { JobView } from '../src/jobs/model/view.ts'
import type { EnqueueResult, Receipt } from '../src/jobs/queue/enqueue.ts'
import type { PollAnswer, PollRequest, ProgressReport } from '../src/jobs/queue/poll.ts'
import type { WorkerRunReference } from '../src/jobs/queue/worker-runs.ts'
import type { Schedule, ScheduleSpec, ScheduleUsage } from '../src/jobs/schedules/schedule.ts'
import type { MetricFamily } from '../src/kernel/exposition.ts'
import type { Ready } from '../src/kernel/ready.ts'
import type { ParkedTask } from '../src/kernel/parked-task.ts'
import type { RequestContext } from '../src/kernel/request-context.ts'
import type { Reserved } from '../src/limits/lease-account.ts'
import type { Closing, KeyedAsk, LeaseAnswer, LeaseAsk, AccountState } from '../src/limits/lease.ts'
import type { Rules } from '../src/limits/rules.ts'
import type { Priority } from '../src/limits/shedding.ts'
import type { SettingsChange } from '../src/protocol/api.ts'
import type { Decision, NewReport } from '../src/moderation/review.ts'
import type { ContentRules } from '../src/protocol/content-rules-api.ts'
import type { Refusal } from '../src/protocol/errors.ts'
import type {
  ModerationAct,
  ReportView,
  ReviewState,
  ReviewTarget,
  ReviewView,
  TenantBan,
} from '../src/protocol/moderation-api.ts'
import type { RegionHint } from '../src/protocol/places.ts'
import type { ReplicaChange, ShardChange } from '../src/protocol/shards-api.ts'
import type { StoredPolicy } from '../src/protocol/limits-api.ts'
import type { Namespace } from '../src/protocol/namespaces-api.ts'
import type {
  ChannelUpdate,
  HistoryAnswer,
  HistoryQuery,
  StreamAnswer,
  StreamCall,
  StreamPosition,
  TopicRules,
} from '../src/protocol/stream.ts'
import type { Presence, PresenceForm, PresenceReport } from '../src/realtime/presence-table.ts'
import type { OwnLimits, Plan, SystemLimits } from '../src/protocol/tenant-limits.ts'
import type { MoveOrder, MoveView } from '../src/protocol/moves-api.ts'
import type { ListedClass, NamesPage } from '../src/tenants/actor-names.ts'
import type { DeletionProgress, TenantDeletion } from '../src/tenants/deletion.ts'
import type { TenantKnowledge } from '../src/tenants/known.ts'
import type { ActorSizes } from '../src/protocol/usage-api.ts'
import type { MoveDecision } from '../src/tenants/move.ts'
import type { MoveFigures, MoveReport } from '../src/tenants/move-figures.ts'
import type { ShardConnection, ShardList, StoredReplica, StoredShard } from '../src/tenants/shards.ts'
import type { Aggregate, Found } from '../src/cache/aggregates.ts'
import type { PlatformSettings } from '../src/tenants/platform-settings.ts'
import type { Placement, StoredKey, StoredTenant, TenantSecrets, TenantState, TokenKey } from '../src/tenants/record.ts'
import type { UserErasure } from '../src/tenants/user-erasure.ts'
import type { LogOf, PageOf } from '../src/events/log-of.ts'
import type { ConversationChecksums } from '../src/history/checksum.ts'
import type { Invalidations, Stamp } from '../src/cache/epochs.ts'
import type { BreakerReport, Opinion } from '../src/resilience/opinion.ts'
import type { StoredBreaker } from '../src/resilience/shared-breaker.ts'
import type { Counters } from '../src/limits/counters.ts'
import type { JobTypeCounts } from '../src/jobs/metrics/job-metrics.ts'
import type { ProcessSpec } from '../src/processes/definition.ts'
import type { ProcessFigures } from '../src/processes/figures.ts'
import type { InstanceState, Judgement } from '../src/processes/judge.ts'
import type { InstanceEntry, TopicPosition } from '../src/processes/tracker.ts'
import type { sagaRun, sagaRunSummary } from '../src/protocol/sagas-api.ts'
import type { Outcome as SagaOutcome } from '../src/sagas/advance.ts'
import type { Definition } from '../src/sagas/definition.ts'
import type { SagaFigures } from '../src/sagas/metrics.ts'
import type { Effect, RunState, SagaDocument } from '../src/sagas/run.ts'
import type { DeliveryOrder, DeliveryOutcome } from '../src/notifications/model.ts'
import type { FetchOutcome } from '../src/notifications/runs/advance.ts'
import type { ChatExplanation, ChatNoticeKind, ChatNotifications } from '../src/protocol/chat-notifications-api.ts'
import type { Effect as NotificationEffect } from '../src/notifications/runs/run.ts'

/**
 * The methods of the actors that other actors and the Worker call, and the types they exchange. The bindings in src/env.ts are
 * typed by these interfaces, so that no actor is imported by its callers; each method is documented where it is implemented.
 */

/** What every actor of a tenant answers: see TenantActor. */
export interface ErasableRpc {
  erase(): Promise<void>
  remains(): Promise<number>
  storedBytes(): number
}

export interface ActorNamesRpc extends Rpc.DurableObjectBranded, ErasableRpc {
  note(kind: ListedClass, name: string): Promise<number>
  forget(kind: ListedClass, name: string, serial: number): void
  remove(kind: ListedClass, name: string): boolean
  close(): void
  names(kind: ListedClass, after: string): NamesPage
}

/** Figures of one gateway instance; they begin at zero when it wakes. */
export interface GatewayStats {
  readonly sockets: number
  readonly channels: number
  readonly calls: number
  readonly commands: number
  /** What was dropped because of overload. */
  readonly shed: Readonly<Record<Priority, number>>
  readonly since: number
}

/** The decisions of a gateway's message limits by policy, and the keys with the most refusals. */
export interface MessageLimitStats {
  readonly policies: Readonly<Record<string, Counters>>
  readonly refused: readonly { readonly key: string; readonly refusals: number }[]
}

/** Connections of a user: all of them, or the one with this client id, or with this session of its connect result. */
export interface ConnectionTarget {
  readonly tenant: string
  readonly user: string
  readonly client?: string
  readonly session?: string
}

/** Why the tenant's server ends connections: a close code from 3000 to 4999 and a text. */
export interface DisconnectReason {
  readonly code: number
  readonly reason: string
}

/** What a refresh changes: when connections end, in milliseconds since the epoch, and their public info as JSON text. */
export interface Refreshment {
  readonly expired: boolean
  readonly expiresAt: number
  readonly info?: string
}

/** One tenant's share of a gateway; `listeners` are its channels and the connections subscribed to each. */
export interface TenantGatewayStats {
  readonly clients: number
  readonly users: number
  readonly listeners: readonly { readonly channel: string; readonly clients: number }[]
}

/** The outcome of a posted frame: received by its session, which may have `ended`, or held `elsewhere`. */
export type ReceiveResult = 'received' | 'ended' | 'elsewhere'

export interface GatewayRpc extends Rpc.DurableObjectBranded {
  receive(node: string, session: string, frame: string | Uint8Array): ReceiveResult
  publish(update: ChannelUpdate): boolean
  subscribed(tenant: string, channel: string): PresenceReport
  activityNews(tenant: string, updates: readonly ConversationActivity[]): ActivityAnswer
  activityMissed(tenant: string, since: number): boolean
  tenantStateChanged(tenant: string, state: TenantState | 'erased'): Promise<void>
  platformChanged(): void
  disconnectUser(target: ConnectionTarget, reason: DisconnectReason | undefined, whitelist: readonly string[]): void
  subscribeUser(
    target: ConnectionTarget,
    order: ServerSubscription,
    since?: StreamPosition,
  ): Promise<Refusal | undefined>
  unsubscribeUser(target: ConnectionTarget, channel: string): void
  refreshUser(target: ConnectionTarget, refreshment: Refreshment): void
  tenantStats(tenant: string): TenantGatewayStats & {
    readonly since: number
  }
  stats(): GatewayStats
  figures(): {
    readonly stats: GatewayStats
    readonly policies: MessageLimitStats['policies']
  }
  connections(): Record<string, number>
  limitMetrics(): MessageLimitStats
}

/** The answer to a creation. */
export interface Created {
  readonly kind: 'conversation'
  /** Without its custom properties. */
  readonly view: z.input<typeof conversationView>
  /** JSON text. */
  readonly properties?: string
  /** False when it existed already. */
  readonly made: boolean
}

export interface ConversationRpc extends Rpc.DurableObjectBranded, ErasableRpc {
  execute(call: StreamCall): StreamAnswer
  create(wanted: NewConversation): Promise<Created | Refusal>
  admitsWriter(actor: Actor): { readonly kind: 'admitted' } | Refusal
  applyUpload(actor: Actor, action: UploadAction): UploadAnswer | Refusal
  readableUploads(actor: Actor, ids: readonly string[]): ReadableUploads | Refusal
  history(actor: Actor, query: HistoryQuery): HistoryAnswer
  replies(actor: Actor, query: RepliesQuery): RepliesAnswer
  presence(actor: Actor, form: PresenceForm): Ready<Presence | Refusal>
  readStates(users: readonly string[]): UserStates | undefined
  checksums(): Promise<ConversationChecksums | undefined>
  rebuild(): void
  eraseUser(erased: ErasedUser, cursor: string): ErasedPart
  writtenWithout(erased: ErasedUser, refs: readonly number[]): WrittenWithout
  entriesRewritten(seqs: readonly number[]): void
  noticeNow(asked: AskedNotice): Promise<ChatNoticeNow>
  explainNotices(user: string): Promise<ChatExplanation | undefined>
  found(actor: Actor, seqs: readonly number[]): FoundNow[]
  exportEntries(query: ExportQuery): ExportedEntries | undefined
  exportMembers(after: string, limit: number): Member[]
  importBatch(batch: ImportBatch): ImportedBatch
  setBlocked(user: string, isBlocked: boolean): boolean
}

/** A page of the replies in the thread of message `root`: the newest ones before a seq, or the oldest ones after one. */
export interface RepliesQuery {
  readonly root: number
  readonly before?: number | undefined
  readonly after?: number | undefined
  readonly limit: number
}

/** What a conversation has of a page of replies, and the reader's part in the thread where they are a member. */
export type RepliesAnswer =
  | Refusal
  | (Pick<Extract<HistoryAnswer, { kind: 'page' }>, 'epoch' | 'publications' | 'amendments' | 'states' | 'missing'> & {
      readonly kind: 'replies'
      /** In the order that was asked for. */
      readonly seqs: readonly number[]
      readonly hasMore: boolean
      readonly own?: { readonly follows: boolean; readonly read: number; readonly unread: number }
    })

/** A message that a search found and that the caller may see now; `text` is there once it was edited. */
export interface FoundNow {
  readonly seq: number
  readonly text?: string
}

/** Lines of an export that are put into one conversation: its properties, then members, then entries in order. */
export interface ImportBatch {
  readonly properties: Pick<ConversationRecord, 'type' | 'name' | 'createdBy' | 'createdAt'> | undefined
  readonly members: readonly Member[]
  readonly entries: readonly Omit<LogRow, 'client'>[]
}

/** How many lines were put in and how many were there already; `refusal` says why the next line was not taken. */
export interface ImportedBatch {
  readonly imported: number
  readonly repeated: number
  readonly refusal?: Refusal
}

/** Entries after `after` that are exported, all of them or those of one user. */
export interface ExportQuery {
  readonly user: string | null
  readonly after: number
  readonly limit: number
}

/** A part of what a conversation has for an export. */
export interface ExportedEntries {
  readonly conversation: Pick<ConversationRecord, 'id' | 'type' | 'name' | 'createdBy' | 'createdAt' | 'deletedAt'> & {
    /** The two of a direct conversation. */
    readonly members?: readonly string[]
  }
  /** The membership of the user that was asked for. */
  readonly member: Member | null
  /** Entries below it are in Postgres only. */
  readonly floor: number
  readonly top: number
  readonly rows: readonly Pick<LogRow, 'seq' | 'at' | 'user' | 'clientId' | 'data'>[]
  /** The entries up to it have been looked at. */
  readonly reached: number
  /** Where entries are in Postgres: those up to `upTo` are to be read there, and which of them are deleted. */
  readonly upTo: number
  readonly deleted: readonly number[]
}

/** A notification of a conversation, asked for by its recipient at the moment of sending. */
export interface AskedNotice {
  readonly epoch: string
  readonly user: string
  readonly kind: ChatNoticeKind
  readonly seq: number
}

/** What the notification would say now, or why it is not needed any more. */
export type ChatNoticeNow =
  | { readonly kind: 'over'; readonly reason: string }
  | {
      readonly kind: 'due'
      readonly name: string
      readonly count: number
      /** The newest of them. */
      readonly messages: readonly {
        readonly seq: number
        readonly at: number
        readonly user: string
        readonly text: string
      }[]
    }

/** A part of the erasure of a user: how much was changed, and where the following part begins; null at the end. */
export interface ErasedPart {
  readonly erased: number
  readonly next: string | null
}

/** Whether Postgres has all that a conversation has, and the entries of those asked for that the user wrote. */
export interface WrittenWithout {
  readonly isWritten: boolean
  readonly theirs: readonly number[]
}

export interface ActivityRpc extends Rpc.DurableObjectBranded, ErasableRpc {
  advance(update: ConversationActivity): Promise<void>
  forget(deleted: DeletedConversation): Promise<void>
  listen(gateway: string, buckets: readonly number[]): Promise<void>
  rows(query: ActivityQuery): Promise<readonly ActivityRow[]>
  newest(query: NewestQuery): Promise<readonly ActivityRow[]>
  firstActors(): number
  handOver(number: number, after: string): ActivityHandover | undefined
  conversations(after: string): ConversationNames
  eraseUser(conversation: string, erased: ErasedUser): boolean
}

/** Ids of conversations in their order, and where the following part begins; null at the end. */
export interface ConversationNames {
  readonly ids: readonly string[]
  readonly next: string | null
}

/** A part of what a new Activity actor takes over from its parent; the gateways are in the first part. */
export interface ActivityHandover {
  readonly rows: readonly { readonly changed: number; readonly activity: ConversationActivity }[]
  /** Absent from an actor of the version before. */
  readonly deleted?: readonly DeletedConversation[]
  readonly gateways: readonly { readonly name: string; readonly buckets: string }[]
  /** Where the following part begins; null at the end. */
  readonly next: string | null
}

export interface TopicRpc extends Rpc.DurableObjectBranded, ErasableRpc {
  execute(call: StreamCall): StreamAnswer
  history(rules: TopicRules, query: HistoryQuery): HistoryAnswer
  removeHistory(): void
  presence(form: PresenceForm): Ready<Presence>
}

/** A page of the conversation list. */
export interface InboxPage {
  readonly kind: 'page'
  readonly conversations: readonly ListItem[]
  readonly next: string | null
}

export interface InboxRpc extends Rpc.DurableObjectBranded, ErasableRpc {
  execute(call: StreamCall): StreamAnswer | Promise<StreamAnswer>
  revoke(): Ready<number>
  gateways(): string[]
  notify(events: readonly string[]): void
  revokedAt(): number
  advance(update: InboxUpdate): Promise<boolean>
  remove(conversation: string, version: number): Promise<void>
  list(cursor: string | undefined, limit: number, request?: RequestContext): Promise<InboxPage | Refusal>
  changes(since: number): Promise<readonly string[] | undefined>
  requestErasure(messages: MessagesOfErased): Promise<UserErasure>
  erasure(): UserErasure | undefined
  saveErasure(before: number, erasure: UserErasure): boolean
  conversationsOf(after: string, limit: number): string[]
  eraseShown(conversation: string, erased: ErasedUser): boolean
  eraseEntries(): number
  ban(until: number | null): Promise<boolean>
  unban(): void
  block(user: string): Block | Refusal
  unblock(user: string): boolean
  blocks(): readonly Block[]
  blocksUser(user: string): boolean
}

/** A report as it was noted: the review that it belongs to, and which report of it this is. */
export interface NotedReport {
  readonly kind: 'noted'
  readonly review: string
  readonly number: number
  readonly duplicate: boolean
}

export interface ModerationRpc extends Rpc.DurableObjectBranded, ErasableRpc {
  noteBan(ban: TenantBan, key: string): { readonly kind: 'noted' } | Refusal
  noteUnban(user: string, moderator: string | null, key: string): void
  bans(after: string, limit: number): TenantBan[]
  report(report: NewReport): NotedReport | Refusal
  reviews(
    state: ReviewState,
    after: number,
    limit: number,
  ): { readonly reviews: ReviewView[]; readonly next: string | null }
  review(id: string): { readonly review: ReviewView; readonly reports: ReportView[] } | undefined
  flag(target: ReviewTarget, rules: readonly string[]): void
  decide(id: string, decision: Decision, key: string): ReviewView | Refusal
  acts(before: number, limit: number): ModerationAct[]
  eraseUser(user: string, pseudonym: string): { readonly erased: number; readonly isDone: boolean }
}

export interface InboxNotesRpc extends Rpc.DurableObjectBranded, ErasableRpc {
  update(change: NotesUpdate): NotesAnswer
  open(user: string): Opened
  missed(user: string, since: number, after: string): MissedPage
  close(user: string, turn: number): void
  standingOf(user: string): 'open' | 'closed' | 'unknown'
  openAmong(users: readonly string[]): string[]
  noteChosenId(id: string): void
  hasChosenId(id: string): boolean
  users(after: string): NamesPage
  conversationsOf(user: string, after: string, limit: number): string[]
  eraseShown(conversation: string, erased: ErasedUser): boolean
  eraseUser(user: string): number
}

export interface ShardWriterRpc extends Rpc.DurableObjectBranded {
  write(batch: ProjectionBatch): Promise<Projected>
  stats(): {
    readonly rows: number
    readonly writes: number
    readonly waiting: number
    readonly shed: Readonly<Record<string, number>>
  }
  setPublished(tenant: string, since: number | undefined): void
  setChatRules(tenant: string, rules: string | undefined): void
  forgetTenant(tenant: string): boolean
}

/** The wanted properties of a new or existing tenant. `key` is for a new one, and replaces a key with the same id. */
export interface Provision {
  readonly id: string
  readonly name: string
  /** Undefined keeps its plan. */
  readonly plan?: string | undefined
  readonly limits: OwnLimits
  readonly key: StoredKey
  /** Where a new tenant is placed. Absent when the caller is of a version that left it to the tenant. */
  readonly shard?: string | undefined
  /** Undefined keeps its region. */
  readonly region?: RegionHint | undefined
}

/** Calls of a tenant on one day. */
export interface CallsOfDay {
  readonly requests: number
  readonly commands: number
}

/** Where a step of a run of the platform for a tenant stands; `none`: there is nothing to do any more. */
export type TenantStep = DeletionProgress

export interface TenantRpc extends Rpc.DurableObjectBranded {
  provision(wanted: Provision):
    | {
        readonly record: StoredTenant
        readonly made: boolean
      }
    | Refusal
  record(): StoredTenant | undefined
  requestDeletion(graceDays: number): TenantDeletion | Refusal
  restore(requestedAt?: number): StoredTenant | Refusal
  deletion(): TenantDeletion | undefined
  continueDeletion(step: string, requestedAt: number): Promise<TenantStep>
  continueCreation(): Promise<TenantStep>
  isErased(): boolean
  admission():
    | {
        readonly record: StoredTenant
        readonly secrets: TenantSecrets
      }
    | undefined
  placement(): Placement | undefined
  setPublished(isPublished: boolean): void
  isPublished(): boolean
  setChatNotifications(settings: ChatNotifications): void
  addKey(key: StoredKey):
    | {
        readonly kind: 'added'
      }
    | Refusal
  revokeKey(keyId: string): boolean
  setState(state: StoredTenant['state']): StoredTenant | Refusal
  setLimits(plan: string | undefined, limits: OwnLimits): StoredTenant | undefined
  setPolicy(
    name: string,
    policy: Omit<StoredPolicy, 'version'>,
  ):
    | {
        readonly kind: 'set'
        readonly policy: StoredPolicy
      }
    | Refusal
  dropPolicy(name: string): boolean
  noteConnections(connections: number): void
  connectionPeaks(): Record<string, number>
  noteCalls(kind: 'requests' | 'commands', calls: number): void
  callsByDay(): Record<string, CallsOfDay>
  setNamespace(
    name: string,
    namespace: Namespace,
  ):
    | {
        readonly kind: 'set'
      }
    | Refusal
  dropNamespace(name: string): boolean
  setSettings(change: SettingsChange): StoredTenant | undefined
  setContentRules(rules: ContentRules | undefined): StoredTenant | undefined
  signingKeys(): TokenKey[]
  keySets(): KeySet[]
  putKeySet(set: KeySet): { readonly kind: 'set' } | Refusal
  dropKeySet(name: string): boolean
  mayPublishKey(): boolean
  addSigningKey(key: TokenKey):
    | {
        readonly kind: 'changed'
      }
    | Refusal
  rotateSigningKey(
    id: string,
    successor: TokenKey,
    overlapMs: number,
  ):
    | {
        readonly kind: 'changed'
      }
    | Refusal
  revokeSigningKey(id: string):
    | {
        readonly kind: 'changed'
      }
    | Refusal
  retell(): void
  startMove(order: MoveOrder & { readonly to: string }): MoveAnswered | Refusal
  move(): MoveView | undefined
  decideMove(decision: MoveDecision): MoveAnswered | Refusal
  measureActors(cursor: string): Promise<ActorSizes>
}

/** A move of the tenant to another shard, after the operator began or changed it. */
export interface MoveAnswered {
  readonly kind: 'moving'
  readonly move: MoveView
}

export interface PlatformRpc extends Rpc.DurableObjectBranded {
  aggregate(key: string, isFresh: boolean, ask: () => Promise<Found>): Promise<Aggregate>
  settings(): PlatformSettings
  setSystemLimits(system: SystemLimits): PlatformSettings
  setPlan(
    name: string,
    plan: Plan,
  ):
    | {
        readonly kind: 'set'
        readonly settings: PlatformSettings
      }
    | Refusal
  dropPlan(name: string): boolean
  shards(): ShardList
  putShard(
    shard: StoredShard,
    schema: number,
  ):
    | {
        readonly kind: 'set'
        readonly version: number
      }
    | Refusal
  changeShard(name: string, change: ShardChange): number | undefined
  reEncryptShard(name: string, before: string, connection: ShardConnection): number | undefined
  removeShard(name: string): number | undefined
  putReplica(
    shard: string,
    replica: StoredReplica,
  ):
    | {
        readonly kind: 'set'
        readonly version: number
      }
    | Refusal
    | undefined
  changeReplica(shard: string, name: string, change: ReplicaChange): number | undefined
  reEncryptReplica(shard: string, name: string, before: string, connection: ShardConnection): number | undefined
  removeReplica(shard: string, name: string): number | undefined
  noteShardSchema(shard: string, number: number): void
  noteTenant(id: string): void
  standingOfTenant(id: string): TenantKnowledge
  noteDeleted(id: string): void
  eraseTenant(id: string): number
  rowsOfTenant(id: string): number
  queuesOfTenant(id: string): string[]
  noteParked(parked: ParkedTask): void
  clearParked(actor: string, task: string): void
  noteMove(tenant: string, report: MoveReport): void
  moveFigures(): MoveFigures
  isDueListComplete(): boolean
  completeDueList(): void
  noteQueues(queues: readonly { readonly tenant: string; readonly queue: string }[]): void
  dueQueues(now: number, after: { readonly tenant: string; readonly queue: string }, limit: number): DueQueue[]
  hasDueQueues(now: number): boolean
  queuesSwept(queues: readonly SweptQueue[]): void
  queueFigures(): string[]
  queuesWithDead(): { readonly tenant: string; readonly queue: string }[]
  noteUse(tenants: readonly string[]): void
  tenantsToCount(now: number, all: boolean): string[]
  tenantsCounted(tenants: readonly string[], now: number): void
  tenantsUsedSince(since: number): string[]
  tenantsToArchive(now: number): ArchivableTenant[]
  tenantArchived(tenant: string, nextAt: number | null): void
  noteGateway(gateway: string): void
  usedGateways(): UsedGateway[]
  gatewayUnused(gateway: UsedGateway): void
  partitionsOf(shard: string): string
  notePartitions(shard: string, months: string): void
  parkedTasks(): {
    readonly count: number
    readonly tasks: readonly ParkedTask[]
  }
}

export interface CacheEpochsRpc extends Rpc.DurableObjectBranded {
  invalidate(tags: readonly string[], known: Stamp | undefined): Invalidations
  since(known: Stamp | undefined, read?: readonly string[]): Invalidations
  takeRecent(): string[]
}

export interface ShardReaderRpc extends Rpc.DurableObjectBranded {
  page(log: LogOf, page: PageOf): Promise<string | null>
  figures(): { readonly asked: number; readonly read: number }
}

export interface RateLimiterRpc extends Rpc.DurableObjectBranded, ErasableRpc {
  lease(ask: LeaseAsk): LeaseAnswer
  leaseEach(asks: readonly KeyedAsk[]): LeaseAnswer[]
  settle(closing: readonly Closing[]): void
  refund(units: number, at: number): void
  refundOf(key: string, units: number, at: number): void
  reserve(rules: Rules, units: number, ttlMs: number): Reserved
  hold(rules: Rules, holder: string, units: number, ttlMs: number): number
  release(rules: Rules, lease: number, spent: number): boolean
  peek(rules: Rules): AccountState
  reset(rules: Rules): void
  eraseUser(key: string | null): Promise<boolean>
}

/** The answer to an enqueue of one job. */
export type EnqueueAnswer = ({ readonly kind: 'queued' } & Receipt) | Refusal

export interface JobPage {
  readonly jobs: readonly JobView[]
  readonly next: string | null
}

/** The state of a queue. */
export interface QueueStats {
  readonly counts: Readonly<Record<JobState, number>>
  /** How long the oldest job that could have started has been waiting, in milliseconds. */
  readonly oldestMs: number
  readonly policy: Policy
  readonly tallies: readonly JobTypeCounts[]
}

/** A schedule as it is stored from now on. */
export interface PutSchedule {
  readonly kind: 'put'
  readonly schedule: Schedule
}

/** Scheduled messages as lines of an export, and after which the following part begins; null at the end. */
export interface ExportedMessages {
  readonly lines: readonly string[]
  readonly next: number | null
}

export interface JobQueueRpc extends Rpc.DurableObjectBranded, ErasableRpc {
  enqueue(wanted: NewJob, request?: RequestContext): Promise<EnqueueAnswer>
  enqueueAll(wanted: readonly NewJob[], request?: RequestContext): Promise<EnqueueResult>
  startRun(run: string, capacity: number, request?: RequestContext): PollAnswer | undefined
  poll(request: PollRequest, waitMs: number): Promise<PollAnswer>
  runLost(run: string, request?: RequestContext): void
  report(report: Omit<ProgressReport, 'run'>, request?: RequestContext): boolean
  find(id: string):
    | (JobView & {
        readonly lines: readonly {
          at: number
          line: string
        }[]
      })
    | undefined
  list(state: JobState, cursor: string | undefined, limit: number): JobPage
  cancel(id: string, request?: RequestContext): JobView | undefined
  eraseUser(user: string, limit: number): number
  exportMessages(user: string, after: number, limit: number): ExportedMessages
  redrive(id: string, request?: RequestContext): JobView | Refusal
  redriveAll(
    limit: number,
    request?: RequestContext,
  ): {
    redriven: number
    skipped: number
  }
  stats(): QueueStats
  setPolicy(change: Partial<Policy>, request?: RequestContext): Promise<Policy>
  schedules(after: string, limit: number): Schedule[]
  schedule(name: string): Schedule | undefined
  putSchedule(spec: ScheduleSpec, request?: RequestContext): Promise<PutSchedule | Refusal>
  removeSchedule(name: string, request?: RequestContext): Promise<boolean>
  claimSchedules(queue: string, before: ScheduleUsage, after: ScheduleUsage): Refusal | undefined
  secrets(request?: RequestContext): Promise<string[]>
  rotateSecret(request?: RequestContext): Promise<string[]>
  follow(id: string, call: StreamCall): StreamAnswer
  register(name: string): Promise<'registered' | 'published' | 'erased'>
  hasQueue(name: string): boolean
  queueNames(): string[]
  sweep(): QueueStats & { readonly nextAt: number | null }
  acceptedSince(day: string): Record<string, number>
  hold(isHeld: boolean): void
  setPublished(isPublished: boolean): void
}

/** A page of a topic's events; `first` is the oldest offset that is kept, `top` the newest. */
export type EventReadAnswer =
  | {
      readonly kind: 'page'
      readonly events: readonly LogEvent[]
      readonly first: number
      readonly top: number
      /** When it was read, in milliseconds since the epoch. A log of the version before does not say it. */
      readonly now?: number
    }
  | Refusal

/** What a topic of events keeps. */
export interface EventLogState extends Retention {
  readonly first: number
  readonly top: number
  readonly bytes: number
  readonly consumers: readonly string[]
  readonly waits: number
}

/** The answer to an actor that waits for an event. */
export type WaitAnswer = { readonly kind: 'found'; readonly event: LogEvent } | { readonly kind: 'waiting' } | Refusal

/** Part of an erasure in a log: `unknown` are edits by others of messages whose authors the log does not know. */
export interface ErasedEvents {
  readonly erased: number
  /** The offset after which to go on; null at the end. */
  readonly next: number | null
  readonly unknown: readonly { readonly offset: number; readonly conversation: string; readonly ref: number }[]
}

export interface EventLogRpc extends Rpc.DurableObjectBranded, ErasableRpc {
  /** `isOwn`: Parley's own events, of which source and id alone say whether they are the same. */
  append(events: readonly NewEvent[], isOwn?: boolean, emptied?: readonly EventName[]): Promise<Appended>
  eraseUser(erased: ErasedUser, after: number): ErasedEvents
  eraseEdits(erased: ErasedUser, offsets: readonly number[]): number
  read(after: number, limit: number): EventReadAnswer
  eventsAt(offsets: readonly number[]): readonly LogEvent[]
  offsetBefore(time: number): number
  configure(retention: Retention): void
  state(): EventLogState | undefined
  addConsumer(name: string): void
  removeConsumer(name: string): void
  awaitEvent(wait: EventWait): WaitAnswer
  endWait(id: string): void
}

/** A consumer as its actor has it. */
export interface ConsumerState {
  readonly spec: ConsumerSpec
  readonly isPaused: boolean
  /** It has so many dead letters that nothing is handed out. */
  readonly isFull: boolean
  readonly generation: number
  readonly settled: number
  readonly skipped: number
  readonly retrying: number
  readonly handedOut: number
  readonly deadLetters: number
}

/** Events of one pull; `event` is JSON text. */
export interface PulledEvents {
  readonly kind: 'pulled'
  readonly lease: string | null
  readonly until: number | null
  readonly events: readonly { readonly id: string; readonly attempt: number; readonly event: string }[]
}

/** What a puller did with events of a lease, by their offsets. */
export interface SettleCall {
  readonly lease: string
  readonly done: readonly number[]
  readonly failed: readonly { readonly offset: number; readonly reason: string; readonly delayMs: number | undefined }[]
}

/** All events of a topic behind an offset, in order; `first` is the oldest that it has. */
export interface EventsBehind {
  readonly after: number
  readonly events: readonly LogEvent[]
  readonly first: number
}

export interface EventConsumerRpc extends Rpc.DurableObjectBranded, ErasableRpc {
  configure(spec: ConsumerSpec, from: number): void
  state(): ConsumerState | undefined
  remove(): Promise<void>
  eraseUser(user: string): Promise<number>
  /** Logs of versions before gave no page. */
  eventsAppended(top: number, page?: EventsBehind): void
  setPaused(isPaused: boolean): boolean
  seek(offset: number): boolean
  pull(max: number, leaseMs: number, waitMs: number): Promise<PulledEvents | Refusal>
  settle(call: SettleCall): Promise<{ readonly kind: 'settled'; readonly late: readonly number[] } | Refusal>
  deadLetters(
    after: number,
    limit: number,
  ): readonly { readonly event: LogEvent; readonly attempts: number; readonly reason: string; readonly at: number }[]
  redrive(limit: number): number
  deleteDead(limit: number): number
  secrets(): string[]
  rotateSecret(): string[]
  progressOf(events: readonly SeenEvent[]): Promise<readonly EventProgress[]>
  webhook(): WebhookView | undefined
  enable(): boolean
  deliveries(below: number, limit: number, state: DeliveryState | undefined): readonly LoggedDelivery[]
  redeliver(offset: number): Promise<{ readonly kind: 'redelivering' } | Refusal>
  replay(replay: Replay): { readonly kind: 'replaying' } | Refusal
}

/** A webhook as its actor has it; `since` in milliseconds since the epoch. */
export interface WebhookView {
  readonly spec: ConsumerSpec
  readonly state: 'active' | 'paused' | 'failing' | 'disabled'
  readonly since: number
  readonly reason: string | null
  readonly settled: number
  /** Events that failed, that wait behind one that did, or that are replayed. */
  readonly waiting: number
  /** Replays under way. */
  readonly replaying: number
}

/** What a consumer did with an event of its topic. */
export interface EventProgress {
  readonly offset: number
  readonly state: ProgressState
  readonly reason?: string
}

/** A version of a process, with the warnings that it was registered with. */
export interface ProcessVersion {
  readonly kind: 'version'
  readonly version: number
  readonly createdAt: number
  readonly spec: ProcessSpec
}

/** An instance in a list. */
export interface ProcessInstanceSummary {
  readonly correlation: string
  readonly n: number
  readonly version: number
  readonly state: InstanceState
}

/** An instance with what its events say now, and a page of its history. */
export interface ProcessInstanceView extends ProcessInstanceSummary {
  readonly judgement: Judgement
  readonly history: readonly InstanceEntry[]
}

/** How far a process has read a topic. */
export interface ProcessStats {
  readonly figures: ProcessFigures
  readonly states: Partial<Record<InstanceState, number>>
  readonly topics: readonly TopicPosition[]
}

/** Where a process begins to read a topic. `readUpTo` is in milliseconds since the epoch. */
export interface TopicStart {
  readonly topic: string
  readonly offset: number
  readonly readUpTo: number
}

export interface ProcessViewRpc extends Rpc.DurableObjectBranded, ErasableRpc {
  define(spec: ProcessSpec, starts: readonly TopicStart[]): ProcessVersion | Refusal
  version(version: number | undefined): ProcessVersion | undefined
  remove(): Promise<readonly string[]>
  eventsAppended(topic: string, top: number): void
  find(correlation: string, after: number, limit: number): ProcessInstanceView | undefined
  list(state: InstanceState | undefined, before: number, limit: number): readonly ProcessInstanceSummary[]
  stats(): ProcessStats | undefined
  follow(correlation: string, call: StreamCall): StreamAnswer
}

/** An actor that waits for events; called at least once for each wait whose event was appended. */
export interface EventWaiter {
  eventArrived(wait: string, event: LogEvent): Promise<void>
}

export interface EventCatalogRpc extends Rpc.DurableObjectBranded, ErasableRpc {
  type(name: string): EventType | undefined
  types(after: string, limit: number): readonly { readonly type: string; readonly newest: number }[]
  newestOf(types: readonly string[]): readonly { readonly type: string; readonly newest: number }[]
  putVersion(name: string, wanted: TypeVersion): Registered
  addTopic(name: string): { readonly kind: 'added' } | Refusal
  topics(): string[]
  addConsumer(name: string, topic: string): { readonly kind: 'added' } | Refusal
  removeConsumer(name: string): void
  consumer(name: string): string | undefined
  consumers(): readonly { readonly name: string; readonly topic: string }[]
  addProcess(name: string, topics: readonly string[]): { readonly kind: 'added' } | Refusal
  removeProcess(name: string): void
  hasProcess(name: string): boolean
  processes(): string[]
}

export interface BreakerRpc extends Rpc.DurableObjectBranded, ErasableRpc {
  report(key: string, report: BreakerReport): Opinion
  states(): readonly { readonly key: string; readonly breaker: StoredBreaker }[]
  openFor(keys: readonly string[]): number[]
}

/** A definition of a saga with the time of its registration. */
export interface StoredDefinition {
  readonly kind: 'stored'
  readonly definition: Definition
  readonly createdAt: number
}

export interface SagaCatalogRpc extends Rpc.DurableObjectBranded, ErasableRpc {
  define(name: string, definition: Omit<Definition, 'name' | 'version'>): StoredDefinition | Refusal
  find(name: string, version?: number): StoredDefinition | undefined
  list(): { readonly name: string; readonly version: number }[]
  remove(name: string): boolean
  secrets(): string[]
  rotateSecret(): string[]
}

/** The call of a fetch step of a workflow of notifications. */
export type FetchCall = Omit<Extract<NotificationEffect, { kind: 'fetch' }>, 'kind' | 'step' | 'call'>

/** A route of a facade with what processes reported of it. */
export interface FacadeFigures {
  readonly kind: 'route'
  readonly route: StoredRoute
  readonly nextStepAt: number | null
  readonly window: ReturnType<RouteWindow['figures']>
}

/** A version of a route and what made it. */
export interface FacadeVersion extends Pick<StoredRoute, 'version' | 'state' | 'percent' | 'definition'> {
  readonly at: number
  readonly action: (typeof facadeActions)[number]
  readonly by: string
  readonly reason: string | null
}

export interface FacadeRpc extends Rpc.DurableObjectBranded, ErasableRpc {
  published(): PublishedRoute[]
  put(name: string, definition: FacadeDefinition, percent: number | undefined, by: string): FacadeFigures | Refusal
  kill(name: string, reason: string, by: string): FacadeFigures | Refusal
  resume(name: string, percent: number | undefined, reason: string, by: string): FacadeFigures | Refusal
  remove(name: string): boolean
  find(name: string): FacadeFigures | undefined
  list(after: string, limit: number): StoredRoute[]
  versions(name: string, before: number, limit: number): FacadeVersion[] | undefined
  differences(name: string, before: number, limit: number): (DifferenceReport & { readonly id: number })[] | undefined
  report(reports: readonly RouteReport[]): void
}

/** The wanted properties of a new run. `input` is JSON text. */
export interface NewSagaRun {
  readonly id: string
  readonly saga: string
  readonly version?: number | undefined
  readonly input?: string | undefined
  readonly watchers: readonly string[]
  readonly keepMs: number
}

/** Where a run stands. */
export interface SagaRunStatus {
  readonly kind: 'status'
  readonly id: string
  readonly saga: string
  readonly version: number
  readonly state: RunState
}

export type SagaStarted = Omit<SagaRunStatus, 'kind'> & { readonly kind: 'started'; readonly duplicate: boolean }

export type SagaRunView = z.input<typeof sagaRun>

export interface SagaRunPage {
  readonly runs: z.input<typeof sagaRunSummary>[]
  /** Where the next page begins; undefined at the end. */
  readonly last: { readonly startedAt: number; readonly id: string } | undefined
}

export interface SagaRpc extends Rpc.DurableObjectBranded, ErasableRpc, EventWaiter {
  start(wanted: NewSagaRun): Promise<SagaStarted | Refusal>
  find(id: string): SagaRunView | undefined
  list(query: SagaRunQuery): SagaRunPage
  signal(id: string, name: string, data: string | undefined, by: string): SagaRunStatus | Refusal
  cancel(id: string, reason: string, by: string): SagaRunStatus | Refusal
  retry(id: string, step: string, by: string): SagaRunStatus | Refusal
  skip(id: string, step: string, reason: string, result: string | undefined, by: string): SagaRunStatus | Refusal
  stats(saga: string): { readonly figures: SagaFigures; readonly attention: number; readonly open: number }
  follow(id: string, call: StreamCall): StreamAnswer
}

/** Which runs a list shows: those before a position, the newest first. */
export interface SagaRunQuery {
  readonly saga?: string | undefined
  readonly state?: RunState | undefined
  readonly stuck?: boolean | undefined
  readonly before: { readonly startedAt: number; readonly id: string }
  readonly limit: number
}

/**
 * A context in a Worker of its own, as other Workers call it (docs/design/contexts.md). Fields are added, never renamed: the Workers are
 * not of the same version at all times.
 */
export interface ContextService {
  /** An operation, or another request of the context's routes, with its caller in `parley-caller`. */
  fetch(request: Request): Promise<Response>
  /** Resolves when the worker run is over. */
  run(reference: WorkerRunReference): Promise<void>
  /** Makes a call of a saga. */
  perform(tenant: string, wanted: Effect, document: SagaDocument): Promise<SagaOutcome>
  /** Sends one message of a notification, to its provider. */
  deliver(order: DeliveryOrder): Promise<DeliveryOutcome>
  /** Makes the call of a fetch step of a workflow. */
  call(tenant: string, call: FetchCall): Promise<FetchOutcome>
  /** Runs a scheduled task now. */
  runCron(name: string): Promise<void>
  /** The contexts that the Worker has. */
  ready(): Promise<readonly string[]>
  /** Figures of its process, for /metrics. */
  figures(): Promise<readonly MetricFamily[]>
}
