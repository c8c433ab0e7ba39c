import { definitions } from '../../../../src/edge/openapi/openapi.ts'
import { unknown, userOf, type Role } from './cast.ts'
import {
  inside,
  joiners,
  leavers,
  managers,
  moderators,
  owners,
  risers,
  rulers,
  sendersAway,
  speakers,
  users,
  type Asking,
  type Line,
} from './may.ts'

/** What one asks of an operation: the body, and what stands in its path. */
export interface Asked {
  readonly body?: object
  readonly user?: string
  readonly seq?: number
  readonly query?: string
}

/** One thing an operation is used for, and who may. */
export interface Use extends Line {
  readonly ask?: (asking: Asking) => Asked
}

/** Over HTTP there are no anonymous users. */
export const unknownOverHttp: readonly Role[] = [...unknown, 'anonymous']

const notHers: readonly Role[] = ['server', 'foreign server']
const text = (fresh: string) => ({ clientId: fresh, text: fresh })

/** Every operation about conversations: what it is used for, and who may. */
export const conversationOperations: Readonly<Record<string, readonly Use[]>> = {
  'GET /v1/conversations/{id}': [{ says: 'reads it', may: inside, idle: true }],
  'PATCH /v1/conversations/{id}': [
    { says: 'renames it', may: managers, ask: ({ fresh }) => ({ body: { name: fresh } }) },
  ],
  'DELETE /v1/conversations/{id}': [{ says: 'deletes it', may: owners, spends: true }],
  'GET /v1/conversations/{id}/members': [{ says: 'reads who is in', may: inside, idle: true }],
  'POST /v1/conversations/{id}/members': [
    { says: 'adds another user', may: managers, ask: ({ fresh }) => ({ body: { members: [fresh] } }) },
    {
      says: 'adds themselves',
      may: joiners,
      ask: ({ user }) => ({ body: { members: [user] } }),
      unfit: notHers,
      spends: true,
      idle: true,
    },
    {
      says: 'adds themselves and another user',
      may: managers,
      ask: ({ user, fresh }) => ({ body: { members: [user, fresh] } }),
      unfit: notHers,
    },
  ],
  'PATCH /v1/conversations/{id}/members/{user}': [
    {
      says: 'makes a member an admin',
      may: rulers,
      ask: ({ friend }) => ({ user: friend, body: { role: 'admin' } }),
      spends: true,
    },
    {
      says: 'makes themselves an owner',
      may: risers,
      ask: ({ user }) => ({ user, body: { role: 'owner' } }),
      unfit: notHers,
      idle: true,
    },
  ],
  'DELETE /v1/conversations/{id}/members/{user}': [
    { says: 'removes a member', may: managers, ask: ({ friend }) => ({ user: friend }), spends: true },
    { says: 'removes the owner', may: sendersAway, ask: () => ({ user: userOf.owner }), spends: true },
    {
      says: 'leaves',
      may: leavers,
      ask: ({ user }) => ({ user }),
      unfit: notHers,
      spends: true,
      // A guest of a channel sees that they are not a member.
      insideTold: { removed: 404, stranger: 404 },
    },
  ],
  'POST /v1/conversations/{id}/messages': [
    { says: 'speaks', may: speakers, ask: ({ fresh }) => ({ body: text(fresh) }) },
    {
      says: 'speaks later',
      may: speakers,
      ask: ({ fresh }) => ({ body: { ...text(fresh), deliverAt: Date.now() + 3_600_000 } }),
    },
    {
      says: 'speaks for another user',
      may: ['server'],
      ask: ({ fresh, friend }) => ({ body: { ...text(fresh), user: friend } }),
      told: 403,
      unfit: ['foreign server'],
    },
  ],
  'GET /v1/conversations/{id}/messages': [{ says: 'reads what was said', may: inside, idle: true }],
  'GET /v1/conversations/{id}/messages/{seq}': [
    { says: 'reads one message', may: inside, ask: ({ others }) => ({ seq: others }), idle: true },
  ],
  'GET /v1/conversations/{id}/presence': [{ says: 'sees who listens', may: inside, idle: true }],
  'POST /v1/conversations/{id}/read': [
    {
      says: 'has read',
      may: { ...leavers, direct: ['member', 'narrowed'] },
      ask: () => ({ body: { seq: 1_000_000 } }),
      unfit: notHers,
      spends: true,
      idle: true,
    },
    {
      says: 'says that a member has read',
      may: ['server'],
      ask: ({ friend }) => ({ body: { seq: 1_000_000, user: friend } }),
      told: 403,
      unfit: ['foreign server'],
      spends: true,
      idle: true,
    },
  ],
  'PATCH /v1/conversations/{id}/messages/{seq}': [
    { says: 'edits their own message', may: speakers, ask: ({ own, fresh }) => ({ seq: own, body: { text: fresh } }) },
    { says: 'edits another’s', may: ['server'], ask: ({ others, fresh }) => ({ seq: others, body: { text: fresh } }) },
  ],
  'DELETE /v1/conversations/{id}/messages/{seq}': [
    { says: 'deletes their own message', may: speakers, ask: ({ own }) => ({ seq: own }), spends: true },
    { says: 'deletes another’s', may: moderators, ask: ({ others }) => ({ seq: others }), spends: true },
  ],
}

/** What is of another tenant asks here for its own things, which the swaps of tenants look at. */
const elsewhere: readonly Role[] = ['foreign server', 'foreign user']

/** Every operation by which users come to conversations of their own. */
export const userOperations: Readonly<Record<string, readonly Use[]>> = {
  'POST /v1/conversations': [
    {
      says: 'starts a group',
      may: ['server', ...users],
      ask: ({ fresh, friend }) => ({ body: { type: 'group', name: fresh, members: [friend] } }),
      unfit: elsewhere,
    },
    {
      says: 'starts a channel',
      may: ['server', ...users],
      ask: ({ fresh, friend }) => ({ body: { type: 'channel', name: fresh, members: [friend] } }),
      unfit: elsewhere,
    },
    {
      says: 'starts a direct conversation',
      may: users,
      // The second of the same user is the same conversation.
      ask: ({ fresh }) => ({ body: { type: 'direct', members: [fresh] } }),
      told: 400,
      unfit: elsewhere,
    },
    {
      says: 'starts a direct conversation of two others',
      may: ['server'],
      ask: ({ fresh, friend }) => ({ body: { type: 'direct', members: [friend, fresh] } }),
      told: 400,
      unfit: elsewhere,
    },
  ],
  'GET /v1/conversations': [
    { says: 'reads their own list', may: users, told: 400, unfit: elsewhere },
    {
      says: 'reads another’s list',
      may: ['server'],
      ask: ({ friend }) => ({ query: `?user=${friend}` }),
      told: 403,
      unfit: elsewhere,
    },
  ],
}

/** Every operation that only the tenant's own server may use, by its key, on its own tenant. */
export const serverOperations: readonly string[] = definitions
  .filter(({ access }) => access === 'server')
  .map(({ method, path }) => `${method.toUpperCase()} ${path}`)
