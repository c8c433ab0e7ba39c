import { z } from 'zod'
import { platformOf, tenantOf } from '../../../../durable-objects/address.ts'
import { platformTenant } from '../../../limits/limiter-names.ts'
import { fromDependency, requestDeadlineMs } from '../../../adapters/dependency.ts'
import { connect } from '../../../adapters/neon/connect.ts'
import { shardsNow } from '../../../adapters/neon/shards.ts'
import { pageOfTenants, type ListedTenant } from '../../../adapters/neon/select-tenants.ts'
import { hashApiKey, newApiKey } from '../../../auth/api-key.ts'
import { loadConfig } from '../../../config.ts'
import type { Env } from '../../../env.ts'
import { systemClock } from '../../../kernel/clock.ts'
import { randomToken } from '../../../kernel/id.ts'
import { newTenant, tenantChange, tenantsQuery } from '../../../protocol/api.ts'
import { jurisdictionIn, type Jurisdiction, type RegionHint } from '../../../protocol/places.ts'
import { defineOperation } from '../../../protocol/operation.ts'
import { createdKey, createdTenant, tenantPage, tenantView } from '../../../protocol/operator-api.ts'
import { placeTenant, shardsFor } from '../../../tenants/placement.ts'
import { tenantId, type StoredKey } from '../../../tenants/record.ts'
import { noteRegion } from '../../../tenants/regions.ts'
import { operation } from '../../http/operations.ts'
import { accepted, fail } from '../../http/problem.ts'
import { forgetTenant } from '../../identity/tenants.ts'
import { exampleTenant, noSuchTenant, shown } from './shown.ts'
import { hasJurisdiction } from '../shards/jurisdictions.ts'
import { requirePlan } from '../admin/platform.ts'

const tag = 'Operator'
const access = 'operator'
const path = '/admin/v1/tenants/{id}'
const params = z.object({ id: tenantId })
const listTenants = operation(
  defineOperation({
    id: 'listTenants',
    method: 'get',
    path: '/admin/v1/tenants',
    tag,
    summary: 'List tenants in the order of their ids',
    access,
    query: tenantsQuery,
    responses: { 200: tenantPage },
    example: {
      response: {
        tenants: [{ id: 'acme', name: 'Acme', state: 'active', shard: 'shard0', at: 1_790_000_000_000 }],
        next: null,
      },
    },
  }),
  async ({ c, query: { cursor, limit } }) => {
    const found = await directory(c.env, cursor, limit + 1)
    const page = found.slice(0, limit)
    return { status: 200, body: { tenants: page, next: found.length > limit ? page.at(-1)?.id : null } }
  },
)

const putTenant = operation(
  defineOperation({
    id: 'putTenant',
    method: 'put',
    path,
    tag,
    summary: 'Create or change a tenant',
    description: 'A new tenant is answered with 201 and its first API key, which is shown once.',
    access,
    params,
    body: newTenant,
    isSecret: true,
    responses: { 201: createdTenant, 200: tenantView },
    errors: ['conflict'],
    example: { body: { name: 'Acme' }, response: { ...exampleTenant, apiKey: 'parley_acme_example' } },
  }),
  async ({ c, params: { id }, body: { name, plan, limits = {}, jurisdiction, region } }) => {
    if (id === platformTenant) fail('invalid-request', `id: "${id}" is reserved for the platform`)
    requireJurisdiction(c.env, id, jurisdiction)
    await requirePlan(c.env, plan)
    const { key, stored } = await keyFor(c.env, id)
    const shard = await shardFor(c.env, id, region)
    await platformOf(c.env).noteTenant(id)
    noteRegion(id, region)
    const { record, made } = accepted(
      await tenantOf(c.env, id).provision({ id, name, plan, limits, key: stored, shard, region }),
    )
    await forgetTenant(c.env, id)
    return made ? { status: 201, body: { ...shown(record), apiKey: key } } : { status: 200, body: shown(record) }
  },
)

const readTenant = operation(
  defineOperation({
    id: 'readTenant',
    method: 'get',
    path,
    tag,
    summary: 'Read a tenant',
    access,
    params,
    responses: { 200: tenantView },
    errors: ['gone'],
    example: { response: exampleTenant },
  }),
  async ({ c, params: { id } }) => {
    const record = await tenantOf(c.env, id).record()
    return record === undefined ? await noSuchTenant(c.env, id) : { status: 200, body: shown(record) }
  },
)

