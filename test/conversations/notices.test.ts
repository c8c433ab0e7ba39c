import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  canWait,
  emptyState,
  invitationIn,
  judge,
  nextLookAt,
  noticeMessage,
  noticeNow,
  blocksKnown,
  planNotices,
  withBlocks,
  type Notice,
  type NoticeMessage,
  type NoticePlan,
  type NoticeSource,
  type NoticeState,
} from '../../src/conversations/notices.ts'
import { tombstone } from '../../src/events/tombstone.ts'
import type { Conversation, LogRow, Member } from '../../src/conversations/types.ts'
import { chatNotifications, type ChatRules } from '../../src/protocol/chat-notifications-api.ts'

const minute = 60_000
const hour = 60 * minute

/** A conversation with its notifications, as its actor keeps them. */
class Story {
  readonly rules: ChatRules
  readonly type: 'direct' | 'group'
  readonly members = new Map<string, Member>()
  readonly entries: LogRow[] = []
  readonly amended = new Map<number, string | null>()
  readonly present = new Set<string>()
  /** Users that follow threads, by the messages that begin them, and how far users have read replies. */
  readonly followers = new Map<number, readonly string[]>()
  readonly readReplies = new Map<string, number>()
  state: NoticeState = emptyState
  /** Bans, and blocked members of a direct conversation. */
  held: Pick<Conversation, 'bans' | 'blocked'> = {}
  now = hour

  constructor(users: readonly string[], settings: object = {}, type: 'direct' | 'group' = 'group') {
    this.rules = { ...chatNotifications.parse({ enabled: true, unreadAfterMinutes: 10, ...settings }), since: hour }
    this.type = type
    for (const user of users) this.members.set(user, member(user, this.now, 0))
  }

  get top(): number {
    return this.entries.length
  }

  get source(): NoticeSource {
    const { rules, type, members, top } = this
    return {
      conversation: { type, epoch: 'e', createdAt: hour, createdBy: 'alice', ...this.held },
      blocks: blocksKnown(this.state, this.now),
      rules,
      memberCount: members.size,
      member: (user) => members.get(user),
      some: (limit) => [...members.values()].slice(0, limit),
      target: (seq) => {
        const row = this.entries[seq - 1]
        if (row === undefined) return undefined
        return { kind: 'message', user: row.user, deleted: this.amended.get(seq) === null, text: undefined }
      },
      hasThreads: this.followers.size > 0,
      followersOf: (root) => this.followers.get(root) ?? [],
      follows: (root, user) => this.followers.get(root)?.includes(user) === true,
      hasReadReply: (_root, user, seq) => seq <= (this.readReplies.get(user) ?? 0),
      messagesAfter: (seq) => this.messages(seq, top),
    }
  }

  messages(after: number, upTo: number): NoticeMessage[] {
    return this.entries.slice(after, upTo).flatMap((row) => noticeMessage(row, this.amended.get(row.seq)) ?? [])
  }

  send(user: string, more: object = {}): number {
    const fields = { type: 'message', user, at: this.now, id: 'm', clientId: 'c', text: `text ${this.top + 1}` }
    const seq = this.#append(user, { ...fields, ...more })
    this.read(user, seq)
    return seq
  }

  delete(seq: number): void {
    const row = this.entries[seq - 1]
    if (row === undefined || !row.data.startsWith('{"type":"message"')) return
    this.entries[seq - 1] = { ...row, data: tombstone(row.data) }
    this.amended.set(seq, null)
  }

  join(user: string, by = 'alice'): void {
    if (this.members.has(user)) return
    this.members.set(user, member(user, this.now, this.top))
    this.#append(by, { type: 'member.joined', user: by, at: this.now, member: user })
  }

  read(user: string, seq = this.top): void {
    const known = this.members.get(user)
    if (known !== undefined && known.read < seq) this.members.set(user, { ...known, read: seq })
  }

  /** What would be told now. It is stored when the caller keeps its state. */
  plan(): NoticePlan {
    const rows = this.entries.slice(this.state.upTo)
    const entries = {
      messages: this.messages(this.state.upTo, this.top),
      invitations: rows.flatMap((row) => invitationIn(row) ?? []),
      upTo: this.top,
    }
    return planNotices(this.source, entries, this.state, (user) => this.present.has(user), this.now)
  }

