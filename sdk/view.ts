import type { Entry } from './entries.ts'
import type { ParleyError } from './failure.ts'
import { withoutArrived, type Growing } from './growing.ts'
import { growingLines, linesOf, type Line } from './lines.ts'
import { count, fields, text } from './parse.ts'
import * as people from './people.ts'
import { nothingShown, readShown, type Shown } from './shown.ts'
import * as log from './timeline.ts'

/** What a conversation is, beside what is said in it. */
export interface Properties extends Shown {
  readonly type: string
  readonly name: string
  /** Null for someone who reads a channel without being a member. */
  readonly role: string | null
  readonly memberCount: number
}

/** How far a conversation is with its server. `ended`: we may not, or no longer, read it. */
export type ConversationStatus = 'opening' | 'live' | 'catchingUp' | 'closed' | 'ended'

/** All a client knows of one conversation. Plain data; every function here answers a new one. */
export interface Known {
  readonly status: ConversationStatus
  readonly problem: ParleyError | undefined
  readonly properties: Properties
  readonly people: people.People
  readonly timeline: log.Timeline
  /** Messages whose text grows now. */
  readonly growing: Growing
  /** The top of the log when properties and members were read: only later entries change them. */
  readonly asOf: number
}

/** Everything there is to show, as it is now. */
export interface View {
  readonly status: ConversationStatus
  /** Why it ended. */
  readonly problem: ParleyError | undefined
  readonly properties: Properties
  readonly lines: readonly Line[]
  /** The highest seq held, and the highest the user has read by the server's account. */
  readonly newest: number
  readonly read: number
  /** True when there is more before the first line. */
  readonly more: boolean
  readonly members: readonly people.Member[]
  /** The users who look at it now, and the ones who type (others only). */
  readonly here: readonly string[]
  /** False while it is not known who is here, as in large conversations. */
  readonly hereKnown: boolean
  readonly typing: readonly string[]
}

/** A conversation nothing is known of yet. */
export const unknown = (me: string): Known => ({
  status: 'closed',
  problem: undefined,
  properties: { type: '', name: '', role: 'member', memberCount: 0, ...nothingShown },
  people: people.noPeople,
  timeline: log.emptyTimeline(me),
  growing: new Map(),
  asOf: 0,
})

/** The server answered with its properties and members, as of the top of its log. */
export function withState(known: Known, given: unknown): Known {
  const state = fields(given)
  const role = typeof state['role'] === 'string' ? state['role'] : null
  const named = people.readMembers(state['members'])
  const me = { user: known.timeline.me, role, read: count(state['read']), joined: 0 }
  return {
    ...known,
    properties: {
      type: text(state['type']),
      name: text(state['name']),
      role,
      memberCount: count(state['memberCount']),
      ...nothingShown,
      ...readShown(state),
    },
    people: people.withMembers(known.people, withMe(named, me)),
    asOf: count(state['last']),
  }
}

/** Where many belong to it the server names only some of them, and not always oneself. */
function withMe(named: readonly people.Member[], { user, role, read, joined }: Me): readonly people.Member[] {
  return role === null || named.some((member) => member.user === user)
    ? named
    : [...named, { user, role, read, joined }]
}

type Me = Omit<people.Member, 'role'> & Pick<Properties, 'role'>

/** Entries arrived: from the stream, or from history. */
export function withEntries(known: Known, arrivals: readonly log.Placed[]): Known {
  const timeline = log.place(known.timeline, arrivals)
  const fresh = arrivals.filter(({ seq }) => seq > known.asOf).toSorted((a, b) => a.seq - b.seq)
  return fresh.reduce(follow, { ...known, timeline, growing: withoutArrived(known.growing, arrivals) })
}

function follow(known: Known, { seq, entry }: log.Placed): Known {
  const next = { ...known, asOf: Math.max(known.asOf, seq), people: people.hushed(known.people, entry.user) }
  return changeProperties(next, seq, entry)
}

function changeProperties(known: Known, seq: number, entry: Entry): Known {
  const { properties } = known
  if (entry.type === 'conversation.renamed') return { ...known, properties: { ...properties, name: entry.name } }
  if (entry.type === 'conversation.updated') return { ...known, properties: { ...properties, ...entry.changed } }
  if (entry.type === 'member.joined') {
    const role = entry.member === known.timeline.me ? (properties.role ?? 'member') : properties.role
    const next = { ...properties, role, memberCount: properties.memberCount + 1 }
    return { ...known, properties: next, people: people.joined(known.people, entry.member, seq - 1) }
  }
  if (entry.type === 'member.left') {
    const role = entry.member === known.timeline.me ? null : properties.role
    const next = { ...properties, role, memberCount: Math.max(0, properties.memberCount - 1) }
    return { ...known, properties: next, people: people.left(known.people, entry.member) }
  }
  if (entry.type === 'member.role') {
    const role = entry.member === known.timeline.me ? entry.role : properties.role
    return {
      ...known,
      properties: { ...properties, role },
      people: people.promoted(known.people, entry.member, entry.role),
    }
  }
  return known
}

/** Something that happens now and has no place in the log: typing, or a read cursor that moved. */
export function withSignal(known: Known, given: unknown, now: number): Known {
  const signal = fields(given)
  const user = text(signal['user'])
  if (signal['type'] === 'typing') return { ...known, people: people.typed(known.people, user, now) }
  if (signal['type'] === 'read') return { ...known, people: people.readUpTo(known.people, user, count(signal['seq'])) }
  return known
}

/** What there is to show of it. `more` is what the pages of history know. */
export const viewOf = ({ status, problem, properties, people, timeline, growing }: Known, more: boolean): View => ({
  status,
  problem,
  properties,
  lines: growing.size === 0 ? linesOf(timeline) : [...linesOf(timeline), ...growingLines(timeline.me, growing)],
  newest: log.newest(timeline),
  read: people.members.get(timeline.me)?.read ?? 0,
  more,
  members: [...people.members.values()],
  here: [...new Set(people.here.values())],
  hereKnown: people.hereKnown && status === 'live',
  typing: [...people.typing.keys()].filter((user) => user !== timeline.me),
})
