import type { ChatNoticeKind, ChatRules } from '../protocol/chat-notifications-api.ts'
import { isInThreadOnly } from './threads.ts'
import type { Conversation, LogRow, Member, Target } from './types.ts'

/** A message as far as it decides about notifications. */
export interface NoticeMessage {
  readonly seq: number
  readonly at: number
  readonly user: string
  /** Its newest text. */
  readonly text: string
  readonly isDeleted: boolean
  readonly isSilent: boolean
  readonly replyTo: number | undefined
  /** The thread that it is a reply in. */
  readonly thread: number | undefined
  /** Only the thread shows it. */
  readonly isInThreadOnly: boolean
  readonly named: readonly string[]
  readonly everyone: boolean
}

/** What a message notifies one user of, or the rule by which it does not. */
export type Judgement =
  | { readonly kind: ChatNoticeKind; readonly rule: string }
  | { readonly kind: null; readonly rule: string }

/** A user was added by another one. */
export interface Invitation {
  readonly seq: number
  readonly at: number
  readonly member: string
  readonly by: string
}

/** A notification of a member: the entry that caused it, the newest message that it stands for, and when it was made. */
export interface Notified {
  readonly kind: ChatNoticeKind
  readonly seq: number
  readonly upTo: number
  readonly at: number
}

/** What is known of one member that was notified, or may have to be. */
export interface MemberNotices {
  readonly message?: Notified
  /** Of mentions and replies. */
  readonly named?: Notified
  readonly unread?: Notified
  /** When unread messages are looked for, in milliseconds since the epoch. */
  readonly due?: number
  /** How often that was put off because the member had the conversation open. */
  readonly looks?: number
}

/** What a conversation stores about notifications. */
export interface NoticeState {
  /** Entries up to this seq have been looked at. */
  readonly upTo: number
  /** The epoch whose first members were invited. */
  readonly greeted?: string
  readonly members: Readonly<Record<string, MemberNotices>>
  /** Members that block an author, as recipients answered: the newest ones. */
  readonly blocks?: readonly KnownBlock[]
}

/** A user blocks an author, as was answered at that time. */
export interface KnownBlock {
  readonly user: string
  readonly author: string
  readonly at: number
}

/** One notification for members of the conversation. `seq` is that of the entry that causes it. */
export interface Notice {
  readonly kind: ChatNoticeKind
  readonly seq: number
  readonly at: number
  readonly author: string
  readonly text: string
  readonly users: string[]
}

/** What the rules read of a conversation. */
export interface NoticeSource {
  readonly conversation: Pick<Conversation, 'type' | 'epoch' | 'createdAt' | 'createdBy' | 'bans' | 'blocked'>
  readonly rules: ChatRules
  readonly memberCount: number
  member(user: string): Member | undefined
  /** The first members, at most so many. */
  some(limit: number): readonly Member[]
  target(seq: number): Target | undefined
  /** Whether the user is known to block the author. */
  readonly blocks?: (user: string, author: string) => boolean
  /** Users that follow the thread of message `root`. */
  followersOf(root: number): readonly string[]
  follows(root: number, user: string): boolean
  /** Whether the user has read reply `seq` in the thread of message `root`. */
  hasReadReply(root: number, user: string, seq: number): boolean
  /** Whether any message begins a thread. */
  readonly hasThreads: boolean
  /** Messages after a seq, ascending, of the newest entries that are held. */
  messagesAfter(seq: number): readonly NoticeMessage[]
}

export const emptyState: NoticeState = { upTo: 0, members: {} }

/** Members of whom something is kept; beyond it those that were notified first are forgotten. */
export const maxKept = 1000
/** Users that one run notifies; what is left follows in the next. */
export const maxNotified = 500
/** While unread messages were told by e-mail, they are not again for so long. */
const unreadAgainMs = 86_400_000
/** How often a look at unread messages is put off while the member has the conversation open. */
const maxLooks = 6
/** How long a block is known: a message of the author then asks again. */
const blockKnownMs = 3_600_000
const invitedWithinMs = 7 * 86_400_000
const minuteMs = 60_000
const noticeTextLength = 1000