  run(): string[] {
    const { notices, state } = this.plan()
    this.state = state
    return notices.map(shown)
  }

  /** Runs with recipients that answer which of `blockers` block `author`. */
  runBlocked(author: string, blockers: readonly string[]): string[] {
    const { notices, state } = this.plan()
    const pairs = notices
      .filter((notice) => notice.author === author)
      .flatMap(({ users }) => users.filter((user) => blockers.includes(user)))
      .map((user) => ({ user, author }))
    this.state = withBlocks(state, notices, pairs, this.now)
    return notices.map(shown)
  }

  #append(user: string, data: object): number {
    const seq = this.top + 1
    this.entries.push({ seq, at: this.now, user, client: '', clientId: `${seq}`, data: JSON.stringify(data) })
    return seq
  }
}

const member = (user: string, joinedAt: number, top: number): Member => ({
  user,
  role: 'member',
  joinedAt,
  read: top,
  joined: top,
})
const shown = ({ kind, seq, users }: Notice): string => `${kind} ${seq}: ${users.join(' ')}`

describe('a message', () => {
  test('in a direct conversation notifies the other member once until it is read, and 50 in a minute are one notification', () => {
    const story = new Story(['alice', 'bob'], {}, 'direct')
    const told: string[] = []
    for (let n = 0; n < 50; n++) {
      story.send('alice')
      story.now += 1000
      told.push(...story.run())
    }
    expect(told).toEqual(['direct 1: bob'])
    story.read('bob')
    story.send('alice')
    expect(story.run()).toEqual(['direct 51: bob'])
  })

  test('of a small group notifies all but the author, those that have it open and those that have read it', () => {
    const story = new Story(['alice', 'bob', 'carol', 'dan'])
    story.run()
    story.present.add('carol')
    story.send('alice')
    story.read('dan')
    expect(story.run()).toEqual(['group 1: bob'])
  })

  test('of a large group notifies only those that it mentions or replies to', () => {
    const users = ['alice', 'bob', 'carol', 'dan', 'eve']
    const story = new Story(users, { groupUpTo: 4, everyoneUpTo: 4 })
    story.run()
    story.send('bob')
    story.send('alice', { mentions: { users: ['carol', 'alice', 'stranger'] }, replyTo: 1 })
    story.send('alice', { mentions: { channel: true } })
    story.send('alice', { mentions: ['dan'] })
    expect(story.run()).toEqual(['mention 2: carol', 'reply 2: bob', 'mention 4: dan'])
  })

  test('that mentions all members notifies them in a conversation that is not too large', () => {
    const story = new Story(['alice', 'bob', 'carol'], { groupUpTo: 0 })
    story.run()
    story.send('alice', { mentions: { here: true } })
    expect(story.run()).toEqual(['mention 1: bob carol'])
  })

  test('that was deleted, or sent before notifications were switched on, notifies no member', () => {
    const story = new Story(['alice', 'bob'], {}, 'direct')
    story.now = hour - 1
    story.send('alice')
    story.now = hour
    story.delete(story.send('alice'))
    expect(story.run()).toEqual([])
    expect(nextLookAt(story.state)).toBe(Infinity)
    const [first, second] = story.messages(0, 2).map((message) => judge(story.source, message, 'bob').rule)
    expect([first, second]).toEqual(['it was sent before notifications of chat were switched on', 'it was deleted'])
  })

  test('that is silent notifies no member, also where it mentions one', () => {
    const story = new Story(['alice', 'bob'])
    story.run()
    story.send('alice', { silent: true, mentions: { users: ['bob'] } })
    expect(story.run()).toEqual([])
    expect(nextLookAt(story.state)).toBe(Infinity)
  })

  test('of an author that is banned, or that the other member of a direct conversation blocks, notifies no member', () => {
    const story = new Story(['alice', 'bob', 'carol'])
    story.run()
    story.send('alice')
    story.held = { bans: { alice: null, bob: hour } }
    expect(story.run()).toEqual([])
    story.send('bob')
    expect(story.run()).toEqual(['group 2: alice carol'])
    const direct = new Story(['alice', 'bob'], {}, 'direct')
    direct.send('alice')
    direct.held = { blocked: ['alice'] }
    expect(direct.run()).toEqual([])
    const [message] = direct.messages(0, 1)
    if (message === undefined) throw new Error('there is no message')
    expect(judge(direct.source, message, 'bob').rule).toBe('the user blocks its author')
  })

  test('of a blocked author notifies the blocker of nothing, neither at once nor as unread, and others of the same as before', () => {
    const story = new Story(['alice', 'bob', 'carol'])
    story.run()
    story.send('alice')
    expect(story.runBlocked('alice', ['bob'])).toEqual(['group 1: bob carol'])
    story.send('alice')
    expect(story.run()).toEqual([])
    story.send('carol')
    expect(story.run()).toEqual(['group 3: alice bob'])
    story.read('bob')
    story.read('alice')
    story.read('carol')
    story.send('alice')
    expect(story.runBlocked('alice', ['bob'])).toEqual(['group 4: carol'])
    story.now += 11 * minute
    expect(story.run()).toEqual(['unread 4: carol'])
    expect(noticeNow(story.source, { user: 'bob', kind: 'group', seq: 4 }, false).kind).toBe('over')
  })

  test('of a blocked author that was found for unread messages first leaves the messages of others to notify later', () => {
    const story = new Story(['alice', 'bob', 'carol'], { triggers: { group: false } })
    story.run()
    story.send('alice', { mentions: { users: ['bob'] } })
    story.send('carol', { mentions: { users: ['bob'] } })
    expect(story.runBlocked('alice', ['bob'])).toEqual(['mention 1: bob'])
    expect(story.state.members['bob']?.named).toBeUndefined()
    story.now += 11 * minute
    expect(story.run()).toEqual(['unread 2: bob'])
  })

  test('of an author that was blocked is asked about again after an hour', () => {
    const story = new Story(['alice', 'bob'])
    story.run()
    story.send('alice')
    story.runBlocked('alice', ['bob'])
    story.now += hour
    story.send('alice')
    expect(story.run()).toContain('group 2: bob')
  })

  test('is passed on with its newest text', () => {
    const story = new Story(['alice', 'bob'], {}, 'direct')
    story.amended.set(story.send('alice'), 'edited')
    expect(story.plan().notices).toMatchObject([{ text: 'edited' }])
  })
})

