import { z } from 'zod'
import { callFacade } from '../../../../durable-objects/open-facade.ts'
import type { FacadeFigures } from '../../../../durable-objects/contracts.ts'
import { badUpstream } from '../../../adapters/upstream.ts'
import type { Env } from '../../../env.ts'
import { badRoute } from '../../../facade/rollout.ts'
import { systemClock } from '../../../kernel/clock.ts'
import {
  facadeDifferencePage,
  facadeKill,
  facadePageQuery,
  facadeResume,
  facadeRouteName,
  facadeRoutePage,
  facadeRoutesQuery,
  facadeRouteView,
  facadeVersionPage,
  newFacadeRoute,
  type FacadeDefinition,
} from '../../../protocol/facade-api.ts'
import { defineOperation } from '../../../protocol/operation.ts'
import type { Refusal } from '../../../protocol/errors.ts'
import { forgetRoutes } from '../../facade/routes.ts'
import { operation } from '../../http/operations.ts'
import { accepted, fail } from '../../http/problem.ts'

const tag = 'Facade'
const access = 'server'
const path = '/v1/facade-routes/{name}'
const params = z.object({ name: facadeRouteName })

const exampleDefinition = {
  legacy: { url: 'https://legacy.example.com', timeoutMs: 30_000 },
  new: { url: 'https://shop.example.com', timeoutMs: 30_000 },
  key: { from: 'cookie', name: 'session' },
  allow: [],
  fallback: { on: ['5xx', 'timeout', 'breaker'], unsafe: false, both: false, replayBytes: 65_536 },
  shadow: {
    percent: 10,
    unsafe: false,
    timeoutMs: 5000,
    bodyBytes: 65_536,
    ignore: { headers: [], json: ['/items/*/updatedAt'] },
    values: false,
  },
  rollback: { windowSeconds: 60, minCalls: 50, errorMargin: 2, p95Margin: 50 },
  schedule: { steps: [1, 5, 25, 50, 100], stepSeconds: 3600 },
} as const

const exampleRoute = {
  name: 'shop',
  version: 3,
  state: 'active',
  percent: 5,
  switchesAt: null,
  changedAt: 1_790_000_000_000,
  nextStepAt: 1_790_003_603_000,
  definition: exampleDefinition,
  window: {
    legacy: { calls: 1900, errors: 2, p95Ms: 84.7 },
    new: { calls: 98, errors: 0, p95Ms: 51.8 },
    fallbacks: 0,
    shadows: { same: 188, different: 2, failed: 0, skipped: 0 },
  },
} as const

/** A route as the API shows it. */
function viewOf({ route, nextStepAt, window }: FacadeFigures) {
  const { name, version, state, percent, before, changedAt, definition } = route
  const isSwitched = before === null || before.until <= systemClock.now()
  return {
    name,
    version,
    state,
    percent,
    switchesAt: isSwitched ? null : before.until,
    changedAt,
    nextStepAt,
    definition,
    window,
  }
}

const missing = (name: string) =>
  fail('not-found', `name: there is no route ${name}; PUT /v1/facade-routes/${name} creates it`)

/** Changes a route; all processes know of it within a second of the answer. */
async function change(
  env: Env,
  tenant: string,
  work: (facade: Parameters<Parameters<typeof callFacade>[2]>[0]) => Promise<FacadeFigures | Refusal>,
) {
  const figures = accepted(await callFacade(env, tenant, work))
  await forgetRoutes(env, tenant)
  return { status: 200, body: viewOf(figures) } as const
}

const putFacadeRoute = operation(
  defineOperation({
    id: 'putFacadeRoute',
    method: 'put',
    path,
    tag,
    summary: 'Create a route of the facade, or change it',
    description:
      'Requests to the facade go to `legacy` or to `new`, by a hash of their key that never changes. A new percent comes into force ' +
      'everywhere at the same moment, three seconds later. A route that is killed or rolled back stays so until it is resumed.',
    access,
    params,
    body: newFacadeRoute,
    responses: { 200: facadeRouteView },
    errors: ['conflict'],
    example: {
      body: {
        legacy: { url: 'https://legacy.example.com' },
        new: { url: 'https://shop.example.com' },
        key: { from: 'cookie', name: 'session' },
        percent: 1,
        schedule: {},
      },
      response: exampleRoute,
    },
  }),
  async ({ c, caller: { tenant, keyId }, params: { name }, body: { percent, ...definition } }) => {
    checkRoute(c.env, tenant, definition)
    return await change(c.env, tenant, (facade) => facade.put(name, definition, percent, keyId))
  },
)

/** Refuses what can be known to be wrong before a request comes. */
function checkRoute(env: Env, tenant: string, definition: FacadeDefinition): void {
  const bad = badRoute(definition)
  if (bad !== undefined) fail('invalid-request', bad)
  for (const side of ['legacy', 'new'] as const) {
    const badAddress = badUpstream(env, tenant, definition[side].url)
    if (badAddress !== undefined) fail('invalid-request', `${side}.${badAddress}`)
  }
}

