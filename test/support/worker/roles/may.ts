import type { ConversationType } from '../../../../src/conversations/types.ts'
import type { Role } from './cast.ts'

/** Who may do something; whoever is not named may not. */
export type May = readonly Role[] | Readonly<Record<ConversationType, readonly Role[]>>

/** Who asks, about whose messages. */
export interface Asking {
  readonly user: string
  /** Where a message of her own stands, or the friend's when she has none. */
  readonly own: number
  readonly others: number
  readonly friend: string
  /** A word that nobody has said yet. */
  readonly fresh: string
}

/** One thing that can be done, and who may. */
export interface Line {
  readonly says: string
  readonly may: May
  /** Roles for whom this makes no sense, as a server that leaves. */
  readonly unfit?: readonly Role[]
  /** What those who may not are told instead, wherever they stand; they are told so before anything is looked at. */
  readonly told?: number
  /** What some of those who see the conversation and may not are told instead. */
  readonly insideTold?: Partial<Readonly<Record<Role, number>>>
  /** Success need change nothing, as for somebody who joins where she is. */
  readonly idle?: true
  /** Success takes away what it was done with, or changes who is who: nobody tries anything there afterwards. */
  readonly spends?: true
}

const members: readonly Role[] = ['owner', 'admin', 'member', 'narrowed']
const pair: readonly Role[] = ['member', 'narrowed']

/** Whoever sees that a conversation is there. Who sees it and may not is told 403, who does not see it 404 as for none. */
export const inside: Readonly<Record<ConversationType, readonly Role[]>> = {
  group: ['server', ...members],
  // Every user of the tenant, so that who was removed is a guest again. Nobody anonymous is a user.
  channel: ['server', ...members, 'removed', 'stranger'],
  direct: ['server', ...pair],
}

/** Capabilities are about topics: they neither open nor close a conversation. */
export const speakers: Readonly<Record<ConversationType, readonly Role[]>> = {
  group: ['server', ...members],
  channel: ['server', ...members],
  direct: ['server', ...pair],
}

export const managers = {
  group: ['server', 'owner', 'admin'],
  channel: ['server', 'owner', 'admin'],
  direct: [],
} as const

/** In a direct conversation nobody is more than the other. */
export const moderators = { ...managers, direct: ['server'] } as const
export const owners = { group: ['server', 'owner'], channel: ['server', 'owner'], direct: ['server'] } as const
export const rulers = { ...owners, direct: [] } as const
/** Whoever may say of herself what she is. */
export const risers = { group: ['owner'], channel: ['owner'], direct: [] } as const
/** Whoever may come of her own: in a group only those who could add anybody. */
export const joiners = { ...inside, group: managers.group, direct: [] } as const
export const leavers = { group: members, channel: members, direct: [] } as const
/** An owner may go, but nobody except the tenant or another owner sends her away. */
export const sendersAway = { group: ['server', 'owner'], channel: ['server', 'owner'], direct: [] } as const

/** The tenant's users, whatever they are to a conversation. */
export const users: readonly Role[] = [...members, 'removed', 'stranger']

export const listOf = (may: May, type: ConversationType): readonly Role[] => (isList(may) ? may : may[type])

const isList = (may: May): may is readonly Role[] => Array.isArray(may)

/** What a role is told: 0 when it may. */
export function expected(line: Line, role: Role, type: ConversationType): number {
  if (listOf(line.may, type).includes(role)) return 0
  if (line.told !== undefined) return line.told
  return inside[type].includes(role) ? (line.insideTold?.[role] ?? 403) : 404
}
