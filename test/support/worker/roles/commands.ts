import type { Command } from '../../../../src/conversations/command.ts'
import { commands } from '../../../../src/conversations/commands/table.ts'
import type { OperationDefinition } from '../../../../src/protocol/operation.ts'
import { complete, growing, userOf, type Role } from './cast.ts'
import {
  banners,
  editors,
  followers,
  inside,
  joiners,
  leavers,
  managers,
  moderators,
  owners,
  pinners,
  reactors,
  risers,
  rulers,
  sendersAway,
  speakers,
  type Asking,
  type Line,
  type Asked,
  type Call,
  type Use,
} from './may.ts'

/** One use of a command, over whichever side it is called. */
export interface CommandUse extends Line {
  /** Its input beside the conversation. */
  readonly input?: (asking: Asking) => Readonly<Record<string, unknown>>
  /** Set where only an API key can ask for it, so that a connection cannot. */
  readonly overHttpOnly?: true
}

const servers: readonly Role[] = ['server', 'foreign server']
/** Each pin of the tests ends at another time, so that none repeats the one before. */
let pinnedUntil = 4_000_000_000_000
const restorers = { server: 404, owner: 404, admin: 404, moderator: 404 } as const
const text = (fresh: string) => ({ clientId: fresh, text: fresh })