const listFacadeRoutes = operation(
  defineOperation({
    id: 'listFacadeRoutes',
    method: 'get',
    path: '/v1/facade-routes',
    tag,
    summary: 'List the routes of your facade',
    access,
    query: facadeRoutesQuery,
    responses: { 200: facadeRoutePage },
    example: {
      response: { routes: [{ name: 'shop', version: 3, state: 'active', percent: 5 }], next: null },
    },
  }),
  async ({ c, caller: { tenant }, query: { after = '', limit } }) => {
    const found = await callFacade(c.env, tenant, (facade) => facade.list(after, limit + 1))
    const routes = found.slice(0, limit).map(({ name, version, state, percent }) => ({ name, version, state, percent }))
    return { status: 200, body: { routes, next: found.length > limit ? (routes.at(-1)?.name ?? null) : null } }
  },
)

const readFacadeRoute = operation(
  defineOperation({
    id: 'readFacadeRoute',
    method: 'get',
    path,
    tag,
    summary: 'Read a route: its definition, its share and what both sides did lately',
    access,
    params,
    responses: { 200: facadeRouteView },
    example: { response: exampleRoute },
  }),
  async ({ c, caller: { tenant }, params: { name } }) => {
    const figures = await callFacade(c.env, tenant, (facade) => facade.find(name))
    return figures === undefined ? missing(name) : { status: 200, body: viewOf(figures) }
  },
)

const deleteFacadeRoute = operation(
  defineOperation({
    id: 'deleteFacadeRoute',
    method: 'delete',
    path,
    tag,
    summary: 'Delete a route with its versions and reports; requests for it are then answered 404',
    access,
    params,
    responses: { 204: null },
  }),
  async ({ c, caller: { tenant }, params: { name } }) => {
    const found = await callFacade(c.env, tenant, (facade) => facade.remove(name))
    if (!found) return missing(name)
    await forgetRoutes(c.env, tenant)
    return { status: 204 }
  },
)

const killFacadeRoute = operation(
  defineOperation({
    id: 'killFacadeRoute',
    method: 'post',
    path: '/v1/facade-routes/{name}/kill',
    tag,
    summary: 'Send everything to legacy, everywhere within a second',
    access,
    params,
    body: facadeKill,
    responses: { 200: facadeRouteView },
    example: { body: { reason: 'orders are missing' }, response: { ...exampleRoute, version: 4, state: 'killed' } },
  }),
  async ({ c, caller: { tenant, keyId }, params: { name }, body: { reason } }) =>
    await change(c.env, tenant, (facade) => facade.kill(name, reason, keyId)),
)

const resumeFacadeRoute = operation(
  defineOperation({
    id: 'resumeFacadeRoute',
    method: 'post',
    path: '/v1/facade-routes/{name}/resume',
    tag,
    summary: 'Use a route again that was killed or rolled back',
    access,
    params,
    body: facadeResume,
    responses: { 200: facadeRouteView },
    example: { body: { reason: 'mended in 1.4.2', percent: 1 }, response: { ...exampleRoute, version: 5, percent: 1 } },
  }),
  async ({ c, caller: { tenant, keyId }, params: { name }, body: { reason, percent } }) =>
    await change(c.env, tenant, (facade) => facade.resume(name, percent, reason, keyId)),
)

const listFacadeVersions = operation(
  defineOperation({
    id: 'listFacadeVersions',
    method: 'get',
    path: '/v1/facade-routes/{name}/versions',
    tag,
    summary: 'List what changed a route, who and why, the newest first',
    access,
    params,
    query: facadePageQuery,
    responses: { 200: facadeVersionPage },
    example: {
      response: {
        versions: [
          {
            version: 3,
            at: 1_790_000_000_000,
            action: 'step',
            by: 'schedule',
            reason: null,
            state: 'active',
            percent: 5,
            definition: exampleDefinition,
          },
        ],
        next: null,
      },
    },
  }),
  async ({ c, caller: { tenant }, params: { name }, query: { before = Number.MAX_SAFE_INTEGER, limit } }) => {
    const found = await callFacade(c.env, tenant, (facade) => facade.versions(name, before, limit + 1))
    if (found === undefined) return missing(name)
    const versions = found.slice(0, limit)
    return { status: 200, body: { versions, next: found.length > limit ? (versions.at(-1)?.version ?? null) : null } }
  },
)

const listFacadeDifferences = operation(
  defineOperation({
    id: 'listFacadeDifferences',
    method: 'get',
    path: '/v1/facade-routes/{name}/differences',
    tag,
    summary: 'List shadowed requests whose answers differ, the newest first',
    access,
    params,
    query: facadePageQuery,
    responses: { 200: facadeDifferencePage },
    example: {
      response: {
        differences: [
          {
            id: 7,
            at: 1_790_000_000_000,
            version: 3,
            method: 'GET',
            path: '/carts/17',
            answered: 'legacy',
            partial: false,
            differences: [{ at: '/items/0/price', change: 'changed' }],
            more: 0,
          },
        ],
        next: null,
      },
    },
  }),
  async ({ c, caller: { tenant }, params: { name }, query: { before = Number.MAX_SAFE_INTEGER, limit } }) => {
    const found = await callFacade(c.env, tenant, (facade) => facade.differences(name, before, limit + 1))
    if (found === undefined) return missing(name)
    const differences = found.slice(0, limit)
    return { status: 200, body: { differences, next: found.length > limit ? (differences.at(-1)?.id ?? null) : null } }
  },
)

/** Routes of the facade, what changed them, and where its two sides differ. */
export const facadeRoutes = [
  putFacadeRoute,
  listFacadeRoutes,
  readFacadeRoute,
  deleteFacadeRoute,
  killFacadeRoute,
  resumeFacadeRoute,
  listFacadeVersions,
  listFacadeDifferences,
]
