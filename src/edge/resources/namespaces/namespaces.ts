import { z } from 'zod'
import { tenantOf } from '../../../../durable-objects/address.ts'
import { namedNamespace, namespaceName, newNamespace, type Namespace } from '../../../protocol/namespaces-api.ts'
import { defineOperation } from '../../../protocol/operation.ts'
import { operation } from '../../http/operations.ts'
import { accepted, fail } from '../../http/problem.ts'
import { forgetTenant } from '../../identity/tenants.ts'

const tag = 'Topics'
const access = 'server'
const path = '/v1/namespaces/{name}'
const params = z.object({ name: namespaceName })
const exampleNamespace = {
  name: 'orders',
  historySize: 100,
  historyTtlSeconds: 300,
  recovery: true,
  presence: false,
  joinLeave: false,
  forcePushJoinLeave: false,
  allow: { subscribe: 'users', publish: 'capability', history: 'subscribers', presence: 'subscribers' },
} as const

const listNamespaces = operation(
  defineOperation({
    id: 'listNamespaces',
    method: 'get',
    path: '/v1/namespaces',
    tag,
    summary: 'List your namespaces',
    access,
    responses: { 200: z.object({ namespaces: z.array(namedNamespace) }) },
    example: { response: { namespaces: [exampleNamespace] } },
  }),
  async ({ c, caller }) => {
    const all = (await tenantOf(c.env, caller.tenant).record())?.namespaces ?? {}
    return { status: 200, body: { namespaces: Object.entries(all).map(([name, namespace]) => view(name, namespace)) } }
  },
)

const readNamespace = operation(
  defineOperation({
    id: 'readNamespace',
    method: 'get',
    path,
    tag,
    summary: 'Read a namespace',
    access,
    params,
    responses: { 200: namedNamespace },
    example: { response: exampleNamespace },
  }),
  async ({ c, caller, params: { name } }) => {
    const all = (await tenantOf(c.env, caller.tenant).record())?.namespaces ?? {}
    const namespace = Object.hasOwn(all, name) ? all[name] : undefined
    return namespace === undefined ? missing(name) : { status: 200, body: view(name, namespace) }
  },
)

const putNamespace = operation(
  defineOperation({
    id: 'putNamespace',
    method: 'put',
    path,
    tag,
    summary: 'Create or change a namespace',
    description: 'Says what its topics keep and who may use them; takes effect within a second.',
    access,
    params,
    body: newNamespace,
    responses: { 200: namedNamespace },
    errors: ['conflict'],
    example: { body: { historySize: 100, allow: { subscribe: 'users' } }, response: exampleNamespace },
  }),
  async ({ c, caller: { tenant }, params: { name }, body: namespace }) => {
    accepted(await tenantOf(c.env, tenant).setNamespace(name, namespace))
    await forgetTenant(c.env, tenant)
    return { status: 200, body: view(name, namespace) }
  },
)

const deleteNamespace = operation(
  defineOperation({
    id: 'deleteNamespace',
    method: 'delete',
    path,
    tag,
    summary: 'Delete a namespace; its channels are unknown from then on',
    access,
    params,
    responses: { 204: null },
  }),
  async ({ c, caller: { tenant }, params: { name } }) => {
    const dropped = await tenantOf(c.env, tenant).dropNamespace(name)
    await forgetTenant(c.env, tenant)
    return dropped ? { status: 204 } : missing(name)
  },
)

/** How a tenant's plain topics are kept and who may use them. A change reaches every gateway within a second. */
export const namespaces = [listNamespaces, readNamespace, putNamespace, deleteNamespace]

const view = (name: string, namespace: Namespace) => ({ name, ...namespace })

const missing = (name: string) =>
  fail('not-found', `namespace: there is no namespace "${name}"; PUT /v1/namespaces/${name} makes it`)
