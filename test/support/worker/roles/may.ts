import type { ConversationType } from '../../../../src/conversations/types.ts'
import type { Role } from './cast.ts'

/** The roles that may do something; a role that is not named may not. */
export type May = readonly Role[] | Readonly<Record<ConversationType, readonly Role[]>>

/** The caller, and whose messages it asks about. */
export interface Asking {
  readonly user: string
  /** The seq of a message of the caller's own, or of the friend's when there is none. */
  readonly own: number
  readonly others: number
  /** A file of the caller's own, or of the friend's when there is none. */
  readonly file: string
  readonly friend: string
  /** A text that was not used yet. */
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
  /** Success need change nothing, as for a user who joins again. */
  readonly idle?: true
  /** Success removes the object of the operation, or changes roles: the scene is not used again. */
  readonly spends?: true
}

const writers: readonly Role[] = ['owner', 'admin', 'moderator', 'member', 'narrowed']
const members: readonly Role[] = [...writers, 'reader']
const pair: readonly Role[] = ['member', 'narrowed']

/**
 * Roles that see that a conversation exists. A caller that sees it and may not is told 403, one that does not see it
 * 404 as for none.
 */
export const inside: Readonly<Record<ConversationType, readonly Role[]>> = {
  group: ['server', ...members],
  // Every user of the tenant, so that a removed one is a guest again. Anonymous callers are no users.
  channel: ['server', ...members, 'removed', 'stranger'],
  direct: ['server', ...pair],
}

/** Capabilities are about topics: they neither open nor close a conversation. */
export const speakers: Readonly<Record<ConversationType, readonly Role[]>> = {
  group: ['server', ...writers],
  channel: ['server', ...writers],
  direct: ['server', ...pair],
}

export const managers = {
  group: ['server', 'owner', 'admin'],
  channel: ['server', 'owner', 'admin'],
  direct: [],
} as const

/** In a direct conversation both members have the same role. */
export const editors = { ...managers, direct: ['server'] } as const
const guards = ['server', 'owner', 'admin', 'moderator'] as const
export const moderators = { group: guards, channel: guards, direct: ['server'] } as const
/** Callers that may keep users out, which a direct conversation does not. */
export const banners = { ...moderators, direct: [] } as const
export const pinners = { ...moderators, direct: ['server', ...pair] } as const
/** An API key reacts for a member only. */
export const reactors = { group: writers, channel: writers, direct: pair } as const
export const owners = { group: ['server', 'owner'], channel: ['server', 'owner'], direct: ['server'] } as const
export const rulers = { ...owners, direct: [] } as const
/** Callers that may say about themselves what they are. */
export const risers = { group: ['owner'], channel: ['owner'], direct: [] } as const
/** Callers that may join by themselves: in a group only those who could add other users. */
export const joiners = { ...inside, group: managers.group, direct: [] } as const
/** Members, whom threads have a part for. */
export const followers = { group: members, channel: members, direct: pair } as const
export const leavers = { group: members, channel: members, direct: [] } as const
/** An owner may leave, but only the tenant or another owner removes an owner. */
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

/** What one asks of an operation: the body, and what stands in its path. */
export interface Asked {
  readonly body?: object
  readonly user?: string
  readonly seq?: number
  readonly reaction?: string
  readonly upload?: string
  readonly clientId?: string
  readonly query?: string
}

/** One thing an operation is used for, and who may. */
export interface Use extends Line {
  readonly ask?: (asking: Asking) => Asked
}

/** One thing an rpc is used for, and who may. */
export interface Call extends Line {
  readonly data: (conversation: string, asking: Asking) => object
}
