import type { Conversation, Member } from '../../src/conversations/types.ts'
import { SentTimes } from '../../src/conversations/slow-mode.ts'
import type { Env } from '../../src/env.ts'
import { systemClock } from '../../src/kernel/clock.ts'
import { conversationChannel } from '../../src/protocol/channels.ts'
import { conversationSchema } from './schema.ts'
import { isUsed, migrate } from '../shared/migrate.ts'
import { eraseActor } from '../shared/tenant-actor.ts'
import { ownName } from '../address.ts'
import { Subscribers } from '../shared/subscribers.ts'
import { ActivityUpdater } from './activity-updater.ts'
import { AmendmentTable } from './amendment-table.ts'
import { CachedPages } from './cached-pages.ts'
import { appendOwnEvents } from '../shared/own-events.ts'
import { Settings } from '../shared/settings.ts'
import { ColdRanges } from './cold-ranges.ts'
import { EventPublisher } from './event-publisher.ts'
import { InboxUpdater } from './inbox-updater.ts'
import { LogSummary } from './log-summary.ts'
import { MemberTable } from './member-table.ts'
import { handOverToRecipients, MemberNotifier } from './member-notifier.ts'
import { MentionTable } from './mention-table.ts'
import { MessageStateTables } from './message-state-tables.ts'
import { MessageLog } from './message-log.ts'
import { Projection } from './projection.ts'
import { streamingMessages } from './streaming-store.ts'
import { UnreadCounter } from './unread-counter.ts'
import { UploadSweeper } from './upload-sweeper.ts'
import { UploadTable } from './upload-table.ts'

/** Everything one conversation stores: its settings, members, log, subscribers, and the watermarks of its pending tasks. */
export class ConversationStore {
  readonly settings: Settings
  readonly members: MemberTable
  readonly log: MessageLog
  readonly summary: LogSummary
  readonly amendments: AmendmentTable
  readonly messages: MessageStateTables
  readonly mentions: MentionTable
  readonly sentTimes: SentTimes
  readonly unread: UnreadCounter
  readonly activity: ActivityUpdater
  readonly subscribers: Subscribers
  readonly publisher: EventPublisher
  readonly notifier: MemberNotifier
  readonly projection: Projection
  readonly cachedPages: CachedPages
  readonly coldRanges: ColdRanges
  readonly inboxUpdater: InboxUpdater
  readonly uploads: UploadTable
  readonly sweeper: UploadSweeper
  /** Set by `write`. */
  conversation: Conversation | undefined
  #crashedWithTasks: boolean

  private constructor(ctx: DurableObjectState, env: Env, exists: boolean) {
    const { sql } = ctx.storage
    const { tenant, name } = ownName(ctx.id.name)
    this.settings = new Settings(sql, exists)
    this.conversation = parseConversation(this.settings.get('conversation'))
    this.members = new MemberTable(sql, this.settings, exists, this.conversation?.version ?? 0)
    this.log = new MessageLog(sql, this.settings, exists)
    this.sentTimes = new SentTimes(this.log)
    this.summary = new LogSummary(sql, this.settings, this.log)
    this.uploads = new UploadTable(sql, exists)
    this.sweeper = new UploadSweeper(env, this.uploads, ctx.id.name ?? '')
    this.messages = new MessageStateTables(sql, {
      isUsed: this.settings.number('streaming') > 0,
      open: () => streamingMessages(this.settings, () => this),
    })
    this.amendments = new AmendmentTable(sql, this.log, this.summary, this.messages, this.uploads)
    this.mentions = new MentionTable(sql, exists)
    this.unread = new UnreadCounter(sql, this.log, this.amendments, this.members, this.mentions)
    this.subscribers = new Subscribers(env, sql, exists, { tenant, channel: conversationChannel(name) })
    this.cachedPages = new CachedPages(env, this.settings, systemClock)
    this.publisher = new EventPublisher(appendOwnEvents(env), this.settings, this.log, this.members, this.amendments)
    this.notifier = new MemberNotifier(handOverToRecipients(env), this.settings, () => this)
    this.projection = new Projection(
      env,
      this.settings,
      this.log,
      this.amendments,
      this.members,
      this.cachedPages,
      this.publisher,
      this.notifier,
      () => eraseActor(ctx),
    )
    this.coldRanges = new ColdRanges(sql, this.log, this.projection, this.cachedPages)
    this.activity = new ActivityUpdater(env, this.settings, this)
    this.inboxUpdater = new InboxUpdater(env, sql, this.settings, this.members, this.activity, systemClock, exists)
    this.#crashedWithTasks = this.conversation !== undefined && this.projection.isPending(this.conversation)
  }

  /** The store of an actor that wakes. An actor that was never written to has an empty store and no tables. */
  static open(ctx: DurableObjectState, env: Env): ConversationStore {
    const exists = isUsed(ctx.storage.sql)
    if (exists) migrate(ctx.storage.sql, conversationSchema)
    return new ConversationStore(ctx, env, exists)
  }

  /** Makes the tables, on the first write. */
  static create(ctx: DurableObjectState, env: Env): ConversationStore {
    migrate(ctx.storage.sql, conversationSchema)
    return new ConversationStore(ctx, env, true)
  }

  write(conversation: Conversation): void {
    this.settings.set('conversation', JSON.stringify(conversation))
    this.conversation = conversation
  }

  /** An instance that ended with pending tasks may have ended before its subscribers received what it had stored: announces the position, once. */
  announcePositionAfterCrash(): void {
    if (this.#crashedWithTasks) this.announcePosition()
    this.#crashedWithTasks = false
  }

  /** Subscribers learn of the deletion, and the bytes of the files are deleted. */
  conversationDeleted(): void {
    this.uploads.releaseAll()
    this.announcePosition()
  }

  /** A deleted conversation has no position: all subscribers, guests too, subscribe again and are refused. */
  announcePosition(): void {
    if (this.conversation === undefined) return
    const { epoch, deletedAt } = this.conversation
    if (deletedAt === undefined) this.subscribers.announcePosition(epoch, this.log.top())
    else this.subscribers.announcePosition('', 0)
  }

  /**
   * Begins a conversation, also under the id of a deleted one: the messages, members and pending tasks of that one are
   * gone. The store stays the same, so that a task of the deleted conversation that still runs sees that it is void.
   */
  begin(conversation: Conversation, members: readonly Member[]): void {
    const before = this.conversation
    this.write(conversation)
    const top = this.log.restart()
    if (top > 0) this.amendments.clear()
    if (top > 0) this.messages.clear()
    if (top > 0) this.summary.clear()
    if (top > 0) this.mentions.clear()
    if (top > 0) this.uploads.releaseAll()
    this.members.clear()
    this.members.putAll(members.map((member) => ({ ...member, read: top, joined: top })))
    this.projection.skip(top)
    this.activity.begin(top)
    this.inboxUpdater.beginAnew()
    this.publisher.begin(before, conversation, top)
    this.notifier.begin(top)
  }

  /** Lets go of the words Postgres has, but for the newest `tail` entries. Who wrote them, and what they change, can then not be read off the log. */
  prune(tail: number): void {
    const top = this.log.top()
    if (top - this.log.floor() < 2 * tail) return
    const upTo = Math.min(this.projection.watermark, this.activity.reportedUpTo, this.publisher.published, top - tail)
    this.activity.keep()
    this.summary.keepNewest(upTo)
    this.log.prune(upTo)
    this.projection.keepPosition()
  }
}

function parseConversation(text: string | undefined): Conversation | undefined {
  if (text === undefined) return undefined
  const conversation: Conversation = JSON.parse(text)
  return conversation
}
