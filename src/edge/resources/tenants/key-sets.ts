import { z } from 'zod'
import { tenantOf } from '../../../../durable-objects/address.ts'
import { fetchKeySet } from '../../../adapters/key-set.ts'
import { systemClock } from '../../../kernel/clock.ts'
import { keySetList, keySetName, keySetView, newKeySet } from '../../../protocol/key-sets-api.ts'
import { defineOperation } from '../../../protocol/operation.ts'
import type { KeySet } from '../../../tenants/key-sets.ts'
import { operation } from '../../http/operations.ts'
import { accepted, fail } from '../../http/problem.ts'
import { forgetTenant } from '../../identity/tenants.ts'

const tag = 'Tokens'
const access = 'server'
const params = z.object({ name: keySetName })
const exampleSet = {
  name: 'login',
  url: 'https://login.example.com/.well-known/jwks.json',
  keys: [{ id: 'k7Qm2xZp', algorithm: 'RS256' as const }],
  fetchedAt: 1_790_000_000_000,
}

const listKeySets = operation(
  defineOperation({
    id: 'listKeySets',
    method: 'get',
    path: '/v1/key-sets',
    tag,
    summary: 'List the addresses where your identity provider publishes keys, and the keys found there',
    access,
    responses: { 200: keySetList },
    example: { response: { keySets: [exampleSet] } },
  }),
  async ({ c, caller }) => ({
    status: 200,
    body: { keySets: (await tenantOf(c.env, caller.tenant).keySets()).map(view) },
  }),
)

const putKeySet = operation(
  defineOperation({
    id: 'putKeySet',
    method: 'put',
    path: '/v1/key-sets/{name}',
    tag,
    summary: 'Accept tokens signed with the keys of a JSON Web Key Set',
    description:
      'The address is fetched at once, and again while it is used: every 15 minutes, and when a token names a key that is not known. ' +
      'While it cannot be fetched its keys verify for a day. Tokens need your tenant’s id as `tid`.',
    access,
    params,
    body: newKeySet,
    responses: { 200: keySetView },
    errors: ['conflict'],
    example: { body: { url: exampleSet.url }, response: exampleSet },
  }),
  async ({ c, caller: { tenant }, params: { name }, body: { url } }) => {
    const fetched = await fetchKeySet(c.env, tenant, url)
    if (fetched.kind === 'failed')
      return fail('invalid-request', fetched.reason.startsWith('url:') ? fetched.reason : `url: ${fetched.reason}`)
    const now = systemClock.now()
    const set = { name, url, keys: [...fetched.keys], fetchedAt: now, triedAt: now }
    accepted(await tenantOf(c.env, tenant).putKeySet(set))
    await forgetTenant(c.env, tenant)
    return { status: 200, body: view(set) }
  },
)

const deleteKeySet = operation(
  defineOperation({
    id: 'deleteKeySet',
    method: 'delete',
    path: '/v1/key-sets/{name}',
    tag,
    summary: 'Accept tokens of a key set no longer',
    description: 'Its tokens are refused within a second.',
    access,
    params,
    responses: { 204: null },
  }),
  async ({ c, caller: { tenant }, params: { name } }) => {
    if (!(await tenantOf(c.env, tenant).dropKeySet(name))) return fail('not-found', `name: there is no key set ${name}`)
    await forgetTenant(c.env, tenant)
    return { status: 204 }
  },
)

/** Addresses where a tenant's identity provider publishes the keys of its tokens. */
export const keySets = [listKeySets, putKeySet, deleteKeySet]

const view = ({ name, url, keys, fetchedAt, failure }: KeySet) => ({
  name,
  url,
  keys: keys.map(({ id, algorithm }) => ({ id, algorithm })),
  fetchedAt,
  ...(failure === undefined ? {} : { failure }),
})
