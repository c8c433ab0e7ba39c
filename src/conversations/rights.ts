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
export const defaultRights: Rights = numbersOf(defaultGrid, false)

function numbersOf(grid: Grid, isFrozen: boolean): Rights {
  const numbers = Object.entries(grid).map(([role, names]) => {
    const bits = bitsOf(names)
    return [role, isFrozen && (bits & rightBits.ignoreFreeze) === 0 ? bits & ~frozenBits : bits] as const
  })
  return Object.fromEntries(numbers)
}

/** The grid of a conversation: roles that it does not name have their default. */
export const gridOf = ({ grid }: Pick<Conversation, 'grid'>): Grid => ({ ...defaultGrid, ...grid })

/** The numbers of a conversation that has a grid of its own or is frozen; undefined where they are the default. */
export const rightsOf = (conversation: Pick<Conversation, 'grid' | 'frozen'>): Rights | undefined =>
  conversation.grid === undefined && conversation.frozen !== true
    ? undefined
    : numbersOf(gridOf(conversation), conversation.frozen === true)

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

/** Why a role has not a right: it never has, or the conversation is frozen. */
export function lacks(conversation: Conversation, role: string, right: Right): Refusal {
  return (bitsOfRole(conversation, role) & rightBits[right]) === 0
    ? refuse('notAllowed', `needs the right ${right}, which the role ${role} does not have here`)
    : refuse('frozen', 'the conversation is frozen; wait until a moderator ends that')
}