/** The message of an entry; undefined for other entries. `amended` is its text after an edit, null after its deletion. */
export function noticeMessage(
  { seq, at, user, data }: LogRow,
  amended: string | null | undefined,
): NoticeMessage | undefined {
  if (!data.startsWith('{"type":"message",')) return undefined
  const { text = '', replyTo, thread, alsoInConversation, mentions, deleted, silent }: MessageFields = JSON.parse(data)
  const { users, here, channel } = mentionsIn(mentions)
  return {
    seq,
    at,
    user,
    text: (amended ?? text).slice(0, noticeTextLength),
    isDeleted: deleted === true || amended === null,
    isSilent: silent === true,
    replyTo,
    thread,
    isInThreadOnly: isInThreadOnly({ thread, alsoInConversation }),
    named: users ?? [],
    everyone: here === true || channel === true,
  }
}

/** Messages of before 2026-12 have a list of users. */
const mentionsIn = (given: MessageFields['mentions'] = {}): MentionFields =>
  'length' in given ? { users: given } : given

interface MentionFields {
  readonly users?: readonly string[]
  readonly here?: boolean
  readonly channel?: boolean
}

interface MessageFields {
  /** Absent once the message was deleted. */
  readonly text?: string
  readonly replyTo?: number
  readonly thread?: number
  readonly alsoInConversation?: boolean
  readonly mentions?: MentionFields | readonly string[]
  readonly deleted?: boolean
  readonly silent?: boolean
}

/** The invitation of an entry; undefined for other entries, and for a user that joined by themselves. */
export function invitationIn({ seq, at, user, data }: LogRow): Invitation | undefined {
  if (!data.startsWith('{"type":"member.joined"')) return undefined
  const { member }: { readonly member: string } = JSON.parse(data)
  return member === user ? undefined : { seq, at, member, by: user }
}

/**
 * What a message notifies a member of. Every trigger, the look at unread messages, the moment of sending and the explanation ask this function.
 */
export function judge(source: NoticeSource, message: NoticeMessage, user: string): Judgement {
  const { rules, conversation, memberCount } = source
  const { triggers, groupUpTo, everyoneUpTo } = rules
  if (message.user === user) return none('the user wrote it')
  if (message.isDeleted) return none('it was deleted')
  if (message.isSilent) return none('it is silent')
  if (isBlocked(source, message.user, user)) return none('the user blocks its author')
  if (isBanned(source, message)) return none('its author is banned')
  if (message.at < rules.since) return none('it was sent before notifications of chat were switched on')
  if (conversation.type === 'direct' && !message.isInThreadOnly)
    return triggers.direct ? { kind: 'direct', rule: 'direct message' } : none('triggers.direct is off')
  if (message.named.includes(user) && triggers.mention) return { kind: 'mention', rule: 'mentioned by name' }
  if (message.everyone && triggers.mention && memberCount <= everyoneUpTo)
    return { kind: 'mention', rule: 'all members are mentioned' }
  if (message.replyTo !== undefined && triggers.reply && source.target(message.replyTo)?.user === user)
    return { kind: 'reply', rule: `reply to message ${message.replyTo}` }
  if (message.thread !== undefined && triggers.reply && source.follows(message.thread, user))
    return { kind: 'reply', rule: `reply in thread ${message.thread}, which the user follows` }
  if (message.isInThreadOnly) return none('only a thread that the user does not follow shows it')
  if (memberCount > groupUpTo) return none(`${memberCount} members, more than groupUpTo (${groupUpTo})`)
  return triggers.group ? { kind: 'group', rule: 'message in a small conversation' } : none('triggers.group is off')
}

const none = (rule: string): Judgement => ({ kind: null, rule })

const isBlocked = ({ conversation, blocks }: NoticeSource, author: string, user: string): boolean =>
  conversation.blocked?.includes(author) === true || blocks?.(user, author) === true

/** A ban from the conversation that was in force when the message was written, or began later. */
function isBanned({ conversation: { bans } }: NoticeSource, { user, at }: NoticeMessage): boolean {
  const until = bans !== undefined && Object.hasOwn(bans, user) ? bans[user] : undefined
  return until === null || (until !== undefined && until > at)
}

/** Blocks that are known now, by user and author. */
export function blocksKnown({ blocks = [] }: NoticeState, now: number): (user: string, author: string) => boolean {
  const known = new Set(blocks.filter(({ at }) => isKnown(at, now)).map(({ user, author }) => keyOf(user, author)))
  return (user, author) => known.has(keyOf(user, author))
}

const isKnown = (at: number, now: number): boolean => Math.abs(now - at) < blockKnownMs
/** User ids have no spaces. */
const keyOf = (user: string, author: string): string => `${user} ${author}`

/**
 * What is stored once recipients have answered that they block authors: what was not made is forgotten, so that messages of other authors
 * notify them, and unread ones are looked at again.
 */
