import { z } from 'zod'
import {
  conversationChange,
  idempotencyKey,
  listQuery,
  memberChange,
  membersQuery,
  messageChange,
  messagesQuery,
  newConversation,
  newMembers,
  newMessage,
  newRead,
  newToken,
} from '../../protocol/api.ts'
import { problems } from '../../protocol/problems.ts'
import { serverApiOperations } from '../server-api/operations.ts'
import { jobOperations } from '../resources/jobs/operations.ts'
import { limitOperations } from '../resources/limits/operations.ts'
import { topicOperations } from '../resources/namespaces/operations.ts'

/** One operation of the public API. The routes' own schemas are shown, so that what is written is what is checked. */
export interface Operation {
  readonly method: 'get' | 'put' | 'post' | 'patch' | 'delete'
  readonly path: string
  readonly summary: string
  readonly tag: string
  readonly body?: z.ZodType
  readonly query?: z.ZodObject | z.ZodType
  readonly success: { readonly status: number; readonly says: string }
  /** What a repeat of the same request answers with 200, where the first is answered otherwise. */
  readonly repeat?: string
  /** Request headers that mean something. */
  readonly headers?: Readonly<Record<string, { readonly schema: z.ZodType; readonly says: string }>>
}

/** Every operation under /v1; a test holds it against the routes that exist. */
export const operations: readonly Operation[] = [
  {
    method: 'post',
    path: '/v1/tokens',
    tag: 'Tokens',
    summary: 'Issue a token for one of your users (API key only)',
    body: newToken,
    success: { status: 200, says: '{token, expiresAt}; expiresAt in milliseconds since the epoch' },
  },
  {
    method: 'post',
    path: '/v1/users/{user}/revoke',
    tag: 'Tokens',
    summary: 'End all sessions of a user, whose tokens issued until now open nothing more (API key only)',
    success: { status: 200, says: '{user, revokedAt}; revokedAt in milliseconds since the epoch' },
  },
  {
    method: 'post',
    path: '/v1/conversations',
    tag: 'Conversations',
    summary:
      'Start a conversation; the same two people share one direct conversation. With an id of yours (API key only) or an Idempotency-Key the request can be repeated',
    body: newConversation,
    headers: {
      'Idempotency-Key': { schema: idempotencyKey, says: 'the same key and body again: the same conversation' },
    },
    success: { status: 201, says: 'the conversation' },
    repeat: 'the conversation that was there',
  },
  {
    method: 'get',
    path: '/v1/conversations',
    tag: 'Conversations',
    summary: 'List a user’s conversations, newest activity first, with unread counts',
    query: listQuery,
    success: { status: 200, says: '{conversations, next}; next is the cursor of the next page or null' },
  },
  {
    method: 'get',
    path: '/v1/conversations/{id}',
    tag: 'Conversations',
    summary: 'Read a conversation and its first hundred members',
    success: { status: 200, says: 'the conversation' },
  },
  {
    method: 'patch',
    path: '/v1/conversations/{id}',
    tag: 'Conversations',
    summary: 'Rename it (owner or admin)',
    body: conversationChange,
    success: { status: 200, says: 'the conversation' },
  },
  {
    method: 'delete',
    path: '/v1/conversations/{id}',
    tag: 'Conversations',
    summary: 'Delete it for everyone (owner)',
    success: { status: 204, says: 'deleted' },
  },
  {
    method: 'get',
    path: '/v1/conversations/{id}/members',
    tag: 'Members',
    summary: 'List members by user id',
    query: membersQuery,
    success: { status: 200, says: '{members, next}' },
  },
  {
    method: 'post',
    path: '/v1/conversations/{id}/members',
    tag: 'Members',
    summary: 'Add members (owner or admin; in a channel everyone may add herself)',
    body: newMembers,
    success: { status: 200, says: 'the conversation' },
  },
  {
    method: 'patch',
    path: '/v1/conversations/{id}/members/{user}',
    tag: 'Members',
    summary: 'Make a member an owner, an admin or a plain member (owner)',
    body: memberChange,
    success: { status: 200, says: '{user, role}' },
  },
  {
    method: 'delete',
    path: '/v1/conversations/{id}/members/{user}',
    tag: 'Members',
    summary: 'Remove a member, or leave',
    success: { status: 204, says: 'removed' },
  },
  {
    method: 'post',
    path: '/v1/conversations/{id}/messages',
    tag: 'Messages',
    summary:
      'Send a message; the same clientId again is the same message. With deliverAt it is sent then (202). An API key sends as the tenant itself, or as the member in user',
    body: newMessage,
    repeat: 'what the first one was answered, with duplicate: true',
    success: {
      status: 201,
      says: '{id, seq, epoch, at, duplicate}; for later (202) {job, state, deliverAt, duplicate}',
    },
  },
  {
    method: 'get',
    path: '/v1/conversations/{id}/messages',
    tag: 'Messages',
    summary: 'Read messages, newest first, however old',
    query: messagesQuery,
    success: {
      status: 200,
      says: '{messages, epoch, last, before, after}; before and after are the cursors of the neighbouring pages or null',
    },
  },
  {
    method: 'get',
    path: '/v1/conversations/{id}/messages/{seq}',
    tag: 'Messages',
    summary: 'Read one message, or another entry of the log, however old',
    success: { status: 200, says: 'the message, as in a page' },
  },
  {
    method: 'post',
    path: '/v1/conversations/{id}/read',
    tag: 'Messages',
    summary: 'Say that everything up to seq has been read: by you, or with an API key by the member in user',
    body: newRead,
    success: { status: 200, says: '{read, unread}; read is never less than before' },
  },
  {
    method: 'get',
    path: '/v1/conversations/{id}/presence',
    tag: 'Conversations',
    summary: 'See which connections listen to it now',
    success: { status: 200, says: '{clients: [{user, client, conn_info?, chan_info?}]}' },
  },
  {
    method: 'patch',
    path: '/v1/conversations/{id}/messages/{seq}',
    tag: 'Messages',
    summary: 'Edit your message',
    body: messageChange,
    success: { status: 200, says: '{seq, at} of the edit; the same edit again is the same one' },
  },
  {
    method: 'delete',
    path: '/v1/conversations/{id}/messages/{seq}',
    tag: 'Messages',
    summary: 'Delete your message (owners and admins: any)',
    success: { status: 204, says: 'deleted, also when it was you who deleted it before' },
  },
  ...topicOperations,
  ...limitOperations,
  ...jobOperations,
]

