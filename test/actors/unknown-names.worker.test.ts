import { env } from 'cloudflare:workers'
import { listDurableObjectIds } from 'cloudflare:test'
import { beforeAll, expect, test } from 'vitest'
import { newApiKey } from '../../src/auth/api-key.ts'
import { eventually } from '../support/worker/bounded.ts'
import { call } from '../support/worker/http.ts'

// Names that nothing stands for wake no actor: one that was woken once leaves a file behind.

beforeAll(async () => {
  // The tenants of earlier versions are read with the first question.
  await eventually('the directory is read', async () => {
    const standing = await env.PLATFORM.getByName('house').standingOfTenant('nobody')
    return standing === 'unknown' ? true : undefined
  })
})

const madeOf = async (namespace: DurableObjectNamespace, names: readonly string[]) => {
  const ids = new Set((await listDurableObjectIds(namespace)).map(String))
  return names.filter((name) => ids.has(String(namespace.idFromName(name))))
}

test('keys and tokens that name invented tenants make no tenant', async () => {
  const names = Array.from({ length: 10 }, (_, n) => `invented-${n}-${crypto.randomUUID().slice(0, 8)}`)
  for (const name of names) {
    expect((await call('GET /v1/conversations', { as: newApiKey(name) })).status).toBe(401)
    const claims = btoa(JSON.stringify({ sub: 'alice', tenant: name, iss: name, aud: name }))
    expect((await call('GET /v1/conversations', { as: `eyJhbGciOiJIUzI1NiJ9.${claims}.x` })).status).toBe(401)
  }
  expect(await madeOf(env.TENANT, names)).toEqual([])
})