export function withBlocks(
  state: NoticeState,
  notices: readonly Notice[],
  found: readonly Omit<KnownBlock, 'at'>[],
  now: number,
): NoticeState {
  if (found.length === 0) return state
  const members = { ...state.members }
  for (const { user, author } of found) {
    const refused = notices.filter((notice) => notice.author === author && notice.users.includes(user))
    const wasMade = (one: Notified | undefined): one is Notified =>
      one !== undefined && !refused.some(({ kind, seq }) => kind === one.kind && seq === one.seq)
    const { message, named, unread, ...rest } = members[user] ?? {}
    const isUnread = refused.some(({ kind }) => kind === 'unread')
    members[user] = {
      ...rest,
      ...(wasMade(message) ? { message } : {}),
      ...(wasMade(named) ? { named } : {}),
      ...(wasMade(unread) ? { unread } : {}),
      ...(isUnread ? { due: now } : {}),
    }
  }
  const isSame = (one: KnownBlock) => found.some(({ user, author }) => user === one.user && author === one.author)
  const known = (state.blocks ?? []).filter((one) => isKnown(one.at, now) && !isSame(one))
  return { ...state, members, blocks: [...known, ...found.map((one) => ({ ...one, at: now }))].slice(-maxKept) }
}

/** Whether a member has read a message: by their cursor in the thread where only that shows it. */
function hasRead(source: NoticeSource, { seq, thread, isInThreadOnly }: NoticeMessage, member: Member): boolean {
  const { user, read, joined } = member
  if (!isInThreadOnly || thread === undefined) return read >= seq
  return joined >= seq || source.hasReadReply(thread, user, seq)
}

/** Messages that a member has not read and would be notified of. */
export function unreadOf(source: NoticeSource, member: Member): NoticeMessage[] {
  // Members that have read the conversation need not have read its threads.
  const messages = source.messagesAfter(source.hasThreads ? 0 : member.read)
  return messages.filter(
    (message) => !hasRead(source, message, member) && judge(source, message, member.user).kind !== null,
  )
}

/** The users that a message may notify, before each is judged. */
function* candidatesOf(source: NoticeSource, message: NoticeMessage): Generator<string> {
  const { conversation, memberCount, rules } = source
  const isSmall = (conversation.type === 'direct' || memberCount <= rules.groupUpTo) && !message.isInThreadOnly
  const isOfAll = isSmall || (message.everyone && memberCount <= rules.everyoneUpTo)
  if (isOfAll) {
    for (const { user } of source.some(memberCount)) yield user
    return
  }
  const replied = message.replyTo === undefined ? undefined : source.target(message.replyTo)?.user
  const followers = message.thread === undefined ? [] : source.followersOf(message.thread)
  yield* new Set([...message.named, ...(replied === undefined ? [] : [replied]), ...followers])
}

/** The users of whom a run has to know whether they have the conversation open. */
export function concernedUsers(
  source: NoticeSource,
  { messages, invitations }: NewEntries,
  { members, greeted }: NoticeState,
  now: number,
): Set<string> {
  const users = new Set(invitations.map(({ member }) => member))
  const { conversation, memberCount, rules } = source
  if (greeted !== conversation.epoch && memberCount <= rules.everyoneUpTo)
    for (const { user } of source.some(memberCount)) users.add(user)
  for (const message of messages) for (const user of candidatesOf(source, message)) users.add(user)
  for (const [user, { due = Infinity }] of Object.entries(members)) if (due <= now) users.add(user)
  return users
}

/** Whether the member has not read all that a notification stands for, which is not old. */
const isOpen = ({ upTo, at }: Notified, read: number, now: number, againMs: number): boolean =>
  read < upTo && now - at < againMs

/**
 * Whether new messages of a small conversation, up to the seq `top`, can wait to be looked at until the next look at unread messages: all
 * members have read or written the newest, have the conversation open, or were notified and have not read that.
 */
export function canWait(
  source: NoticeSource,
  { members }: NoticeState,
  top: number,
  isPresent: (user: string) => boolean,
  now: number,
): boolean {
  const { rules, memberCount } = source
  const againMs = rules.againAfterMinutes * minuteMs
  return source.some(memberCount).every(({ user, read }) => {
    const { message, unread, due } = members[user] ?? {}
    if (read >= top || isPresent(user)) return true
    if (message === undefined || !isOpen(message, read, now, againMs)) return false
    const isLookedAt = due !== undefined || (unread !== undefined && isOpen(unread, read, now, unreadAgainMs))
    return isLookedAt || !rules.triggers.unread
  })
}

