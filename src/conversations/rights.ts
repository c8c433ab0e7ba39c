import { refuse, type Refusal } from '../protocol/errors.ts'
import { rightNames, type Right } from '../protocol/rights.ts'
import type { Members } from './ports.ts'
import type { Conversation, Grid, Rights } from './types.ts'

/** What a role may allow, each a bit: a role is one number, and a check is one test of a bit. */
export const rightBits = {
  /** Writing messages, and typing notices. */
  send: 1,
  react: 2,
  pin: 4,
  /** Deleting messages of others. */
  deleteAny: 8,
  /** Changing the name, the topic, the avatar and the data. */
  update: 16,
  addMembers: 32,
  removeMembers: 64,
  setRoles: 128,
  /** Deleting the conversation. */
  delete: 256,
  /** Freezing, slow mode and bans. */
  moderate: 512,
  ignoreFreeze: 1024,
  ignoreSlowMode: 2048,
} as const satisfies Readonly<Record<Right, number>>

const isRight = (name: string): name is Right => Object.hasOwn(rightBits, name)

/** What a frozen conversation takes from roles that do not ignore it. */
const frozenBits = rightBits.send | rightBits.react | rightBits.pin

const moderator: readonly Right[] = ['send', 'react', 'pin', 'deleteAny', 'moderate', 'ignoreFreeze', 'ignoreSlowMode']

/** The rights of the roles that every conversation has, unless it has a grid of its own. */
export const defaultGrid: Readonly<Record<'owner' | 'admin' | 'moderator' | 'member' | 'reader', readonly Right[]>> = {
  owner: rightNames,
  admin: [...moderator, 'update', 'addMembers', 'removeMembers'],
  moderator,
  member: ['send', 'react'],
  reader: [],
}

const bitsOf = (names: readonly string[]): number =>
  names.reduce((bits, name) => bits | (isRight(name) ? rightBits[name] : 0), 0)

/** The default grid as numbers, which the path of a message reads. */
export const defaultRights: Rights = numbersOf(defaultGrid, { frozen: undefined, blocked: undefined })

function numbersOf(grid: Grid, { frozen, blocked }: Pick<Conversation, 'frozen' | 'blocked'>): Rights {
  const numbers = Object.entries(grid).map(([role, names]) => {
    const bits = bitsOf(names)
    const isHeld = blocked !== undefined || (frozen === true && (bits & rightBits.ignoreFreeze) === 0)
    return [role, isHeld ? bits & ~frozenBits : bits] as const
  })
  return Object.fromEntries(numbers)
}

/** The grid of a conversation: roles that it does not name have their default. */
export const gridOf = ({ grid }: Pick<Conversation, 'grid'>): Grid => ({ ...defaultGrid, ...grid })

/**
 * The numbers of a conversation that has a grid of its own, is frozen or has a blocked member; undefined where they are the default. While
 * a member of a direct conversation is blocked no role has the rights to write: `lacks` tells the two members apart.
 */
export const rightsOf = (conversation: Pick<Conversation, 'grid' | 'frozen' | 'blocked'>): Rights | undefined =>
  conversation.grid === undefined && conversation.frozen !== true && conversation.blocked === undefined
    ? undefined
    : numbersOf(gridOf(conversation), conversation)

/** The rights of a role, freeze aside; a role that the grid does not name has none. */
export const bitsOfRole = (conversation: Conversation, role: string): number => {
  const grid = gridOf(conversation)
  return Object.hasOwn(grid, role) ? bitsOf(grid[role] ?? []) : 0
}

/** Whether the conversation has the role. */
export const hasRole = (conversation: Conversation, role: string): boolean => Object.hasOwn(gridOf(conversation), role)

/** Whether the member has the right now, freeze included. */
export const hasRight = (conversation: Conversation, members: Members, user: string, right: Right): boolean => {
  const role = members.get(user)?.role
  return role !== undefined && (((conversation.rights ?? defaultRights)[role] ?? 0) & rightBits[right]) !== 0
}

/**
 * Why the number of a role lacks a right: the role never has it, the member is blocked, or the conversation is frozen. Undefined for the
 * member that blocks the other one, who has it all the same.
 */
export function lacks(conversation: Conversation, role: string, right: Right, user: string): Refusal | undefined {
  const bits = bitsOfRole(conversation, role)
  if ((bits & rightBits[right]) === 0)
    return refuse('notAllowed', `needs the right ${right}, which the role ${role} does not have here`)
  const { blocked = [], frozen } = conversation
  if (blocked.includes(user)) return refuse('blocked', 'the other member has blocked you; nothing can be written here')
  if (frozen !== true || (bits & rightBits.ignoreFreeze) !== 0) return undefined
  return refuse('frozen', 'the conversation is frozen; wait until a moderator ends that')
}

/** The members of a direct conversation that are blocked, once `user` is or is no more; undefined when nothing changes. */
export function blockedWith(
  { type, blocked = [] }: Conversation,
  members: Members,
  user: string,
  isBlocked: boolean,
): Pick<Conversation, 'blocked'> | undefined {
  if (type !== 'direct' || members.get(user) === undefined || blocked.includes(user) === isBlocked) return undefined
  const others = blocked.filter((other) => other !== user)
  const after = isBlocked ? [...others, user] : others
  return { blocked: after.length === 0 ? undefined : after }
}