describe('a reply in a thread', () => {
  test('notifies its followers and those that it mentions, by their cursors in the thread, and no other member of a small group', () => {
    const story = new Story(['alice', 'bob', 'carol', 'dan', 'eve'])
    story.run()
    story.followers.set(1, ['alice', 'bob', 'carol', 'gone'])
    story.send('bob', { thread: 1, mentions: { users: ['dan'] } })
    // Carol has read the conversation, and Bob the thread.
    story.read('carol')
    expect(story.run()).toEqual(['mention 1: dan', 'reply 1: alice carol'])
    story.readReplies.set('carol', 2)
    story.now += 2 * hour
    story.send('alice', { thread: 1 })
    expect(story.run().filter((line) => line.startsWith('reply'))).toEqual(['reply 2: bob'])
    const [message] = story.messages(1, 2)
    if (message === undefined) throw new Error('no message')
    expect(judge(story.source, message, 'bob')).toEqual({
      kind: 'reply',
      rule: 'reply in thread 1, which the user follows',
    })
    expect(judge(story.source, message, 'eve')).toMatchObject({ kind: null })
  })

  test('in a direct conversation notifies a member that follows the thread as a reply', () => {
    const story = new Story(['alice', 'bob'], {}, 'direct')
    story.run()
    story.send('alice', { thread: 1 })
    expect(story.run()).toEqual([])
    story.followers.set(1, ['bob'])
    story.send('alice', { thread: 1 })
    expect(story.run()).toEqual(['reply 2: bob'])
  })

  test('that the conversation shows, too, notifies like a message, and followers in a large group', () => {
    const small = new Story(['alice', 'bob'])
    small.run()
    small.send('alice', { thread: 1, alsoInConversation: true })
    expect(small.run()).toEqual(['group 1: bob'])
    const large = new Story(['alice', 'bob', 'carol'], { groupUpTo: 0 })
    large.run()
    large.followers.set(1, ['carol'])
    large.send('alice', { thread: 1, alsoInConversation: true })
    expect(large.run()).toEqual(['reply 1: carol'])
  })

  test('leads to an e-mail while the thread is unread, also where the conversation was read', () => {
    const story = new Story(['alice', 'bob'])
    story.run()
    story.followers.set(1, ['bob'])
    story.send('alice', { thread: 1 })
    story.run()
    story.read('bob')
    story.now += hour
    expect(story.run()).toEqual(['unread 1: bob'])
  })
})

