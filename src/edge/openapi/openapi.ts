import { errorsOf, exampleStatus, isCheckedByEtag, type OperationDefinition } from '../../protocol/operation.ts'
import { problems, type ProblemName } from '../../protocol/problems.ts'
import { operations } from '../resources/all-operations.ts'
import { serverApiOperations } from '../server-api/operations.ts'
import { webhookSection } from './webhooks.ts'
import { Components, type JsonSchema } from './components.ts'

/** The definition of every operation, in the order of the documentation. */
export const definitions: readonly OperationDefinition[] = [
  ...operations.map(({ definition }) => definition),
  ...serverApiOperations,
]

const tags: Readonly<Record<string, string>> = {
  Conversations: 'Conversations of two users, of groups, and channels.',
  Members: 'The members of a conversation and their roles.',
  Messages: 'Messages and the other entries of a conversation, numbered by `seq`.',
  Search: 'Messages by their words, and the language of the search.',
  Tokens: 'Tokens for your users, and the keys that sign them.',
  Topics: 'Namespaces of plain publish/subscribe topics.',
  Settings: 'Settings that hold for all your users.',
  Limits: 'Your limits, and rate limits as a service.',
  Jobs: 'Background work that is kept, ordered, limited and retried.',
  Queues: 'Queues of jobs: their state, their rules and their secrets.',
  Schedules: 'Recurring jobs.',
  Events: 'Events in topics, read at any offset, and the schemas of their types.',
  Consumers: 'Consumers of events: pushed or pulled, in order for each key, with dead letters.',
  Webhooks: 'Endpoints of your server that get the events of your conversations.',
  Processes: 'What belongs together among your events, and what is late.',
  Sagas: 'Transactions over several systems: steps, their compensation, and runs.',
  Notifications: 'What users are notified of: workflows, categories, notifications and what became of each.',
  Users: 'Profiles of your users, the devices that they are reached on, and their erasure.',
  Feed: 'What users read in the app: items with exact counts.',
  Preferences: 'What users want to be notified of, when, and by which channels.',
  'Notification topics': 'Named sets of users that notifications can go to.',
  Moderation: 'Bans from your tenant, blocks between users, reports, and what was decided about them.',
  Facade: 'Routes that move requests from a legacy system to a new one, step by step.',
  Export: 'What is stored of a user, of a conversation or of all, as lines of JSON, and back again.',
  Usage: 'What you used, by day.',
  Operator: 'For the operator of the deployment, with ADMIN_KEY.',
  'Server API': 'Operations in the shape of the HTTP API of Centrifugo.',
}

/** The OpenAPI 3.1 document of the HTTP API. */
export function openApi(serverUrl: string) {
  const components = new Components()
  const paths: Record<string, Record<string, unknown>> = {}
  for (const definition of definitions)
    (paths[definition.path] ??= {})[definition.method] = describe(definition, components)
  const { text, schemas } = components.resolve(JSON.stringify({ paths, webhooks: webhookSection(components) }))
  const described: { readonly paths: unknown; readonly webhooks: unknown } = JSON.parse(text)
  return {
    openapi: '3.1.0',
    info: {
      title: 'Parley',
      version: '1',
      summary: 'Chat and notifications at the edge',
      description: 'Realtime connections use /connection/websocket, the Centrifuge protocol: see /docs/realtime.',
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: serverUrl }],
    tags: Object.entries(tags).map(([name, description]) => ({ name, description })),
    ...described,
    components: { securitySchemes, schemas: { ...schemas, Problem: problemSchema } },
  }
}

const securitySchemes = {
  apiKey: { type: 'http', scheme: 'bearer', description: 'The API key of your server' },
  userToken: { type: 'http', scheme: 'bearer', description: 'A user token, from POST /v1/tokens or signed by you' },
  apiKeyHeader: { type: 'apiKey', in: 'header', name: 'X-API-Key', description: 'The API key, for /api' },
  operatorKey: { type: 'http', scheme: 'bearer', description: 'The ADMIN_KEY of the deployment' },
}

function securityOf({ access, path }: OperationDefinition) {
  if (path.startsWith('/api/')) return [{ apiKeyHeader: [] }, { apiKey: [] }]
  return {
    public: [],
    'user-or-server': [{ apiKey: [] }, { userToken: [] }],
    server: [{ apiKey: [] }],
    operator: [{ operatorKey: [] }],
  }[access]
}