/** Every command of a conversation: what it is used for, and which roles may. */
export const commandUses: Readonly<Record<string, readonly CommandUse[]>> = {
  'conversation.get': [{ says: 'reads it', may: inside, idle: true }],
  'conversation.rename': [{ says: 'renames it', may: managers, input: ({ fresh }) => ({ name: fresh }) }],
  'conversation.update': [
    { says: 'changes the name', may: managers, input: ({ fresh }) => ({ name: fresh }) },
    { says: 'changes the topic', may: editors, input: ({ fresh }) => ({ topic: fresh }) },
    { says: 'turns slow mode on', may: moderators, input: () => ({ slowModeSeconds: 1 }), spends: true },
    { says: 'freezes it', may: moderators, input: () => ({ frozen: true }), spends: true },
  ],
  'conversation.rights': [
    {
      says: 'sets the rights of a role',
      may: ['server'],
      input: ({ fresh }) => ({ roles: { [fresh]: ['send'] } }),
    },
  ],
  'conversation.bans': [{ says: 'lists the bans', may: moderators, idle: true }],
  'member.ban': [
    { says: 'bans a member', may: banners, input: ({ friend }) => ({ user: friend }), spends: true },
    { says: 'bans a user that is none', may: banners, input: ({ fresh }) => ({ user: fresh }) },
  ],
  'member.unban': [{ says: 'ends a ban', may: banners, input: ({ friend }) => ({ user: friend }), idle: true }],
  'conversation.delete': [{ says: 'deletes it', may: owners, spends: true }],
  'conversation.members': [{ says: 'lists the members', may: inside, idle: true }],
  'member.add': [
    { says: 'adds another user', may: managers, input: ({ fresh }) => ({ members: [fresh] }) },
    {
      says: 'adds themselves',
      may: joiners,
      input: ({ user }) => ({ members: [user] }),
      unfit: [...servers, 'anonymous'],
      spends: true,
      idle: true,
    },
    {
      says: 'adds themselves and another user',
      may: managers,
      input: ({ user, fresh }) => ({ members: [user, fresh] }),
      unfit: [...servers, 'anonymous'],
    },
  ],
  'member.role': [
    {
      says: 'makes a member an admin',
      may: rulers,
      input: ({ friend }) => ({ user: friend, role: 'admin' }),
      spends: true,
    },
    {
      says: 'makes themselves an owner',
      may: risers,
      input: ({ user }) => ({ user, role: 'owner' }),
      unfit: [...servers, 'anonymous'],
      idle: true,
    },
  ],
  'member.remove': [
    { says: 'removes a member', may: managers, input: ({ friend }) => ({ user: friend }), spends: true },
    { says: 'removes the owner', may: sendersAway, input: () => ({ user: userOf.owner }), spends: true },
    {
      says: 'removes themselves',
      may: leavers,
      input: ({ user }) => ({ user }),
      unfit: [...servers, 'anonymous'],
      spends: true,
      // A guest of a channel sees that they are not a member.
      insideTold: { removed: 404, stranger: 404 },
    },
  ],
  'conversation.join': [{ says: 'joins', may: joiners, unfit: servers, spends: true, idle: true }],
  'conversation.leave': [
    { says: 'leaves', may: leavers, unfit: servers, spends: true, insideTold: { removed: 404, stranger: 404 } },
  ],
  'message.send': [
    { says: 'sends a message', may: speakers, input: ({ fresh }) => text(fresh) },
    {
      says: 'schedules a message',
      may: speakers,
      input: ({ fresh }) => ({ ...text(fresh), deliverAt: Date.now() + 3_600_000 }),
    },
    {
      says: 'sends a message for another user',
      may: ['server'],
      input: ({ fresh, friend }) => ({ ...text(fresh), user: friend }),
      told: 403,
      // A server of another tenant is refused like for a conversation that does not exist.
      unfit: ['foreign server'],
      overHttpOnly: true,
    },
  ],
  'message.edit': [
    { says: 'edits their message', may: speakers, input: ({ own, fresh }) => ({ seq: own, text: fresh }) },
    { says: 'edits another message', may: ['server'], input: ({ others, fresh }) => ({ seq: others, text: fresh }) },
  ],
  'message.delete': [
    { says: 'deletes their message', may: speakers, input: ({ own }) => ({ seq: own }), spends: true },
    { says: 'deletes another message', may: moderators, input: ({ others }) => ({ seq: others }), spends: true },
  ],
  'message.restore': [
    // There is nothing to restore, which only those are told that may.
    {
      says: 'restores a message',
      may: [],
      input: ({ others }) => ({ seq: others }),
      insideTold: restorers,
      idle: true,
    },
  ],
  'message.begin': [
    { says: 'begins a message', may: speakers, input: ({ fresh }) => ({ clientId: fresh }), idle: true },
    {
      says: 'begins a message for another user',
      may: ['server'],
      input: ({ fresh, friend }) => ({ clientId: fresh, user: friend }),
      told: 403,
      idle: true,
      unfit: ['foreign server'],
      overHttpOnly: true,
    },
  ],
  'message.append': [
    {
      says: 'goes on with their message',
      may: speakers,
      input: () => ({ clientId: growing, offset: 0, text: '' }),
      spends: true,
      idle: true,
    },
  ],
  'message.complete': [
    { says: 'completes their message again', may: speakers, input: () => ({ clientId: complete }), idle: true },
  ],
  'message.cancel': [
    { says: 'stops their message', may: speakers, input: () => ({ clientId: growing }), spends: true, idle: true },
    {
      says: 'stops another message',
      may: pinners,
      input: ({ friend }) => ({ clientId: growing, author: friend }),
      spends: true,
      idle: true,
    },
  ],
  'message.streaming': [{ says: 'lists the messages that grow', may: inside, idle: true }],
  'message.edits': [
    { says: 'lists the edits of a message', may: inside, input: ({ others }) => ({ seq: others }), idle: true },
  ],
  'message.react': [
    {
      says: 'reacts to a message',
      may: reactors,
      input: ({ others, fresh }) => ({ seq: others, reaction: fresh.slice(0, 30) }),
      unfit: servers,
    },
    {
      says: 'reacts for another user',
      may: ['server'],
      input: ({ others, fresh, friend }) => ({ seq: others, reaction: fresh.slice(0, 30), user: friend }),
      told: 403,
      unfit: ['foreign server'],
      overHttpOnly: true,
    },
  ],
  'message.unreact': [
    {
      says: 'takes back their reaction',
      may: reactors,
      input: ({ others, user }) => ({ seq: others, reaction: 'wave', user }),
      unfit: [...servers, 'anonymous'],
      idle: true,
    },
    {
      says: 'takes back the reaction of another user',
      may: moderators,
      input: ({ own, friend }) => ({ seq: own, reaction: 'wave', user: friend }),
      idle: true,
    },
  ],
  'message.reactions': [
    { says: 'lists who reacted', may: inside, input: ({ others }) => ({ seq: others }), idle: true },
  ],
  'message.pin': [
    { says: 'pins a message', may: pinners, input: ({ others }) => ({ seq: others, until: ++pinnedUntil }) },
  ],
  'message.unpin': [{ says: 'unpins a message', may: pinners, input: ({ others }) => ({ seq: others }), idle: true }],
  'conversation.pins': [{ says: 'lists the pins', may: inside, idle: true }],
  'conversation.threads': [
    { says: 'lists their threads', may: inside, unfit: servers, idle: true },
    {
      says: 'lists the threads of another user',
      may: ['server'],
      input: ({ friend }) => ({ user: friend }),
      unfit: ['foreign server'],
      idle: true,
    },
  ],
  'thread.follow': [
    {
      says: 'follows a thread',
      may: followers,
      input: ({ others }) => ({ seq: others }),
      unfit: servers,
      idle: true,
    },
    {
      says: 'follows a thread for a member',
      may: ['server'],
      input: ({ others, friend }) => ({ seq: others, user: friend }),
      told: 403,
      unfit: ['foreign server'],
      idle: true,
      overHttpOnly: true,
    },
  ],
  'thread.read': [
    {
      says: 'reads a thread',
      may: followers,
      input: ({ others }) => ({ seq: others, upTo: 1_000_000 }),
      unfit: servers,
      idle: true,
    },
    {
      says: 'reads a thread for a member',
      may: ['server'],
      input: ({ others, friend }) => ({ seq: others, upTo: 1_000_000, user: friend }),
      told: 403,
      unfit: ['foreign server'],
      idle: true,
      overHttpOnly: true,
    },
  ],
  'conversation.read': [
    {
      says: 'moves their read cursor',
      may: { ...leavers, direct: ['member', 'narrowed'] },
      input: () => ({ seq: 1_000_000 }),
      unfit: servers,
      spends: true,
      idle: true,
    },
    {
      says: 'moves the read cursor of a member',
      may: ['server'],
      input: ({ friend }) => ({ seq: 1_000_000, user: friend }),
      told: 403,
      spends: true,
      idle: true,
      // A server of another tenant is refused like for a conversation that does not exist.
      unfit: ['foreign server'],
      overHttpOnly: true,
    },
  ],
  'conversation.typing': [{ says: 'types', may: speakers, idle: true }],
}

