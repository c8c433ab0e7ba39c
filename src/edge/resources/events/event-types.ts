import { z } from 'zod'
import { callEventCatalog } from '../../../../durable-objects/open-event-actors.ts'
import type { Env } from '../../../env.ts'
import { CompiledType } from '../../../event-log/types/known-types.ts'
import { parsed, type EventType, type TypeVersion } from '../../../event-log/types/event-type.ts'
import { BoundedMap } from '../../../kernel/bounded-map.ts'
import { systemClock } from '../../../kernel/clock.ts'
import {
  eventType,
  eventTypeList,
  eventTypesQuery,
  eventTypeVersion,
  eventTypeView,
  newTypeVersion,
  typeVersion,
} from '../../../protocol/events-api.ts'
import { defineOperation } from '../../../protocol/operation.ts'
import { operation } from '../../http/operations.ts'
import { fail } from '../../http/problem.ts'

const tag = 'Events'
const access = 'server'

/** How long a type, or its absence, is used from memory. Versions never change, so that only new ones are noticed late. */
const freshMs = 10_000

interface KnownType {
  readonly type: CompiledType | undefined
  readonly at: number
}

const known = new BoundedMap<string, KnownType>(500)

/** A registered type; undefined for one without versions. `version` is asked for again when it is not known here. */
export async function typeOf(
  env: Env,
  tenant: string,
  name: string,
  version: number | undefined,
): Promise<CompiledType | undefined> {
  const key = `${tenant}/${name}`
  const found = known.get(key)
  const now = systemClock.now()
  const isFresh = found !== undefined && now - found.at < freshMs && now >= found.at
  const isKnown = found?.type !== undefined && (version === undefined || version <= found.type.newest)
  if (isFresh && (isKnown || found.type === undefined)) return found.type
  const type = await callEventCatalog(env, tenant, (catalog) => catalog.type(name))
  const compiled = type === undefined ? undefined : compiledOf(found?.type, type)
  known.set(key, { type: compiled, at: now })
  return compiled
}

/** What was compiled before is used on while no version was added. */
const compiledOf = (before: CompiledType | undefined, type: EventType): CompiledType =>
  before?.newest === type.versions.length ? before : new CompiledType(type)

const exampleVersion = {
  version: 1,
  schema: {
    type: 'object',
    properties: { total: { type: 'number' } },
    required: ['total'],
    additionalProperties: false,
  },
  compatibility: 'backward',
  upcast: null,
} as const

const listEventTypes = operation(
  defineOperation({
    id: 'listEventTypes',
    method: 'get',
    path: '/v1/event-types',
    tag,
    summary: 'List your event types by name, a page at a time',
    access,
    query: eventTypesQuery,
    responses: { 200: eventTypeList },
    example: { response: { types: [{ type: 'order.placed', newest: 2 }], next: null } },
  }),
  async ({ c, caller, query: { cursor = '', limit } }) => {
    const types = await callEventCatalog(c.env, caller.tenant, (catalog) => catalog.types(cursor, limit + 1))
    const page = types.slice(0, limit)
    const next = types.length > limit ? (page.at(-1)?.type ?? null) : null
    return { status: 200, body: { types: page, next } }
  },
)

const readEventType = operation(
  defineOperation({
    id: 'readEventType',
    method: 'get',
    path: '/v1/event-types/{type}',
    tag,
    summary: 'Read an event type with all its versions',
    access,
    params: z.object({ type: eventType }),
    responses: { 200: eventTypeView },
    example: { response: { type: 'order.placed', versions: [exampleVersion] } },
  }),
  async ({ c, caller, params: { type: name } }) => {
    const type = await callEventCatalog(c.env, caller.tenant, (catalog) => catalog.type(name))
    return type === undefined
      ? fail('not-found', `type: ${name} has no versions; PUT /v1/event-types/${name}/versions/1 registers the first`)
      : { status: 200, body: { type: name, versions: type.versions.map(view) } }
  },
)

const putEventTypeVersion = operation(
  defineOperation({
    id: 'putEventTypeVersion',
    method: 'put',
    path: '/v1/event-types/{type}/versions/{version}',
    tag,
    summary: 'Register a version of an event type',
    description:
      'Versions are 1, 2, 3 … and never change; the same again is answered with 200. The schema is held against that of the ' +
      'version before as `compatibility` says.',
    access,
    params: z.object({ type: eventType, version: typeVersion }),
    body: newTypeVersion,
    responses: { 201: eventTypeVersion, 200: eventTypeVersion },
    errors: ['conflict'],
    example: { body: { schema: exampleVersion.schema }, response: exampleVersion },
  }),
  async ({ c, caller, params: { type, version }, body: { schema, compatibility, upcast = null } }) => {
    const wanted = { version, schema: JSON.stringify(schema), compatibility, upcast }
    const registered = await callEventCatalog(c.env, caller.tenant, (catalog) => catalog.putVersion(type, wanted))
    if (registered.kind === 'registered')
      return registered.isNew ? { status: 201, body: view(wanted) } : { status: 200, body: view(wanted) }
    return fail(registered.kind === 'bad' ? 'invalid-request' : 'conflict', registered.detail)
  },
)

const view = ({ schema, ...version }: TypeVersion) => ({ ...version, schema: parsed(schema) })

/** Event types of the tenant: schemas by version, and how data of one version becomes data of the next. */
export const eventTypes = [listEventTypes, readEventType, putEventTypeVersion]
