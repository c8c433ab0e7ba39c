import type { Channel } from '../../../../src/protocol/channels.ts'
import type { Command } from '../../../../src/protocol/commands.ts'
import type { ConversationType } from '../../../../src/conversations/types.ts'
import type { Role } from './cast.ts'
import { commandCalls } from './commands.ts'
import { inside, speakers, users, type Call, type May } from './may.ts'

/** What becomes of a connect: in, an error that may be mended, or the end. */
export type Entry = 'in' | { readonly error: number } | { readonly close: number }

/**
 * The callers that are admitted. A credential that is no token of a tenant opens nothing, whatever it opens elsewhere.
 */
export const entries: Readonly<Record<Role, Entry>> = {
  owner: 'in',
  admin: 'in',
  moderator: 'in',
  reader: 'in',
  member: 'in',
  narrowed: 'in',
  removed: 'in',
  stranger: 'in',
  anonymous: 'in',
  'foreign user': 'in',
  server: { close: 3500 },
  'foreign server': { close: 3500 },
  operator: { close: 3500 },
  forged: { close: 3500 },
  revoked: { close: 3500 },
  expired: { error: 109 },
  nobody: { close: 3501 },
}

const everywhere: readonly Role[] = ['foreign user']

/** Every rpc method: what it is used for, and which roles may. */
export const calls: Readonly<Record<string, readonly Call[]>> = {
  ...commandCalls,
  'inbox.list': [{ says: 'reads their list', may: [...users, ...everywhere], data: () => ({}), told: 403, idle: true }],
  'search.messages': [
    {
      says: 'searches messages',
      may: [...users, ...everywhere],
      data: () => ({ q: 'lunch' }),
      told: 403,
      idle: true,
    },
  ],
  // Only a token with a capability for the consumer may, and no role has one.
  'events.pull': [{ says: 'pulls events', may: [], data: () => ({ consumer: 'billing' }), told: 103 }],
  'events.acknowledge': [
    { says: 'acknowledges events', may: [], data: () => ({ consumer: 'billing', lease: 'x', done: [1] }), told: 103 },
  ],
}

/** What can be asked of a channel by its name. */
export type Ask = {
  [K in Command['kind']]: Extract<Command, { kind: K }> extends { readonly request: { channel: string } } ? K : never
}[Command['kind']]

/**
 * The callers that may ask something of a channel, and the code for the others: the same for everything that is not
 * theirs.
 */
export interface Asks {
  readonly may: May
  readonly refused: number
  /** Where those who see a conversation are told something else. */
  readonly inside?: number
  /** Whose own it is, which is told them instead. */
  readonly owners?: Partial<Readonly<Record<Role, number>>>
}

const nobody = (refused: number): Asks => ({ may: [], refused })
/** Unsubscribing is never refused, also without a subscription, so that an SDK can always clean up. */
const everybody: Asks = { may: [...users, 'anonymous', 'foreign user'], refused: 0 }
const readers: Asks = { may: inside, refused: 103 }
const watchers: readonly Role[] = ['member', 'narrowed']

/** What each kind of channel is asked for; plain topics have a table of their own. */
export const asks: Readonly<Record<Exclude<Channel['kind'], 'topic'>, Readonly<Record<Ask, Asks>>>> = {
  conversation: {
    subscribe: readers,
    publish: { may: speakers, refused: 404, inside: 403 },
    history: readers,
    presence: readers,
    presence_stats: readers,
    unsubscribe: everybody,
    sub_refresh: nobody(103),
  },
  // A user's own stream comes with the connection and is written by the system alone.
  inbox: {
    subscribe: { may: [], refused: 103, owners: { member: 105, narrowed: 105 } },
    publish: nobody(103),
    history: nobody(108),
    presence: nobody(108),
    presence_stats: nobody(108),
    unsubscribe: everybody,
    sub_refresh: { ...nobody(103), owners: { member: 108, narrowed: 108 } },
  },
  // For the users the job names.
  job: {
    subscribe: { may: watchers, refused: 103 },
    publish: nobody(103),
    history: nobody(108),
    presence: nobody(108),
    presence_stats: nobody(108),
    unsubscribe: everybody,
    sub_refresh: nobody(103),
  },
  // For the users the run names.
  saga: {
    subscribe: { may: watchers, refused: 103 },
    publish: nobody(103),
    history: nobody(108),
    presence: nobody(108),
    presence_stats: nobody(108),
    unsubscribe: everybody,
    sub_refresh: nobody(103),
  },
  // For the users the process names.
  process: {
    subscribe: { may: watchers, refused: 103 },
    publish: nobody(103),
    history: nobody(108),
    presence: nobody(108),
    presence_stats: nobody(108),
    unsubscribe: everybody,
    sub_refresh: nobody(103),
  },
}

/** What a role is told when it asks; 0 when it may. */
export function dueOnWire(
  { may, refused, inside: seen, owners = {} }: Asks,
  role: Role,
  type: ConversationType,
): number {
  const own = owners[role]
  if (own !== undefined) return own
  const named: readonly Role[] = 'direct' in may ? may[type] : may
  if (named.includes(role)) return 0
  return seen !== undefined && inside[type].includes(role) ? seen : refused
}