const changeTenant = operation(
  defineOperation({
    id: 'changeTenant',
    method: 'patch',
    path,
    tag,
    summary: 'Suspend a tenant, or let it go on',
    access,
    params,
    body: tenantChange,
    responses: { 200: tenantView },
    errors: ['conflict'],
    example: { body: { state: 'suspended' }, response: { ...exampleTenant, state: 'suspended' } },
  }),
  async ({ c, params: { id }, body: { state } }) => {
    const record = accepted(await tenantOf(c.env, id).setState(state))
    await forgetTenant(c.env, id)
    return { status: 200, body: shown(record) }
  },
)

const createKey = operation(
  defineOperation({
    id: 'createApiKey',
    method: 'post',
    path: '/admin/v1/tenants/{id}/keys',
    tag,
    summary: 'Create a further API key of a tenant; it is shown once',
    access,
    params,
    isSecret: true,
    responses: { 201: createdKey },
    errors: ['conflict'],
    example: { response: { id: 'k2', at: 1_790_000_000_000, apiKey: 'parley_acme_example' } },
  }),
  async ({ c, params: { id } }) => {
    const { key, stored } = await makeKey(id)
    accepted(await tenantOf(c.env, id).addKey(stored))
    await forgetTenant(c.env, id)
    return { status: 201, body: { id: stored.id, at: stored.at, apiKey: key } }
  },
)

const revokeKey = operation(
  defineOperation({
    id: 'revokeApiKey',
    method: 'delete',
    path: '/admin/v1/tenants/{id}/keys/{key}',
    tag,
    summary: 'Revoke an API key',
    access,
    params: z.object({ id: tenantId, key: z.string() }),
    responses: { 204: null },
  }),
  async ({ c, params: { id, key } }) => {
    const revoked = await tenantOf(c.env, id).revokeKey(key)
    await forgetTenant(c.env, id)
    return revoked ? { status: 204 } : fail('not-found', 'key: no such key')
  },
)

/** The operator's tenants and their keys. A key is shown once, in the answer that makes it; later only its id and its time. */
export const tenants = [listTenants, putTenant, readTenant, changeTenant, createKey, revokeKey]

/** A jurisdiction is the end of the id, so that it cannot change and every address of an actor contains it. */
function requireJurisdiction(env: Env, id: string, wanted: Jurisdiction | undefined): void {
  const own = jurisdictionIn(id)
  if (wanted !== undefined && wanted !== own)
    fail(
      'invalid-request',
      own === undefined
        ? `jurisdiction: it is set when a tenant is created, as the end of its id: PUT /admin/v1/tenants/${id}.${wanted}`
        : `jurisdiction: "${id}" is in "${own}", and a jurisdiction cannot change`,
    )
  if (own !== undefined && !hasJurisdiction(env, own))
    fail('invalid-request', `id: the jurisdiction "${own}" is not available, since this system runs on workerd alone`)
}

/** The shard that the tenant is placed on if it is new; a tenant that exists needs none. */
async function shardFor(env: Env, id: string, region: RegionHint | undefined): Promise<string | undefined> {
  const wanted = { jurisdiction: jurisdictionIn(id), region }
  const { shards } = await shardsNow(loadConfig(env), platformOf(env))
  const shard = placeTenant(id, shardsFor(wanted, shards))
  if (shard !== undefined || (await tenantOf(env, id).record()) !== undefined) return shard
  const where = wanted.jurisdiction === undefined ? '' : ` of the jurisdiction "${wanted.jurisdiction}"`
  return fail(
    'conflict',
    `shard: there is no active shard${where} for a new tenant; PUT /admin/v1/shards/{name} registers one`,
  )
}

interface NewKey {
  readonly key: string
  readonly stored: StoredKey
}

async function makeKey(tenant: string): Promise<NewKey> {
  const key = newApiKey(tenant)
  return { key, stored: { id: randomToken(8), hash: await hashApiKey(key), at: systemClock.now() } }
}

/** A new tenant's first key; the local tenant's is the public one. */
async function keyFor(env: Env, tenant: string): Promise<NewKey> {
  const { localTenant, localApiKey } = loadConfig(env)
  if (tenant !== localTenant || localApiKey === undefined) return await makeKey(tenant)
  return { key: localApiKey, stored: { id: 'local', hash: await hashApiKey(localApiKey), at: systemClock.now() } }
}

async function directory(env: Env, cursor: string, limit: number): Promise<ListedTenant[]> {
  const config = loadConfig(env)
  return await fromDependency(
    'directory',
    () => pageOfTenants(connect(config, config.directoryUrl, requestDeadlineMs), cursor, limit),
    env.request,
  )
}
