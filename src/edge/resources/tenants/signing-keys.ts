import { z } from 'zod'
import { tenantOf } from '../../../../durable-objects/address.ts'
import { systemClock } from '../../../kernel/clock.ts'
import { randomToken } from '../../../kernel/id.ts'
import { defineOperation } from '../../../protocol/operation.ts'
import { newSigningKey, rotation, signingKeyId, signingKeyList } from '../../../protocol/signing-keys-api.ts'
import type { TokenKey } from '../../../tenants/record.ts'
import { issuingKey } from '../../../tenants/signing-keys.ts'
import type { AppContext } from '../../http/context.ts'
import { operation } from '../../http/operations.ts'
import { accepted } from '../../http/problem.ts'
import { forgetTenant } from '../../identity/tenants.ts'

const tag = 'Tokens'
const access = 'server'
const params = z.object({ key: signingKeyId })
const exampleKey = { id: 'k7Qm2xZp', algorithm: 'HS256', at: 1_790_000_000_000 } as const
const exampleSecret = { ...exampleKey, secret: '3v9Xq7rT1mB5nK8wY2cF6hJ0pL4sD7gAeR9uZ1xV5tQ' }

const listSigningKeys = operation(
  defineOperation({
    id: 'listSigningKeys',
    method: 'get',
    path: '/v1/signing-keys',
    tag,
    summary: 'List the keys that sign or verify tokens, without their secrets',
    access,
    responses: { 200: signingKeyList },
    example: { response: { keys: [{ ...exampleKey, issues: true }] } },
  }),
  async ({ c, caller }) => {
    const keys = await tenantOf(c.env, caller.tenant).signingKeys()
    const issuing = issuingKey(keys)
    return { status: 200, body: { keys: keys.map((key) => view(key, key === issuing)) } }
  },
)

const createSigningKey = operation(
  defineOperation({
    id: 'createSigningKey',
    method: 'post',
    path: '/v1/signing-keys',
    tag,
    summary: 'Create a key with which your server signs tokens itself',
    description: 'HS256; the `kid` of the tokens is the id. A tenant has at most ten keys. The secret is shown once.',
    access,
    isSecret: true,
    responses: { 201: newSigningKey },
    errors: ['conflict'],
    example: { response: exampleSecret },
  }),
  async ({ c, caller: { tenant } }) => {
    const key = newKey(systemClock.now())
    accepted(await tenantOf(c.env, tenant).addSigningKey(key))
    return await made(c, tenant, key)
  },
)

const rotateSigningKey = operation(
  defineOperation({
    id: 'rotateSigningKey',
    method: 'post',
    path: '/v1/signing-keys/{key}/rotate',
    tag,
    summary: 'Replace a key',
    description: 'The old key still verifies for `overlapSeconds`, a day unless given. The secret is shown once.',
    access,
    params,
    body: rotation,
    optionalBody: true,
    isSecret: true,
    responses: { 201: newSigningKey },
    errors: ['conflict'],
    example: { body: { overlapSeconds: 3600 }, response: exampleSecret },
  }),
  async ({ c, caller: { tenant }, params: { key: id }, body: { overlapSeconds } }) => {
    const key = newKey(systemClock.now())
    accepted(await tenantOf(c.env, tenant).rotateSigningKey(id, key, overlapSeconds * 1000))
    return await made(c, tenant, key)
  },
)

const revokeSigningKey = operation(
  defineOperation({
    id: 'revokeSigningKey',
    method: 'delete',
    path: '/v1/signing-keys/{key}',
    tag,
    summary: 'Revoke a key',
    description: 'Tokens that it signed are refused within ten seconds.',
    access,
    params,
    responses: { 204: null },
    errors: ['conflict'],
  }),
  async ({ c, caller: { tenant }, params: { key } }) => {
    accepted(await tenantOf(c.env, tenant).revokeSigningKey(key))
    await forgetTenant(c.env, tenant)
    return { status: 204 }
  },
)

/** Keys with which a tenant's own server signs tokens. A secret is shown once, in the answer that makes it. */
export const signingKeys = [listSigningKeys, createSigningKey, rotateSigningKey, revokeSigningKey]

async function made(c: AppContext, tenant: string, { id, algorithm, at, secret }: TokenKey) {
  await forgetTenant(c.env, tenant)
  return { status: 201, body: { id, algorithm, secret, at } } as const
}

/** 258 random bits, as text: its characters are the key's bytes. */
const newKey = (now: number): TokenKey => ({ id: randomToken(8), secret: randomToken(43), algorithm: 'HS256', at: now })

/** `issues`: POST /v1/tokens signs with it. `until`: it verifies no longer than that, since it was rotated. */
const view = ({ id, algorithm, at, until }: TokenKey, issues: boolean) => ({ id, algorithm, at, until, issues })