/** What follows from new entries and from the time. */
export interface NoticePlan {
  readonly notices: readonly Notice[]
  /** Stored once the notifications are handed over. */
  readonly state: NoticeState
}

/** What a run looks at: new entries in their order, at most up to `upTo`. */
export interface NewEntries {
  readonly messages: readonly NoticeMessage[]
  readonly invitations: readonly Invitation[]
  readonly upTo: number
}

/**
 * Decides whom to notify of new entries, and of messages that stayed unread. A repeat with the same state makes the same notifications, by
 * kind and seq. `isPresent` says whether a user has the conversation open.
 */
export function planNotices(
  source: NoticeSource,
  { messages, invitations, upTo }: NewEntries,
  state: NoticeState,
  isPresent: (user: string) => boolean,
  now: number,
): NoticePlan {
  const plan = new Planner(source, state, isPresent, now)
  const { epoch, createdAt, type } = source.conversation
  const isNew = state.greeted !== epoch
  if (isNew && createdAt >= source.rules.since && type !== 'direct') plan.inviteFirst()
  for (const invitation of invitations) plan.invite(invitation)
  let reached = upTo
  for (const message of messages) {
    if (plan.count >= maxNotified) {
      reached = message.seq - 1
      break
    }
    plan.take(message)
  }
  plan.lookAtUnread()
  const blocks = (state.blocks ?? []).filter(({ at }) => isKnown(at, now))
  const known = blocks.length === 0 ? {} : { blocks }
  return { notices: plan.notices, state: { upTo: reached, greeted: epoch, members: plan.kept(), ...known } }
}

class Planner {
  readonly #source: NoticeSource
  readonly #members: Map<string, MemberNotices>
  readonly #isPresent: (user: string) => boolean
  readonly #now: number
  readonly #notices = new Map<string, Notice>()
  count = 0

  constructor(source: NoticeSource, state: NoticeState, isPresent: (user: string) => boolean, now: number) {
    this.#source = source
    this.#members = new Map(Object.entries(state.members))
    this.#isPresent = isPresent
    this.#now = now
  }

