import { definitions } from '../../../../src/edge/openapi/openapi.ts'
import { unknown, type Role } from './cast.ts'
import { commandRequests } from './commands.ts'
import { inside, users, type Use } from './may.ts'

/** Over HTTP there are no anonymous users. */
export const unknownOverHttp: readonly Role[] = [...unknown, 'anonymous']

/** Every operation about conversations: what it is used for, and which roles may. */
export const conversationOperations: Readonly<Record<string, readonly Use[]>> = {
  ...commandRequests,
  'GET /v1/conversations/{id}/messages': [{ says: 'reads messages', may: inside, idle: true }],
  'GET /v1/conversations/{id}/messages/{seq}': [
    { says: 'reads one message', may: inside, ask: ({ others }) => ({ seq: others }), idle: true },
  ],
  'GET /v1/conversations/{id}/presence': [{ says: 'reads its presence', may: inside, idle: true }],
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