describe('a conversation', () => {
  test('need not look at further messages soon once all members were notified, have it open or have read the newest one', () => {
    const story = new Story(['alice', 'bob', 'carol'])
    story.run()
    const isMailed = () => canWait(story.source, story.state, story.top, (user) => story.present.has(user), story.now)
    story.send('alice')
    expect(isMailed()).toBe(false)
    story.run()
    expect(isMailed()).toBe(true)
    story.read('bob')
    expect(isMailed()).toBe(true)
    story.send('alice')
    expect(isMailed()).toBe(false)
    story.run()
    expect(isMailed()).toBe(true)
    story.send('bob')
    expect(isMailed()).toBe(false)
    story.run()
    story.now += hour
    expect(isMailed()).toBe(false)
    story.present.add('alice').add('carol')
    expect(isMailed()).toBe(true)
  })
})

describe('a user', () => {
  test('that another one added is invited, and one that joined by themselves is not', () => {
    const story = new Story(['alice', 'bob'])
    expect(story.run()).toEqual(['invitation 0: bob'])
    story.join('carol')
    story.join('dan', 'dan')
    expect(story.run()).toEqual(['invitation 1: carol'])
  })

  test('that left is not notified any more', () => {
    const story = new Story(['alice', 'bob'])
    story.run()
    story.send('alice')
    story.members.delete('bob')
    expect(story.run()).toEqual([])
    story.now += hour
    expect(story.run()).toEqual([])
    expect(noticeNow(story.source, { user: 'bob', kind: 'group', seq: 1 }, false)).toMatchObject({ kind: 'over' })
  })
})

describe('an unread message', () => {
  test('leads to an e-mail after its time, and to one for all that is unread', () => {
    const story = new Story(['alice', 'bob'], {}, 'direct')
    story.send('alice')
    story.run()
    expect(nextLookAt(story.state)).toBe(story.now + 10 * minute)
    story.now += 5 * minute
    story.send('alice')
    expect(story.run()).toEqual([])
    story.now += 5 * minute
    expect(story.run()).toEqual(['unread 1: bob'])
    story.send('alice')
    story.now += hour - 1
    expect(story.run().filter((one) => one.startsWith('unread'))).toEqual([])
    expect(noticeNow(story.source, { user: 'bob', kind: 'unread', seq: 1 }, false)).toMatchObject({ count: 3 })
  })

  test('that is read or deleted in time leads to none', () => {
    const story = new Story(['alice', 'bob'], {}, 'direct')
    story.send('alice')
    story.run()
    story.read('bob')
    story.delete(story.send('alice'))
    story.now += 10 * minute
    expect(story.run()).toEqual([])
    expect(nextLookAt(story.state)).toBe(Infinity)
    const asked = { user: 'bob', kind: 'unread', seq: 2 } as const
    expect(noticeNow(story.source, asked, false)).toEqual({ kind: 'over', reason: 'the messages were deleted' })
  })

  test('is looked at later again while the user has the conversation open, and not for ever', () => {
    const story = new Story(['alice', 'bob'], {}, 'direct')
    story.present.add('bob')
    story.send('alice')
    expect(story.run()).toEqual([])
    story.now += 10 * minute
    expect(story.run()).toEqual([])
    story.present.delete('bob')
    story.now += 10 * minute
    expect(story.run()).toEqual(['unread 1: bob'])
    story.read('bob')
    story.present.add('bob')
    story.send('alice')
    story.run()
    let looks = 0
    for (; nextLookAt(story.state) < Infinity; looks++) {
      story.now = nextLookAt(story.state)
      story.run()
    }
    expect(looks).toBe(7)
  })
})