/** The same uses as HTTP requests, by operation. */
export const commandRequests: Readonly<Record<string, readonly Use[]>> = Object.fromEntries(
  commands.flatMap(({ name, http }) => {
    if (http === undefined) return []
    const { definition } = http
    const uses = (commandUses[name] ?? []).map(({ input, ...use }): Use => ({
      ...use,
      ...(input === undefined ? {} : { ask: (asking) => requestOf(definition, input(asking)) }),
    }))
    return [[`${definition.method.toUpperCase()} ${definition.path}`, uses]]
  }),
)

/** The same uses as rpc calls, by method. */
export const commandCalls: Readonly<Record<string, readonly Call[]>> = Object.fromEntries(
  commands.map(({ name }: Command) => [
    name,
    (commandUses[name] ?? [])
      .filter(({ overHttpOnly }) => overHttpOnly !== true)
      .map(({ input, ...use }): Call => ({
        ...use,
        data: (conversation, asking) => ({ conversation, ...input?.(asking) }),
      })),
  ]),
)

/** Splits an input into what stands in the path and what stands in the body. */
function requestOf({ path, body, query }: OperationDefinition, input: Readonly<Record<string, unknown>>): Asked {
  const fields = Object.entries(input)
  const isInPath = ([name]: [string, unknown]) => path.includes(`{${name}}`)
  const { user, seq, reaction, clientId } = Object.fromEntries(fields.filter(isInPath))
  return {
    ...(typeof user === 'string' ? { user } : {}),
    ...(typeof seq === 'number' ? { seq } : {}),
    ...(typeof reaction === 'string' ? { reaction } : {}),
    ...(query === undefined ? {} : { query: queryOf(fields.filter((field) => !isInPath(field))) }),
    ...(typeof clientId === 'string' ? { clientId } : {}),
    ...(body === undefined ? {} : { body: Object.fromEntries(fields.filter((field) => !isInPath(field))) }),
  }
}

const queryOf = (fields: readonly [string, unknown][]): string =>
  fields.length === 0 ? '' : `?${new URLSearchParams(fields.map(([name, value]) => [name, String(value)])).toString()}`
