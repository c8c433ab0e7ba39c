import type { Conversation, LogRow } from '../../src/conversations/types.ts'
import type { Env } from '../../src/env.ts'
import type { Projected, ProjectedFacts, ProjectionBatch } from '../../src/events/projection.ts'
import { fitting } from '../../src/protocol/answer-size.ts'
import type { Placement } from '../../src/tenants/record.ts'
import { shardWriterOf, tenantOf } from '../address.ts'
import type { CachedPages } from './cached-pages.ts'
import type { Settings } from '../shared/settings.ts'
import type { MemberTable } from './member-table.ts'
import type { MessageLog } from './message-log.ts'

/** Entries handed to Postgres in one call. */
const batchEntries = 500

/**
 * The log is its own outbox: a watermark says how far Postgres has it, so a message costs no second row for that.
 * Writing is idempotent on (tenant, conversation, seq); a batch whose answer was lost is simply sent again.
 */
export class Projection {
  readonly #env: Env
  readonly #settings: Settings
  readonly #log: MessageLog
  readonly #members: MemberTable
  readonly #cachedPages: CachedPages
  #placement: Placement | undefined

  constructor(env: Env, facts: Settings, messages: MessageLog, members: MemberTable, cachedPages: CachedPages) {
    this.#env = env
    this.#settings = facts
    this.#log = messages
    this.#members = members
    this.#cachedPages = cachedPages
  }

  /** The seq up to which Postgres has the log. */
  get watermark(): number {
    return this.#settings.number('projected')
  }

  isPending(conversation: Conversation): boolean {
    return this.watermark < this.#log.top() || this.#settings.number('projectedVersion') < conversation.version
  }

  /** Nothing up to `seq` is owed any more. */
  skip(seq: number): void {
    if (seq > this.watermark) this.#settings.set('projected', seq)
  }

  /**
   * Hands over everything owed when it begins. Throws when the shard cannot take it now; what was confirmed before stays
   * confirmed. What is written meanwhile waits for the next run: handed over at once it would be a transaction for every
   * few messages, without end while people talk, and its commits would compete with theirs for the disk.
   */
  async run(conversation: () => Conversation): Promise<void> {
    const top = this.#log.top()
    do await this.#step(conversation(), top)
    while (this.watermark < top)
  }

  async #step(conversation: Conversation, top: number): Promise<void> {
    const after = this.watermark
    const rows = fitting(this.#log.range(after, top, batchEntries))
    const answer = await this.#write(conversation, rows)
    if (answer.kind === 'failed') throw new Error(answer.why)
    if (answer.kind === 'misplaced') {
      this.#placement = undefined
      throw new Error(`tenant ${conversation.tenant} is not placed where this conversation believes; asking again`)
    }
    this.#cachedPages.note(conversation, answer.scrubbed, this.#log.floor())
    // No rows: there is nothing left to hand over, up to the top.
    this.skip(rows.at(-1)?.seq ?? top)
    this.#settings.set('projectedVersion', conversation.version)
  }

  async #write(conversation: Conversation, rows: readonly LogRow[]): Promise<Projected> {
    this.#placement ??= await tenantOf(this.#env, conversation.tenant).placement()
    if (this.#placement === undefined) return { kind: 'misplaced' }
    const { shard, epoch } = this.#placement
    const writer = shardWriterOf(this.#env, shard, conversation.id)
    return await writer.write(this.#batch(conversation, rows, epoch))
  }

  #batch(conversation: Conversation, rows: readonly LogRow[], placementEpoch: number): ProjectionBatch {
    const changed = this.#settings.number('projectedVersion') < conversation.version
    return {
      tenant: conversation.tenant,
      placementEpoch,
      conversation: conversation.id,
      epoch: conversation.epoch,
      rows,
      scrubbed: rows.flatMap(toScrubbed),
      ...(changed ? { facts: this.#projectedFacts(conversation) } : {}),
    }
  }

  #projectedFacts({ type, name, createdBy, createdAt, deletedAt, version }: Conversation): ProjectedFacts {
    const members = [...this.#members.all()].map(({ user, role, joinedAt }) => ({ user, role, joinedAt }))
    return { type, name, createdBy, createdAt, deletedAt: deletedAt ?? null, version, members }
  }
}

/** A deletion among the entries names the message whose words must leave Postgres too. */
function toScrubbed({ data }: LogRow): number[] {
  if (!data.startsWith('{"type":"message.deleted"')) return []
  const { ref }: { ref: number } = JSON.parse(data)
  return [ref]
}
