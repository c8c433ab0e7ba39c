import { z } from 'zod'
import {
  blocksKnown,
  canWait,
  concernedUsers,
  emptyState,
  invitationIn,
  judge,
  nextLookAt,
  noticeMessage,
  noticeNow,
  planNotices,
  withBlocks,
  type Judgement,
  type Notice,
  type NoticeMessage,
  type NoticeSource,
  type NoticeState,
  type Notified,
} from '../../src/conversations/notices.ts'
import type { Conversation, LogRow } from '../../src/conversations/types.ts'
import type { Env } from '../../src/env.ts'
import { systemClock } from '../../src/kernel/clock.ts'
import { uuidFrom } from '../../src/kernel/id.ts'
import { within } from '../../src/kernel/retry.ts'
import {
  chatNoticeKinds,
  chatRules,
  type ChatExplanation,
  type ChatNoticeKind,
  type ChatRules,
} from '../../src/protocol/chat-notifications-api.ts'
import { recipientsNumbered, recipientsNumberOf } from '../address.ts'
import type { AskedNotice, ChatNoticeNow } from '../contracts.ts'
import type { BlockedAuthor, ChatNotice, ChatNoticesAnswer, ChatNoticesCall } from '../notification-contracts.ts'
import { whenPlaceIsFree } from '../open-actors.ts'
import type { Settings } from '../shared/settings.ts'
import type { Subscribers } from '../shared/subscribers.ts'
import type { AmendmentTable } from './amendment-table.ts'
import type { MemberTable } from './member-table.ts'
import type { MentionTable } from './mention-table.ts'
import type { MessageLog } from './message-log.ts'
import type { ThreadTable } from './thread-table.ts'

/** Entries that one run looks at, and how far back unread messages are looked for. */
const entriesPerRun = 200
/** The position is stored with what is to be kept, and after so many entries: looking at entries again changes nothing. */
const storedEvery = 64
/** Messages that an explanation shows. */
const explained = 20
const deadlineMs = 10_000

/** Hands notices to one of the sixteen actors of recipients. */
export type HandOver = (tenant: string, number: number, call: ChatNoticesCall) => Promise<ChatNoticesAnswer>

export const handOverToRecipients =
  (env: Env): HandOver =>
  async (tenant, number, call) => {
    await whenPlaceIsFree(env)
    const asked: Promise<ChatNoticesAnswer> = recipientsNumbered(env, tenant, number).chatNotices(call)
    return await within(deadlineMs, 'the recipients', asked)
  }

/** What notifications are decided by. */
export interface NotifierParts {
  readonly conversation: Conversation | undefined
  readonly settings: Settings
  readonly log: Pick<MessageLog, 'top' | 'floor' | 'range'>
  readonly members: Pick<MemberTable, 'get' | 'some' | 'count'>
  readonly mentions: Pick<MentionTable, 'newest'>
  readonly messages: {
    readonly threads: Pick<ThreadTable, 'followersOf' | 'follows' | 'hasRead' | 'hasAny' | 'newestMention'>
  }
  readonly amendments: Pick<AmendmentTable, 'target' | 'between'>
  readonly subscribers: { readonly presence: Pick<Subscribers['presence'], 'withoutOthers' | 'has'> }
  readonly projection: { isPending(conversation: Conversation): boolean; dueAt(conversation: Conversation): number }
}

/**
 * Notifies members of what happened, behind the answers and by the alarm: the log is the outbox. While the tenant has not switched this
 * on nothing is read, stored or called. See docs/design/chat-notifications.md.
 */
export class MemberNotifier {
  readonly #handOver: HandOver
  readonly #parts: () => NotifierParts
  /** A field, so that it costs a message nothing to look at it. */
  isOn: boolean
  #rules: ChatRules | undefined
  #state: NoticeState
  /** How far entries have been looked at; the stored position may be behind. */
  #upTo: number

  /** `settings` are those of `parts`, which are not complete yet. */
  constructor(handOver: HandOver, settings: Settings, parts: () => NotifierParts) {
    this.#handOver = handOver
    this.#parts = parts
    this.#rules = rulesIn(settings.get('chatRules'))
    this.isOn = this.#rules !== undefined
    this.#state = this.isOn ? stateIn(settings.get('chatNotices')) : emptyState
    this.#upTo = this.#state.upTo
  }

  /** What the shard writer says: what the tenant's conversations notify of. Entries of before are not looked at. */
  noteRules(text = ''): void {
    const { settings, log } = this.#parts()
    if (text === (settings.get('chatRules') ?? '')) return
    const wasOn = this.isOn
    settings.set('chatRules', text)
    this.#rules = rulesIn(text)
    this.isOn = this.#rules !== undefined
    if (wasOn || !this.isOn) return
    const known = stateIn(settings.get('chatNotices'))
    this.#set({ ...known, upTo: Math.max(known.upTo, log.floor() - 1, log.top() - entriesPerRun) })
  }

