import { loadConfig } from '../../src/config.ts'
import { projectedProperties } from '../../src/conversations/projected-properties.ts'
import type { Conversation, LogRow } from '../../src/conversations/types.ts'
import type { Env } from '../../src/env.ts'
import { entryTexts } from '../../src/events/internal-events.ts'
import type { Projected, ProjectedProperties, ProjectionBatch } from '../../src/events/projection.ts'
import type { WrittenAt } from '../../src/events/log-of.ts'
import { fitting } from '../../src/protocol/answer-size.ts'
import type { Placement } from '../../src/tenants/record.ts'
import { shardWriterOf, tenantOf } from '../address.ts'
import type { AmendmentTable } from './amendment-table.ts'
import type { CachedPages } from './cached-pages.ts'
import type { EventPublisher } from './event-publisher.ts'
import type { Settings } from '../shared/settings.ts'
import type { MemberTable } from './member-table.ts'
import type { MessageLog } from './message-log.ts'
import { WrittenPosition } from './written-position.ts'
import { systemClock } from '../../src/kernel/clock.ts'
import { TaskAttempts } from '../shared/task-attempts.ts'
import { heavyMembers } from './inbox-updater.ts'

/** Entries handed to Postgres in one call. */
const batchEntries = 500
/**
 * How long a conversation that was just created gathers its first messages at most, in milliseconds: they and its properties are one batch, by one
 * alarm, which rings while the actor is still in memory.
 */
const newGathersMs = 8000
/** Members handed to Postgres in one call: ten thousand in one statement would hold up all that wait behind it. */
const batchMembers = 1000

/**
 * Writes the log to Postgres. The log is its own outbox: a watermark says up to which seq Postgres has it, so that a
 * message costs no second row. Writing is idempotent on (tenant, conversation, seq): a batch whose answer was lost is sent
 * again.
 */
export class Projection {
  readonly #env: Env
  readonly #settings: Settings
  readonly #log: MessageLog
  readonly #members: MemberTable
  readonly #cachedPages: CachedPages
  readonly #publisher: EventPublisher
  readonly #notifier: LearnsRules
  readonly #position: WrittenPosition
  readonly attempts: TaskAttempts
  readonly #delayMs: number
  /** When the oldest entry was written that Postgres does not have; undefined until it is read. */
  #since: number | undefined
  readonly #amendments: AmendmentTable
  /** Erases the conversation, whose tenant is being erased. */
  readonly #erase: () => Promise<void>
  /** The newest deletion when the actor started: its text must not stay in Postgres for long. */
  readonly #firstDeletion: number
  /** How many rebuilds began: a write that began before one confirms nothing. */
  #rebuilds = 0

  constructor(
    env: Env,
    properties: Settings,
    messages: MessageLog,
    amendments: AmendmentTable,
    members: MemberTable,
    cachedPages: CachedPages,
    publisher: EventPublisher,
    notifier: LearnsRules,
    erase: () => Promise<void>,
  ) {
    this.#erase = erase
    this.#env = env
    this.#settings = properties
    this.#log = messages
    this.#amendments = amendments
    this.#members = members
    this.#cachedPages = cachedPages
    this.#publisher = publisher
    this.#notifier = notifier
    this.#position = new WrittenPosition(properties)
    this.attempts = new TaskAttempts(properties, 'projection', systemClock)
    this.#delayMs = loadConfig(env).projectionDelayMs
    const pending = messages.range(this.watermark, messages.top(), batchEntries)
    this.#firstDeletion = pending.findLast(({ data }) => isDeletion(data))?.seq ?? 0
  }

  /** The seq up to which Postgres has the log. */
  get watermark(): number {
    return this.#settings.number('projected')
  }

  isPending(conversation: Conversation): boolean {
    return this.watermark < this.#log.top() || this.#settings.number('projectedVersion') < conversation.version
  }