  get notices(): readonly Notice[] {
    return [...this.#notices.values()]
  }

  inviteFirst(): void {
    const { conversation, rules, memberCount } = this.#source
    const { createdAt: at, createdBy: by } = conversation
    if (memberCount > rules.everyoneUpTo) return
    for (const { user, joinedAt } of this.#source.some(memberCount))
      if (user !== by && joinedAt === at) this.invite({ seq: 0, at, member: user, by })
  }

  invite({ seq, at, member: user, by }: Invitation): void {
    const { rules, memberCount } = this.#source
    const member = this.#source.member(user)
    if (member === undefined || member.read > Math.max(member.joined, seq)) return
    // Entries are looked at again after a restart: an old invitation has been told.
    if (at < Math.max(rules.since, this.#now - invitedWithinMs)) return
    if (!rules.triggers.invitation || memberCount > rules.everyoneUpTo || this.#isPresent(user)) return
    this.#add(user, { kind: 'invitation', seq, at, user: by, text: '' })
  }

  take(message: NoticeMessage): void {
    for (const user of candidatesOf(this.#source, message)) {
      const member = this.#source.member(user)
      if (member === undefined || hasRead(this.#source, message, member)) continue
      const { kind } = judge(this.#source, message, user)
      if (kind === null) continue
      this.#expectRead(user, message, member.read)
      if (this.#isPresent(user)) continue
      const slot = kind === 'mention' || kind === 'reply' ? 'named' : 'message'
      const known = this.#of(user)[slot]
      const againMs = this.#source.rules.againAfterMinutes * minuteMs
      if (known !== undefined && isOpen(known, member.read, this.#now, againMs)) continue
      this.#set(user, { [slot]: { kind, seq: message.seq, upTo: message.seq, at: this.#now } })
      this.#add(user, { ...message, kind })
    }
  }

  /** Notifies of unread messages where their time has come. */
  lookAtUnread(): void {
    for (const [user, { due, looks = 0, unread }] of Array.from(this.#members)) {
      if (due === undefined || due > this.#now) continue
      const member = this.#source.member(user)
      const messages = member === undefined ? [] : unreadOf(this.#source, member)
      const [first] = messages
      const last = messages.at(-1)
      const { triggers, unreadAfterMinutes } = this.#source.rules
      const afterMs = unreadAfterMinutes * minuteMs
      const isMailed = unread !== undefined && isOpen(unread, member?.read ?? 0, this.#now, unreadAgainMs)
      if (first === undefined || last === undefined || isMailed || !triggers.unread) this.#forgetDue(user)
      else if (first.at + afterMs > this.#now) this.#set(user, { due: first.at + afterMs })
      else if (!this.#isPresent(user)) {
        this.#forgetDue(user)
        const cause = messages.find(({ seq }) => seq > (unread?.upTo ?? 0)) ?? last
        this.#set(user, { unread: { kind: 'unread', seq: cause.seq, upTo: last.seq, at: this.#now } })
        this.#add(user, { ...cause, kind: 'unread' })
      } else if (looks < maxLooks) this.#set(user, { due: this.#now + afterMs * 2 ** looks, looks: looks + 1 })
      else this.#forgetDue(user)
    }
  }

  /** What is worth keeping: looks that are to come, and notifications whose messages have not been read. */
  kept(): Record<string, MemberNotices> {
    const kept = [...this.#members].filter(([user, { due, message, named, unread }]) => {
      const member = this.#source.member(user)
      if (member === undefined) return false
      return due !== undefined || [message, named, unread].some((one) => one !== undefined && one.upTo > member.read)
    })
    return Object.fromEntries(kept.slice(-maxKept))
  }

  #expectRead(user: string, { at }: NoticeMessage, read: number): void {
    const { triggers, unreadAfterMinutes } = this.#source.rules
    const { due, unread } = this.#of(user)
    const isMailed = unread !== undefined && isOpen(unread, read, this.#now, unreadAgainMs)
    if (triggers.unread && due === undefined && !isMailed) this.#set(user, { due: at + unreadAfterMinutes * minuteMs })
  }

  #of(user: string): MemberNotices {
    return this.#members.get(user) ?? {}
  }

  /** Members that changed last are at the end. */
  #set(user: string, change: MemberNotices): void {
    const changed = { ...this.#of(user), ...change }
    this.#members.delete(user)
    this.#members.set(user, changed)
  }

  #forgetDue(user: string): void {
    const { due: _due, looks: _looks, ...rest } = this.#of(user)
    this.#members.set(user, rest)
  }

  /** Users that the same entry notifies in the same way share a notification. */
  #add(user: string, { kind, seq, at, user: author, text }: Cause): void {
    const key = `${kind} ${seq}`
    const notice = this.#notices.get(key) ?? { kind, seq, at, author, text, users: [] }
    notice.users.push(user)
    this.#notices.set(key, notice)
    this.count++
  }
}

type Cause = Pick<NoticeMessage, 'seq' | 'at' | 'user' | 'text'> & { readonly kind: ChatNoticeKind }

/** When the next look at unread messages is due; Infinity when none is. */
export function nextLookAt({ members }: NoticeState): number {
  let next = Infinity
  for (const { due } of Object.values(members)) next = Math.min(next, due ?? Infinity)
  return next
}

/** What a notification of chat would say to a user now, or why it is not needed any more. */
export type NoticeNow =
  | { readonly kind: 'over'; readonly reason: string }
  | { readonly kind: 'due'; readonly messages: readonly NoticeMessage[]; readonly count: number }

/** Messages that one notification shows. */
const maxShown = 5

/** Judges a notification at the moment of sending. `source` is undefined when the conversation is gone, or another one has its id. */
export function noticeNow(
  source: NoticeSource | undefined,
  { user, kind, seq }: { readonly user: string; readonly kind: ChatNoticeKind; readonly seq: number },
  isPresent: boolean,
): NoticeNow {
  if (source === undefined) return over('the conversation was deleted')
  const member = source.member(user)
  if (member === undefined) return over('the recipient is no member any more')
  if (isPresent) return over('the recipient has the conversation open')
  if (kind === 'invitation') {
    const hasOpened = member.read > Math.max(member.joined, seq)
    return hasOpened ? over('the recipient has opened the conversation') : { kind: 'due', messages: [], count: 0 }
  }
  const isNamed = kind === 'mention' || kind === 'reply'
  const messages = unreadOf(source, member).filter((message) => !isNamed || message.seq === seq)
  if (messages.length > 0) return { kind: 'due', messages: messages.slice(-maxShown), count: messages.length }
  return over(member.read >= seq ? `the recipient has read up to ${member.read}` : 'the messages were deleted')
}

const over = (reason: string): NoticeNow => ({ kind: 'over', reason })