  /** The conversation begins anew under an id that another one had. */
  begin(top: number): void {
    if (this.isOn || this.#parts().settings.get('chatNotices') !== undefined) this.#set({ ...emptyState, upTo: top })
  }

  /** Forgets what is kept of a user. Returns whether there was anything. */
  forgetUser(user: string): boolean {
    const { settings } = this.#parts()
    const known = stateIn(settings.get('chatNotices'))
    const { blocks = [] } = known
    const others = blocks.filter((block) => block.user !== user && block.author !== user)
    if (!Object.hasOwn(known.members, user) && others.length === blocks.length) return false
    const { [user]: _, ...members } = known.members
    this.#set({ ...known, members, ...(blocks.length === 0 ? {} : { blocks: others }) })
    return true
  }

  isPending(conversation: Conversation): boolean {
    if (!this.isOn || conversation.deletedAt !== undefined) return false
    return this.#upTo < this.#parts().log.top() || this.#isNew(conversation) || nextLookAt(this.#state) < Infinity
  }

  /** New entries are looked at soon; where hardly any can matter with the next write to Postgres, so that they cost no alarm of their own. */
  dueAt(conversation: Conversation): number {
    const { log, mentions, messages, projection } = this.#parts()
    const looks = nextLookAt(this.#state)
    if (this.#upTo >= log.top() && !this.#isNew(conversation)) return looks
    const newestMention = Math.max(mentions.newest, messages.threads.newestMention)
    const isSoon = newestMention > this.#upTo || this.#isNew(conversation) || this.#isWatched(conversation)
    if (isSoon || !projection.isPending(conversation)) return 0
    return Math.min(looks, projection.dueAt(conversation))
  }

  /** Throws when an actor of recipients does not take the notices now: then all are decided again, and handed over under the same ids. */
  async run(): Promise<void> {
    const { conversation, log, subscribers } = this.#parts()
    const rules = this.#rules
    if (conversation === undefined || rules === undefined) return
    const now = systemClock.now()
    const upTo = Math.min(log.top(), this.#upTo + entriesPerRun)
    const rows = log.range(this.#upTo, upTo, entriesPerRun)
    const source = this.#source(conversation, rules)
    const entries = {
      messages: this.#messagesIn(rows),
      invitations: rows.flatMap((row) => invitationIn(row) ?? []),
      upTo,
    }
    const users = [...concernedUsers(source, entries, this.#state, now)]
    const away = await subscribers.presence.withoutOthers(users.map((user) => ({ user, client: '' })))
    const isAway = new Set(away.map(({ user }) => user))
    const { notices, state: planned } = planNotices(source, entries, this.#state, (user) => !isAway.has(user), now)
    const state = withBlocks(planned, notices, await this.#tell(conversation, notices), now)
    if (this.#parts().conversation?.epoch !== conversation.epoch) return
    this.#upTo = state.upTo
    const isChanged = JSON.stringify({ ...state, upTo: 0 }) !== JSON.stringify({ ...this.#state, upTo: 0 })
    if (isChanged || state.upTo - this.#state.upTo >= storedEvery) this.#set(state)
  }

  /** Whether a notification is still needed, and what it says now. */
  async now({ epoch, user, kind, seq }: AskedNotice): Promise<ChatNoticeNow> {
    const { conversation } = this.#parts()
    const rules = this.#rules
    const isThere = conversation?.epoch === epoch && conversation.deletedAt === undefined
    const source = isThere && rules !== undefined ? this.#source(conversation, rules) : undefined
    const found = noticeNow(source, { user, kind, seq }, source !== undefined && (await this.#isPresent(user)))
    if (found.kind === 'over') return found
    const messages = found.messages.map(({ seq: place, at, user: author, text }) => ({
      seq: place,
      at,
      user: author,
      text,
    }))
    return { kind: 'due', name: conversation?.name ?? '', count: found.count, messages }
  }

  /** What the rules say of the newest messages for one user; undefined when there is no conversation. */
  async explain(user: string): Promise<ChatExplanation | undefined> {
    const { conversation, log, members } = this.#parts()
    if (conversation === undefined || conversation.deletedAt !== undefined) return undefined
    const rules = this.#rules
    const member = members.get(user)
    const read = member?.read ?? 0
    const source = rules === undefined ? undefined : this.#source(conversation, rules)
    const judged = (message: NoticeMessage): Judgement => {
      if (source === undefined) return { kind: null, rule: 'notifications of chat are off' }
      if (member === undefined) return { kind: null, rule: 'the user is no member' }
      return judge(source, message, user)
    }
    const newest = this.#messagesIn(log.range(log.top() - entriesPerRun, log.top(), entriesPerRun))
    const { message, named, unread, due } = this.#state.members[user] ?? {}
    const shown = async (notified: Notified | undefined) => {
      if (notified === undefined || notified.upTo <= read) return null
      const { kind, seq, upTo, at } = notified
      return { notification: await notificationOf(conversation, kind, seq), at, upTo }
    }
    return {
      enabled: rules !== undefined,
      isMember: member !== undefined,
      isPresent: await this.#isPresent(user),
      read,
      messages: newest
        .slice(-explained)
        .toReversed()
        .map((one) => ({ seq: one.seq, ...judged(one), isRead: read >= one.seq })),
      notified: { message: await shown(message), named: await shown(named), unread: await shown(unread) },
      unreadAt: due ?? null,
    }
  }

  /** One call for each actor that has any of the users. Returns which of them block the author of a message. */
  async #tell(conversation: Conversation, notices: readonly Notice[]): Promise<readonly BlockedAuthor[]> {
    const { tenant, id, epoch, type, name } = conversation
    const byActor = new Map<number, ChatNotice[]>()
    for (const { users, ...notice } of notices) {
      const notification = await notificationOf(conversation, notice.kind, notice.seq)
      for (const [number, own] of Map.groupBy(users, recipientsNumberOf)) {
        const known = byActor.get(number) ?? []
        known.push({ ...notice, id: notification, users: own })
        byActor.set(number, known)
      }
    }
    const blocked: BlockedAuthor[] = []
    const calls = [...byActor].map(async ([number, own]) => {
      const answer = await this.#handOver(tenant, number, { conversation: { id, epoch, type, name }, notices: own })
      if (answer.kind === 'busy') throw new Error(`the recipients are busy for ${answer.retryInMs} ms`)
      blocked.push(...(answer.blocked ?? []))
    })
    // All are waited for, so that no call of this run is under way in the next one.
    const failed = (await Promise.allSettled(calls)).find((result) => result.status === 'rejected')
    if (failed !== undefined) throw failed.reason
    return blocked
  }

  async #isPresent(user: string): Promise<boolean> {
    const away = await this.#parts().subscribers.presence.withoutOthers([{ user, client: '' }])
    return away.length === 0
  }

  #source(conversation: Conversation, rules: ChatRules): NoticeSource {
    const { log, members, amendments, messages } = this.#parts()
    const { threads } = messages
    return {
      conversation,
      rules,
      memberCount: members.count(),
      member: (user) => members.get(user),
      some: (limit) => members.some(limit),
      target: (seq) => amendments.target(seq),
      blocks: blocksKnown(this.#state, systemClock.now()),
      hasThreads: threads.hasAny,
      followersOf: (root) => threads.followersOf(root),
      follows: (root, user) => threads.follows(root, user),
      hasReadReply: (root, user, seq) => threads.hasRead(root, user, seq),
      messagesAfter: (seq) => {
        const after = Math.max(seq, log.top() - entriesPerRun)
        return this.#messagesIn(log.range(after, log.top(), entriesPerRun))
      },
    }
  }

  #messagesIn(rows: readonly LogRow[]): NoticeMessage[] {
    const [first, last] = [rows[0], rows.at(-1)]
    if (first === undefined || last === undefined) return []
    const texts = new Map(
      this.#parts()
        .amendments.between(first.seq, last.seq)
        .map(({ ref, text }) => [ref, text]),
    )
    return rows.flatMap((row) => noticeMessage(row, texts.get(row.seq)) ?? [])
  }

  #isNew({ type, epoch, createdAt }: Conversation): boolean {
    return type !== 'direct' && this.#state.greeted !== epoch && createdAt >= (this.#rules?.since ?? Infinity)
  }

  /** Whether any further message may notify a member. */
  #isWatched(conversation: Conversation): boolean {
    const rules = this.#rules
    if (rules === undefined) return false
    const isSmall = conversation.type === 'direct' || this.#parts().members.count() <= rules.groupUpTo
    return isSmall && !this.#canWait(conversation, rules)
  }

  #canWait(conversation: Conversation, rules: ChatRules): boolean {
    const { log, subscribers } = this.#parts()
    const source = this.#source(conversation, rules)
    const isPresent = (user: string) => subscribers.presence.has(user)
    return canWait(source, this.#state, log.top(), isPresent, systemClock.now())
  }

  #set(state: NoticeState): void {
    this.#parts().settings.set('chatNotices', JSON.stringify(state))
    this.#state = state
    this.#upTo = state.upTo
  }
}

/** The id of a notification: the same however often the entry is looked at. */
const notificationOf = async (
  { tenant, id, epoch }: Conversation,
  kind: ChatNoticeKind,
  seq: number,
): Promise<string> => await uuidFrom(`${tenant} chat ${id} ${epoch} ${kind} ${seq}`)

function rulesIn(text: string | undefined): ChatRules | undefined {
  return text === undefined || text === '' ? undefined : chatRules.parse(JSON.parse(text))
}

const notified = z.object({ kind: z.enum(chatNoticeKinds), seq: z.number(), upTo: z.number(), at: z.number() })
const storedState = z.object({
  blocks: z.array(z.object({ user: z.string(), author: z.string(), at: z.number() })).exactOptional(),
  upTo: z.number(),
  greeted: z.string().exactOptional(),
  members: z.record(
    z.string(),
    z.object({
      message: notified.exactOptional(),
      named: notified.exactOptional(),
      unread: notified.exactOptional(),
      due: z.number().exactOptional(),
      looks: z.number().exactOptional(),
    }),
  ),
})

const stateIn = (text: string | undefined): NoticeState =>
  text === undefined ? emptyState : storedState.parse(JSON.parse(text))
