import { definitions } from '../../../../src/edge/openapi/openapi.ts'
import { unknown, type Role } from './cast.ts'
import { commandRequests } from './commands.ts'
import { inside, speakers, users, type Asked, type Use } from './may.ts'

/** Over HTTP there are no anonymous users. */
export const unknownOverHttp: readonly Role[] = [...unknown, 'anonymous']

/** An operation on a file of the caller's own. */
const ofFile = (says: string, more: Partial<Use> = {}): readonly Use[] => [
  { says, may: speakers, ask: ({ file }) => ({ upload: file }), idle: true, ...more },
]

/** Every operation about conversations: what it is used for, and which roles may. */
export const conversationOperations: Readonly<Record<string, readonly Use[]>> = {
  ...commandRequests,
  'GET /v1/conversations/{id}/messages': [{ says: 'reads messages', may: inside, idle: true }],
  'GET /v1/conversations/{id}/messages/{seq}': [
    { says: 'reads one message', may: inside, ask: ({ others }) => ({ seq: others }), idle: true },
  ],
  'GET /v1/conversations/{id}/messages/{seq}/edits': [
    { says: 'lists the texts of a message', may: inside, ask: ({ others }) => ({ seq: others }), idle: true },
  ],
  'GET /v1/conversations/{id}/threads/{seq}/replies': [
    { says: 'lists the replies in a thread', may: inside, ask: ({ others }) => ({ seq: others }), idle: true },
  ],
  'POST /v1/conversations/{id}/uploads': [
    {
      says: 'begins an upload',
      may: speakers,
      ask: ({ fresh }) => ({ body: { name: fresh, type: 'image/png', size: 1 } }),
      idle: true,
    },
  ],
  'GET /v1/conversations/{id}/uploads/{upload}': ofFile('reads an upload'),
  'PUT /v1/conversations/{id}/uploads/{upload}/parts/{part}': ofFile('sends a part of a file'),
  'POST /v1/conversations/{id}/uploads/{upload}/complete': ofFile('completes an upload'),
  'DELETE /v1/conversations/{id}/uploads/{upload}': ofFile('cancels an upload', { spends: true }),
  'POST /v1/conversations/{id}/upload-links': [
    { says: 'asks for links to files', may: inside, ask: ({ file }) => ({ body: { uploads: [file] } }), idle: true },
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
  'GET /v1/search/messages': [
    {
      says: 'searches messages',
      may: ['server', ...users],
      ask: () => ({ query: '?q=lunch' }),
      unfit: elsewhere,
    },
    {
      says: 'searches messages for another',
      may: ['server'],
      ask: ({ friend }) => ({ query: `?q=lunch&user=${friend}` }),
      told: 403,
      unfit: elsewhere,
    },
  ],
}

const target = { type: 'fcm', address: { token: 'abc' } }

/** An operation on what a user has: a user for themselves, and the tenant's server for any user. */
const ofOneself = (says: string, ask: (user: string) => Asked): readonly Use[] => [
  { says: `${says} of their own`, may: users, ask: ({ user }) => ask(user), unfit: ['server', ...elsewhere] },
  { says: `${says} of another`, may: ['server'], ask: ({ friend }) => ask(friend), told: 403, unfit: elsewhere },
]

/** Operations on profiles, feeds and preferences. */
export const recipientOperations: Readonly<Record<string, readonly Use[]>> = {
  'GET /v1/users': [
    {
      says: 'reads names',
      may: ['server', ...users],
      ask: ({ friend }) => ({ query: `?ids=${friend}` }),
      unfit: elsewhere,
    },
    { says: 'reads all users', may: ['server'], told: 400, unfit: elsewhere },
  ],
  'PUT /v1/users/{user}/targets/{id}': ofOneself('registers a device', (user) => ({ user, body: target })),
  'GET /v1/users/{user}': ofOneself('reads the profile', (user) => ({ user })),
  'DELETE /v1/users/{user}/targets/{id}': ofOneself('removes a device', (user) => ({ user })),
  'GET /v1/feed': ofOneself('reads the feed', (user) => ({ query: `?user=${user}` })),
  'GET /v1/feed/counts': ofOneself('reads the counts', (user) => ({ query: `?user=${user}` })),
  'GET /v1/users/{user}/preferences': ofOneself('reads the preferences', (user) => ({ user })),
  'PUT /v1/users/{user}/preferences': ofOneself('stores the preferences', (user) => ({ user, body: {} })),
  'POST /v1/feed/marks': ofOneself('marks the feed', (user) => ({ body: { user, mark: 'seen', all: true } })),
}

/** What users keep away from themselves, and what they report. */
export const moderationOperations: Readonly<Record<string, readonly Use[]>> = {
  'PUT /v1/users/{user}/blocks/{blocked}': ofOneself('blocks a user', (user) => ({ user })),
  'DELETE /v1/users/{user}/blocks/{blocked}': ofOneself('ends a block', (user) => ({ user })),
  'GET /v1/users/{user}/blocks': ofOneself('lists blocks', (user) => ({ user })),
  'POST /v1/reports': [
    {
      says: 'reports a user',
      may: users,
      ask: ({ friend }) => ({ body: { user: friend, reason: 'spam' } }),
      unfit: ['server', ...elsewhere],
    },
    {
      says: 'reports a user in the name of another',
      may: ['server'],
      ask: ({ fresh, friend }) => ({ body: { user: fresh, reporter: friend, reason: 'spam' } }),
      told: 403,
      unfit: elsewhere,
    },
  ],
}

/** Every operation that only the tenant's own server may use, by its key, on its own tenant. */
export const serverOperations: readonly string[] = definitions
  .filter(({ access }) => access === 'server')
  .map(({ method, path }) => `${method.toUpperCase()} ${path}`)