describe('notifications of a conversation', () => {
  const users = ['alice', 'bob', 'carol', 'dan']
  const user = fc.constantFrom(...users)
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.record({ kind: fc.constant('send' as const), user, mentions: fc.option(user) }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('read' as const), user }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('come', 'go', 'leave', 'join' as const), user }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('delete' as const), back: fc.nat(5) }) },
    {
      weight: 4,
      arbitrary: fc.record({ kind: fc.constant('pass' as const), minutes: fc.constantFrom(0.1, 3, 11, 90) }),
    },
    // How many of the notices are handed over before the actor ends; all, and the state is stored, where it does not.
    { weight: 6, arbitrary: fc.record({ kind: fc.constant('run' as const), dies: fc.option(fc.nat(3)) }) },
  )

  test('are neither lost nor doubled when the actor ends at any point, and never go to authors, users that left or have it open', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), fc.constantFrom(0, 2, 20), (steps, groupUpTo) => {
        const story = new Story(users, { groupUpTo, triggers: { invitation: false } })
        /** What recipients have: notices by user, kind and seq; a repeat changes nothing. */
        const got = new Map<string, { user: string; slot: string; at: number; read: number; seq: number }>()
        const take = ({ kind, seq, users: named }: Notice) => {
          for (const one of named) {
            expect(story.entries[seq - 1]?.user).not.toBe(one)
            const known = story.members.get(one)
            expect(known?.read ?? Infinity, `${kind} ${seq} to ${one}`).toBeLessThan(seq)
            expect(story.present.has(one)).toBe(false)
            const slot = kind === 'unread' ? kind : kind === 'group' ? 'message' : 'named'
            const key = `${one} ${kind} ${seq}`
            if (!got.has(key)) got.set(key, { user: one, slot, at: story.now, read: known?.read ?? 0, seq })
          }
        }
        const run = (dies: number | null) => {
          const { notices, state } = story.plan()
          for (const notice of dies === null ? notices : notices.slice(0, dies)) take(notice)
          if (dies === null) story.state = state
        }
        for (const one of steps) {
          if (one.kind === 'send' && story.members.has(one.user))
            story.send(one.user, one.mentions === null ? {} : { mentions: { users: [one.mentions] } })
          else if (one.kind === 'read') story.read(one.user)
          else if (one.kind === 'come') story.present.add(one.user)
          else if (one.kind === 'go') story.present.delete(one.user)
          else if (one.kind === 'leave') story.members.delete(one.user)
          else if (one.kind === 'join') story.join(one.user)
          else if (one.kind === 'delete' && story.top > one.back) story.delete(story.top - one.back)
          else if (one.kind === 'pass') story.now += one.minutes * minute
          else if (one.kind === 'run') run(one.dies)
        }
        // All go away, and the actor lives for a week.
        story.present.clear()
        run(null)
        for (let n = 0; n < 40 && nextLookAt(story.state) < Infinity; n++) {
          story.now = Math.max(story.now, nextLookAt(story.state))
          run(null)
        }
        // Not lost: of unread messages that notify there is an e-mail, or one of less than a day before.
        for (const { user: one, read } of story.members.values()) {
          const unread = story
            .messages(read, story.top)
            .filter((message) => judge(story.source, message, one).kind !== null)
          const told = [...got.values()].filter(({ user: owner, slot }) => owner === one && slot === 'unread')
          if (unread.length > 0) expect(told.length, `${one} has unread messages`).toBeGreaterThan(0)
        }
        // Not doubled: two of one kind within its time have a reading, or a deletion, between them.
        for (const slot of ['message', 'named', 'unread'])
          for (const one of users) {
            const own = [...got.values()].filter((each) => each.user === one && each.slot === slot)
            for (const [index, next] of own.entries()) {
              const before = own[index - 1]
              if (before === undefined || next.at - before.at >= (slot === 'unread' ? 24 : 1) * hour) continue
              const isSettled = next.read >= before.seq || story.amended.get(before.seq) === null
              expect(isSettled, `${slot} ${next.seq} to ${one} right after ${before.seq}`).toBe(true)
            }
          }
      }),
      { numRuns: 300 },
    )
  })
})
