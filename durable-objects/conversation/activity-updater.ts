import type { ReadStates } from '../../src/conversations/ports.ts'
import type { Conversation } from '../../src/conversations/types.ts'
import { changeOf } from '../../src/activity/entry-change.ts'
import type { Env } from '../../src/env.ts'
import {
  activityChanges,
  statesPerUpdate,
  type ConversationActivity,
  type CountChange,
  type Mentions,
  type ReadState,
  type UserReadState,
} from '../../src/events/activity.ts'
import { within } from '../../src/kernel/retry.ts'
import { cutText } from '../../src/kernel/text-transforms.ts'
import { activityOfConversation } from '../address.ts'
import type { Settings } from '../shared/settings.ts'
import type { AmendmentTable } from './amendment-table.ts'
import type { LogSummary } from './log-summary.ts'
import type { MemberTable } from './member-table.ts'
import type { MentionTable } from './mention-table.ts'
import type { MessageLog } from './message-log.ts'
import type { UnreadCounter } from './unread-counter.ts'

/** So many entries or changes may be reported without storing that they were: reported again, they change nothing. */
const storedEvery = 64
/** With more cursors ahead of their rows the rows are written. */
const movedAtMost = 5000
const previewLength = 140
/** Beyond the Activity actor's own deadline for gateways. */
const deadlineMs = 10_000

/** What of the conversation the Activity actor has confirmed. */
interface Reported {
  /** Seq of the newest entry. */
  readonly entry: number
  /** The number of the newest change of a member's row. */
  readonly change: number
  /** The version of the conversation. */
  readonly version: number
}

/** As it is stored, with the cursors that followed from entries up to there. */
interface StoredReported extends Reported {
  readonly moved: Readonly<Record<string, number>>
}

/** What is reported. */
export interface ActivityUpdaterParts {
  readonly conversation: Conversation | undefined
  readonly log: MessageLog
  readonly members: MemberTable
  readonly mentions: MentionTable
  readonly amendments: Pick<AmendmentTable, 'isQuiet'>
  readonly summary: LogSummary
  readonly unread: UnreadCounter
}

/**
 * Tells the tenant's Activity actor where the conversation stands, and the states of the users that wrote, read, joined or
 * were mentioned. What was confirmed is stored now and then only: an actor that starts again tells the last entries once
 * more, which changes nothing.
 */
export class ActivityUpdater implements ReadStates {
  readonly #env: Env
  readonly #settings: Settings
  readonly #parts: ActivityUpdaterParts
  #reported: Reported
  #stored: Reported
  /** Deletions, mentions of all members and departures that were not reported yet: those after `#changesAfter`. */
  #changes: CountChange[] = []
  #changesAfter: number
  #running: Promise<void> = Promise.resolve()

  constructor(env: Env, settings: Settings, parts: ActivityUpdaterParts) {
    this.#env = env
    this.#settings = settings
    this.#parts = parts
    const { log: entries, members } = parts
    const { moved, ...reported } = parseReported(settings.get('activityTold'), settings.number('told'))
    this.#reported = reported
    this.#stored = reported
    this.#changesAfter = reported.entry
    members.recall(moved)
    const top = entries.top()
    for (const { seq, user, data } of entries.range(reported.entry, top, top - reported.entry))
      this.note(seq, user, data)
    for (const user of members.changedAfter(reported.change)) members.noteChanged(user)
  }