function describe(definition: OperationDefinition, components: Components) {
  const { id, tag, summary, description, optionalBody = false, rawBody = [], example } = definition
  const body = definition.documentedBody ?? definition.body
  const parameters = parametersOf(definition, components)
  return {
    operationId: id,
    summary,
    ...(description === undefined ? {} : { description }),
    tags: [tag],
    security: securityOf(definition),
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(body === undefined
      ? {}
      : {
          requestBody: {
            required: !optionalBody,
            content: Object.fromEntries(
              ['application/json', ...rawBody].map((mediaType) => [
                mediaType,
                {
                  schema: components.input(body, `${capital(id)}Request`),
                  ...(example?.body === undefined ? {} : { example: example.body }),
                },
              ]),
            ),
          },
        }),
    responses: {
      ...answersOf(definition, components),
      ...(isCheckedByEtag(definition) ? { 304: notModified } : {}),
      ...errorResponses(definition),
    },
  }
}

const capital = (id: string): string => id.slice(0, 1).toUpperCase() + id.slice(1)

function parametersOf(definition: OperationDefinition, components: Components) {
  const { params, query, headers } = definition
  return [
    ...(params === undefined ? [] : parametersIn('path', components.inline(params))),
    ...(query === undefined ? [] : parametersIn('query', components.inline(query))),
    ...(headers === undefined ? [] : parametersIn('header', components.inline(headers))),
    ...(isCheckedByEtag(definition) ? [ifNoneMatch] : []),
  ]
}

const ifNoneMatch = {
  name: 'If-None-Match',
  in: 'header',
  required: false,
  description: 'The ETag of an answer that the caller has: the same answer is then 304 without a body',
  schema: { type: 'string' },
}

const checkedHeaders = {
  ETag: { description: 'A strong ETag of this answer', schema: { type: 'string' } },
  'Cache-Control': {
    description: '`private, no-cache`: it may be kept for its caller, and is checked by its ETag before each use',
    schema: { type: 'string' },
  },
}

const parametersIn = (place: 'path' | 'query' | 'header', { properties = {}, required = [] }: JsonSchema) =>
  Object.entries(properties).map(([name, { description, ...schema }]) => ({
    name,
    in: place,
    required: place === 'path' || required.includes(name),
    ...(description === undefined ? {} : { description }),
    schema,
  }))

const notModified = { description: 'Not modified: the answer is the one of the given ETag' }

const statusTexts: Readonly<Record<number, string>> = { 200: 'OK', 201: 'Created', 202: 'Accepted', 204: 'No content' }

function answersOf(definition: OperationDefinition, components: Components) {
  const { id, responses, contentType = 'application/json', example } = definition
  const entries = Object.entries(responses)
  const distinct = new Set(Object.values(responses)).size
  return Object.fromEntries(
    entries.map(([status, schema]) => {
      const description = statusTexts[Number(status)] ?? 'Answer'
      if (schema === null) return [status, { description }]
      const name = `${capital(id)}Response${distinct > 1 ? status : ''}`
      const shown = example?.response !== undefined && exampleStatus(definition) === Number(status)
      const content = {
        schema: components.output(schema, name),
        ...(shown ? { example: example.response } : {}),
      }
      const headers = isCheckedByEtag(definition) ? { headers: checkedHeaders } : {}
      return [status, { description, ...headers, content: { [contentType.split(';')[0] ?? contentType]: content } }]
    }),
  )
}

/** The problems of an operation by status; the description names each problem type. */
function errorResponses(definition: OperationDefinition) {
  const byStatus = new Map<number, ProblemName[]>()
  for (const name of errorsOf(definition)) {
    const { status } = problems[name]
    byStatus.set(status, [...(byStatus.get(status) ?? []), name])
  }
  return Object.fromEntries(
    [...byStatus].map(([status, names]) => [
      String(status),
      {
        description: names.map((name) => `${problems[name].title} (\`${name}\`)`).join('; '),
        ...(status === 429 || status === 503 ? { headers: { 'Retry-After': retryAfter } } : {}),
        content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
      },
    ]),
  )
}

const retryAfter = { description: 'Seconds to wait', schema: { type: 'integer' } }

const problemSchema = {
  type: 'object',
  description: 'A problem (RFC 9457)',
  required: ['type', 'title', 'status', 'detail', 'requestId'],
  properties: {
    type: { type: 'string', enum: Object.keys(problems).map((name) => `/docs/errors#${name}`) },
    title: { type: 'string' },
    status: { type: 'integer' },
    detail: { type: 'string', description: 'Names the field, the rule and the fix' },
    requestId: { type: 'string', description: 'The id of the request, as in the header X-Request-Id and in log lines' },
    retryAfterMs: { type: 'integer' },
    'violated-policies': {
      type: 'array',
      items: { type: 'string' },
      description: 'The rate limit policies that refused',
    },
    dependency: { type: 'string', description: 'The outside service that does not answer, by its name in /readyz' },
  },
}