/** The OpenAPI 3.1 document of the public API. */
export function openApi(serverUrl: string) {
  const paths: Record<string, Record<string, unknown>> = {}
  for (const operation of [...operations, ...serverApiOperations])
    (paths[operation.path] ??= {})[operation.method] = describe(operation)
  return {
    openapi: '3.1.0',
    info: {
      title: 'Parley',
      version: '1',
      description: 'Chat and notifications at the edge. Realtime: /connection/websocket, the Centrifuge protocol.',
    },
    servers: [{ url: serverUrl }],
    security: [{ bearer: [] }, { apiKey: [] }],
    paths,
    components: {
      securitySchemes: {
        apiKey: { type: 'apiKey', in: 'header', name: 'X-API-Key', description: 'The same API key, for /api' },
        bearer: { type: 'http', scheme: 'bearer', description: 'An API key, or a user token from POST /v1/tokens' },
      },
      schemas: { Problem: problemSchema },
    },
  }
}

function describe({ summary, tag, path, body, query, headers = {}, success, repeat }: Operation) {
  return {
    summary,
    tags: [tag],
    parameters: [...pathParameters(path), ...queryParameters(query), ...headerParameters(headers)],
    ...(body === undefined
      ? {}
      : { requestBody: { required: true, content: { 'application/json': { schema: toJsonSchema(body) } } } }),
    responses: {
      ...(repeat === undefined ? {} : { 200: { description: `A repeat: ${repeat}` } }),
      [success.status]: { description: success.says },
      default: {
        description: 'A problem (RFC 9457)',
        content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
      },
    },
  }
}

const pathParameters = (path: string) =>
  [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: name === 'seq' ? 'integer' : 'string' },
  }))

function queryParameters(query: z.ZodType | undefined) {
  if (query === undefined) return []
  const { properties = {} } = toJsonSchema(query)
  return Object.entries(properties).map(([name, schema]) => ({ name, in: 'query', required: false, schema }))
}

const headerParameters = (headers: NonNullable<Operation['headers']>) =>
  Object.entries(headers).map(([name, { schema, says }]) => ({
    name,
    in: 'header',
    required: false,
    description: says,
    schema: toJsonSchema(schema),
  }))

const toJsonSchema = (schema: z.ZodType) => z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' })

const problemSchema = {
  type: 'object',
  required: ['type', 'title', 'status', 'detail'],
  properties: {
    type: { type: 'string', enum: Object.keys(problems).map((name) => `/docs/errors#${name}`) },
    title: { type: 'string' },
    status: { type: 'integer' },
    detail: { type: 'string', description: 'Names the thing, the rule and the fix' },
    retryAfterMs: { type: 'integer' },
    dependency: { type: 'string', description: 'The outside service that does not answer, by its name in /readyz' },
  },
}
