import { z } from 'zod'
import { tenantOf } from '../../../../durable-objects/address.ts'
import { systemClock } from '../../../kernel/clock.ts'
import { randomToken } from '../../../kernel/id.ts'
import { defineOperation } from '../../../protocol/operation.ts'
import type { GivenPublicKey } from '../../../protocol/public-keys.ts'
import {
  newSigningKey,
  rotation,
  signingKeyId,
  signingKeyList,
  signingKeyRequest,
} from '../../../protocol/signing-keys-api.ts'
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
const examplePublicKey = {
  kty: 'OKP',
  crv: 'Ed25519',
  x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo',
}
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
    description:
      'Without a body: HS256, with a secret that is shown once. With a public key (JWK): ES256, EdDSA or RS256; its private part ' +
      'stays with you. The `kid` of the tokens is the id. A tenant has at most ten keys.',
    access,
    body: signingKeyRequest,
    optionalBody: true,
    isSecret: true,
    responses: { 201: newSigningKey },
    errors: ['conflict'],
    example: { body: { publicKey: examplePublicKey, id: 'backend-1' }, response: exampleSecret },
  }),
  async ({ c, caller: { tenant }, body }) => {
    const key = newKey(systemClock.now(), body)
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
    description:
      'The old key still verifies for `overlapSeconds`, a day unless given. A key with a secret follows, which is shown once, or the given public key.',
    access,
    params,
    body: rotation,
    optionalBody: true,
    isSecret: true,
    responses: { 201: newSigningKey },
    errors: ['conflict'],
    example: { body: { overlapSeconds: 3600 }, response: exampleSecret },
  }),
  async ({ c, caller: { tenant }, params: { key: id }, body: { overlapSeconds, ...wanted } }) => {
    const key = newKey(systemClock.now(), wanted)
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
    description: 'Tokens that it signed are refused within a second.',
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

async function made(c: AppContext, tenant: string, key: TokenKey) {
  await forgetTenant(c.env, tenant)
  const { id, algorithm, at } = key
  return { status: 201, body: { id, algorithm, ...('secret' in key ? { secret: key.secret } : {}), at } } as const
}

interface WantedKey {
  readonly publicKey?: GivenPublicKey | undefined
  readonly id?: string | undefined
}

/** The given public key, or a secret of 258 random bits, as text: its characters are the key's bytes. */
function newKey(now: number, { publicKey, id }: WantedKey): TokenKey {
  if (publicKey === undefined) return { id: id ?? randomToken(8), secret: randomToken(43), algorithm: 'HS256', at: now }
  const { key, algorithm, kid } = publicKey
  const named = signingKeyId.safeParse(id ?? kid)
  return { id: named.success ? named.data : randomToken(8), publicKey: key, algorithm, at: now }
}

/** `issues`: POST /v1/tokens signs with it. `until`: it verifies no longer than that, since it was rotated. */
const view = ({ id, algorithm, at, until }: TokenKey, issues: boolean) => ({ id, algorithm, at, until, issues })