  /** An entry is stored: moves its author's cursor, and notes whose state it changes. */
  note(seq: number, author: string, data: string): void {
    const { members, mentions } = this.#parts
    const change = changeOf(data)
    if (change.kind === 'joined') members.noteChanged(change.member)
    if (change.kind === 'left') this.#noteChange({ kind: 'left', seq, user: change.member })
    if (change.kind !== 'written' && change.kind !== 'deleted') return
    members.wrote(author, seq)
    const mention = mentions.get(change.kind === 'deleted' ? change.ref : seq)
    for (const user of mention?.users ?? []) members.noteChanged(user)
    const everyone = mention?.everyone ?? false
    if (change.kind === 'deleted' && this.#parts.amendments.isQuiet(change.ref)) return
    if (change.kind === 'deleted') this.#noteChange({ kind: 'deleted', seq, ref: change.ref, everyone })
    else if (everyone) this.#noteChange({ kind: 'mention', seq })
  }

  /** The conversation begins, also under the id of a deleted one, with a log that stands at `top`. */
  begin(top: number): void {
    this.#changes = []
    this.#changesAfter = top
    this.#reported = { entry: top, change: this.#parts.members.changes, version: 0 }
    if (top > 0) this.#store()
  }

  isPending(): boolean {
    const { conversation, log: entries, members } = this.#parts
    if (conversation === undefined) return false
    const { entry, version } = this.#reported
    if (conversation.deletedAt !== undefined) return version < conversation.version
    return entry < entries.top() || version < conversation.version || members.hasUnreported
  }

  /** Whether the Activity actor has confirmed everything, the states of all members included. */
  get isUpToDate(): boolean {
    return !this.isPending() && this.#reported.change === this.#parts.members.changes
  }

  /** Tells what is pending now, one call after another. Throws when the Activity actor was not reached. */
  run(): Promise<void> {
    const run = async () => await this.#tell()
    this.#running = this.#running.then(run, run)
    return this.#running
  }

  async #tell(): Promise<void> {
    const { conversation, log: entries, members } = this.#parts
    if (conversation === undefined || !this.isPending()) return
    const reported: Reported = { entry: entries.top(), change: members.changes, version: conversation.version }
    if (conversation.deletedAt !== undefined) return await this.#reportDeleted(conversation, reported)
    const users = members.takeUnreported()
    const update = this.#update(conversation, users)
    const [changes, changesAfter] = [this.#changes, this.#changesAfter]
    this.#changes = []
    this.#changesAfter = reported.entry
    try {
      await within(
        deadlineMs,
        'activity',
        activityOfConversation(this.#env, conversation.tenant, conversation.id).advance(update),
      )
    } catch (thrown) {
      for (const user of users) members.noteChanged(user)
      this.#changes = [...changes, ...this.#changes]
      this.#changesAfter = changesAfter
      throw thrown
    }
    this.#reported = reported
    if (reported.entry - this.#stored.entry >= storedEvery || reported.change - this.#stored.change >= storedEvery)
      this.#store()
  }

  async #reportDeleted({ tenant, id, epoch, version }: Conversation, reported: Reported): Promise<void> {
    const call = activityOfConversation(this.#env, tenant, id).forget({ conversation: id, version })
    await within(deadlineMs, 'activity', call)
    // Another one may have begun under the same id meanwhile.
    if (this.#parts.conversation?.epoch !== epoch) return
    this.#reported = reported
    this.#store()
  }

  /** Where the conversation stands now, without what happened before. */
  activity(conversation: Conversation): ConversationActivity {
    const { log: entries, members, summary } = this.#parts
    const { id, epoch, type, version, name, createdAt } = conversation
    const last = entries.top()
    const preview = summary.newest()
    return {
      conversation: id,
      epoch,
      type,
      version,
      name,
      members: members.some(10).map(({ user }) => user),
      memberCount: members.count(),
      last,
      number: entries.number(),
      at: entries.range(last - 1, last, 1)[0]?.at ?? createdAt,
      preview: preview === null ? null : { user: preview.user, text: cutText(preview.text, previewLength) },
      states: [],
      statesAfter: last,
      changes: [],
      changesAfter: last,
    }
  }

  of(user: string): ReadState | undefined {
    return this.#parts.unread.of(user)
  }

  noteMentions(seq: number, given: Mentions): void {
    const { members, mentions } = this.#parts
    const { users, everyone } = mentions.put(seq, given)
    for (const user of users) members.noteChanged(user)
    if (everyone) this.#noteChange({ kind: 'mention', seq })
  }

  noteAll(): void {
    const { members } = this.#parts
    for (const { user } of members.all()) members.noteChanged(user)
  }

  /** The states of those of `users` that are members. */
  statesOf(users: Iterable<string>): UserReadState[] {
    return [...users].flatMap((user) => {
      const state = this.#parts.unread.of(user)
      return state === undefined ? [] : [{ user, ...state }]
    })
  }

  /** Stores what was reported, so that entries up to there need not be kept with their content. */
  keep(): void {
    this.#store()
  }

  /** The seq up to which the Activity actor knows the log. */
  get reportedUpTo(): number {
    return this.#reported.entry
  }

  #update(conversation: Conversation, users: ReadonlySet<string>): ConversationActivity {
    const now = this.activity(conversation)
    // Each state is a few reads: of ten thousand users that joined at once, those left out are asked for when they matter.
    const states = this.statesOf([...users].slice(-statesPerUpdate))
    const changes = this.#changes.slice(-activityChanges)
    const dropped = this.#changes.at(-activityChanges - 1)
    return {
      ...now,
      states,
      statesAfter: users.size > statesPerUpdate ? now.last + 1 : this.#reported.entry,
      changes,
      changesAfter: dropped?.seq ?? this.#changesAfter,
    }
  }

  #noteChange(change: CountChange): void {
    this.#changes.push(change)
    if (this.#changes.length <= 2 * activityChanges) return
    const dropped = this.#changes.splice(0, activityChanges)
    this.#changesAfter = dropped.at(-1)?.seq ?? this.#changesAfter
  }

  #store(): void {
    const { members } = this.#parts
    const moved = members.moved()
    if (Object.keys(moved).length > movedAtMost) members.keep()
    const stored: StoredReported = { ...this.#reported, moved: members.moved() }
    this.#settings.set('activityTold', JSON.stringify(stored))
    this.#stored = this.#reported
  }
}

/** Earlier versions stored the seq up to which all inboxes were updated. */
function parseReported(text: string | undefined, before: number): StoredReported {
  if (text === undefined) return { entry: before, change: 0, version: 0, moved: {} }
  const stored: StoredReported = JSON.parse(text)
  return stored
}