  /**
   * When what is pending is to be written: messages gather, since a batch costs as much as a message. Deletions, changes of
   * the conversation and a full batch do not wait.
   */
  dueAt(conversation: Conversation): number {
    const { watermark } = this
    const isNew = this.#isNew(conversation)
    const isUrgent =
      Math.max(this.#firstDeletion, this.#amendments.newestDeletion) > watermark ||
      this.#log.top() - watermark >= batchEntries ||
      (!isNew && this.#settings.number('projectedVersion') < conversation.version)
    if (isUrgent) return 0
    if (isNew) return Math.min(conversation.createdAt, systemClock.now()) + Math.min(this.#delayMs, newGathersMs)
    this.#since ??= this.#log.range(watermark, this.#log.top(), 1)[0]?.at ?? 0
    // An entry of the future was written before the clock was set back.
    return Math.min(this.#since, systemClock.now()) + this.#delayMs
  }

  /** Whether Postgres has nothing of it yet, and it is as it was created. */
  #isNew({ version, deletedAt }: Conversation): boolean {
    return (
      version === 1 && deletedAt === undefined && !this.isRebuilding && this.#settings.number('projectedVersion') === 0
    )
  }

  /**
   * Has what Postgres holds of the conversation made again: all entries that the log still has, the properties and the
   * members. Older entries stay as they are there.
   */
  rebuild(): void {
    this.#rebuilds++
    this.#settings.set('rebuildUpTo', this.#log.top())
    this.#settings.set('rebuildProperties', 1)
    this.#settings.set('projected', this.#log.floor() - 1)
    this.#settings.set('projectedVersion', 0)
    this.#since = undefined
  }

  /** Whether Postgres holds the properties and members of this version. */
  hasProperties({ version }: Conversation): boolean {
    return this.#settings.number('projectedVersion') >= version
  }

  get isRebuilding(): boolean {
    return this.#settings.number('rebuildProperties') === 1 || this.watermark < this.#settings.number('rebuildUpTo')
  }

  /** Nothing up to `seq` has to be written any more. */
  skip(seq: number): void {
    if (seq <= this.watermark) return
    this.#settings.set('projected', seq)
    this.#since = undefined
  }

  /**
   * Hands over everything that is pending when it begins. Throws when the shard cannot take it now; what was confirmed before
   * stays confirmed. What is written meanwhile waits for the next run: handed over at once it would be a transaction for
   * every few messages, and its commits would compete with those of the messages for the disk.
   */
  async run(conversation: () => Conversation): Promise<void> {
    const top = this.#log.top()
    let progress: MembersProgress = { version: 0, written: 0 }
    try {
      do progress = await this.#step(conversation(), top, progress)
      while (this.watermark < top || progress.written < this.#members.count())
    } finally {
      this.attempts.end()
    }
  }

  /** Writes the next entries and, where the conversation changed, its next members. Returns how far the members are. */
  async #step(conversation: Conversation, top: number, before: MembersProgress): Promise<MembersProgress> {
    const after = this.watermark
    const rows = fitting(this.#log.range(after, top, batchEntries))
    if (this.#members.count() > heavyMembers) this.attempts.begin()
    const { version } = conversation
    // A change meanwhile makes other members of it: those of the new version are written from the first one.
    const from = before.version === version ? before.written : 0
    const properties =
      this.#settings.number('projectedVersion') < version ? this.#properties(conversation, from) : undefined
    const replaced = this.#replaced(after, rows, from === 0 && properties !== undefined)
    const rebuilds = this.#rebuilds
    const answer = await this.#write(conversation, rows, properties, replaced)
    if (answer.kind === 'failed') throw new Error(answer.why)
    if (answer.kind === 'misplaced') {
      await this.#misplaced(conversation.tenant)
      throw new Error(`tenant ${conversation.tenant} is not placed where this conversation believes; asking again`)
    }
    this.#cachedPages.note(conversation, answer.scrubbed, this.#log.floor())
    this.#publisher.noteSince(conversation, answer.publishedSince)
    this.#notifier.noteRules(answer.chatRules)
    if (this.#rebuilds !== rebuilds) return { version: 0, written: 0 }
    // No rows: there is nothing left to hand over, up to the top.
    this.skip(rows.at(-1)?.seq ?? top)
    this.#position.note(this.#knownPlacement()?.epoch ?? 0, answer.position)
    this.keepPosition()
    const written = from + (properties?.members.length ?? this.#members.count())
    if (replaced?.hasProperties === true) this.#settings.set('rebuildProperties', 0)
    if (properties === undefined || properties.isComplete) this.#settings.set('projectedVersion', version)
    return { version, written }
  }

  #replaced(after: number, rows: readonly LogRow[], isFirstOfProperties: boolean): ProjectionBatch['replaced'] {
    if (!this.isRebuilding) return undefined
    const hasProperties = isFirstOfProperties && this.#settings.number('rebuildProperties') === 1
    return { first: after + 1, last: rows.at(-1)?.seq ?? after, hasProperties }
  }

  /** The log's floor or the revision of old pages may have changed. While a part is being written again, nothing is kept. */
  keepPosition(): void {
    const floor = this.#log.floor()
    if (this.watermark >= floor - 1) this.#position.keep(floor, this.#cachedPages.revision)
  }

  /** Where the entries below the log's floor are, as of the last write: the shard checks the epoch. */
  writtenAt(): WrittenAt | undefined {
    const placement = this.#knownPlacement()
    if (placement === undefined) return undefined
    const written = this.#position.at(this.#log.floor(), this.#cachedPages.revision)
    const isKnown = written?.placementEpoch === placement.epoch
    return { ...placement, ...(isKnown ? { position: written.position } : {}) }
  }

  async #write(
    conversation: Conversation,
    rows: readonly LogRow[],
    properties: ProjectedProperties | undefined,
    replaced: ProjectionBatch['replaced'],
  ): Promise<Projected> {
    const placement = this.#knownPlacement() ?? (await this.#askPlacement(conversation.tenant))
    if (placement === undefined) {
      // Its rows were not in Postgres yet when the deletion listed the tenant's conversations.
      if (await tenantOf(this.#env, conversation.tenant).isErased()) await this.#erase()
      return { kind: 'misplaced' }
    }
    const writer = shardWriterOf(this.#env, placement.shard, conversation.tenant, conversation.id)
    const batch = toBatch(conversation, rows, placement.epoch)
    return await writer.write({
      ...batch,
      ...(properties === undefined ? {} : { facts: properties }),
      ...(replaced === undefined ? {} : { replaced }),
    })
  }

  /** The placement of the last write. It is stored, so that an actor that slept does not ask for it again: the shard checks its epoch. */
  #knownPlacement(): Placement | undefined {
    const stored = this.#settings.get('placement') ?? ''
    const [, epoch, shard] = /^(\d+) (.+)$/.exec(stored) ?? []
    return epoch === undefined || shard === undefined ? undefined : { shard, epoch: Number(epoch) }
  }

  async #askPlacement(tenant: string): Promise<Placement | undefined> {
    const placement = await tenantOf(this.#env, tenant).placement()
    if (placement !== undefined) this.#settings.set('placement', `${placement.epoch} ${placement.shard}`)
    return placement
  }

  /**
   * The shard has another epoch of the tenant, or none: the tenant is asked before the next attempt. If it has the same one,
   * its shard has lost it, and the tenant writes it there again.
   */
  async #misplaced(tenant: string): Promise<void> {
    const known = this.#settings.get('placement')
    this.#settings.set('placement', '')
    await this.#askPlacement(tenant)
    if (this.#settings.get('placement') === known) await tenantOf(this.#env, tenant).retell()
  }

  #properties(conversation: Conversation, from: number): ProjectedProperties {
    const { type, name, createdBy, createdAt, deletedAt, version } = conversation
    const members = [...this.#members.all()]
      .slice(from, from + batchMembers)
      .map(({ user, role, joinedAt }) => ({ user, role, joinedAt }))
    const isComplete = from + members.length >= this.#members.count()
    return {
      type,
      name,
      createdBy,
      createdAt,
      deletedAt: deletedAt ?? null,
      version,
      properties: projectedProperties(conversation),
      members,
      isComplete,
    }
  }
}

/** Learns what the tenant's conversations notify of. */
interface LearnsRules {
  noteRules(text: string | undefined): void
}

/** How many members of a version of the conversation are written, in the order of the member table. */
interface MembersProgress {
  readonly version: number
  readonly written: number
}

const toBatch = (
  { tenant, id, epoch }: Conversation,
  rows: readonly LogRow[],
  placementEpoch: number,
): ProjectionBatch => ({
  tenant,
  placementEpoch,
  conversation: id,
  epoch,
  rows: entryTexts === undefined ? rows : rows.map(stamped),
  scrubbed: rows.flatMap(toScrubbed),
  scrubbedBy: rows.flatMap((row) => (isDeletion(row.data) ? [row.seq] : [])),
})

/** An entry as Postgres stores it. */
const stamped = (row: LogRow): LogRow => ({ ...row, data: entryTexts?.write(row.data) ?? row.data })

/** A deletion among the entries names the message whose text must be removed from Postgres, too. */
function toScrubbed({ data }: LogRow): number[] {
  if (!isDeletion(data)) return []
  const { ref }: { ref: number } = JSON.parse(data)
  return [ref]
}

const isDeletion = (data: string): boolean => data.startsWith('{"type":"message.deleted"')
