import { expect, test } from 'vitest'
import { findKey, hashApiKey, newApiKey, tenantOfKey } from '../../src/auth/api-key.ts'

test('a key names its tenant, is never made twice, and is kept only as a hash', async () => {
  const keys = Array.from({ length: 50 }, () => newApiKey('acme-2'))
  expect(new Set(keys).size).toBe(50)
  for (const key of keys) expect(tenantOfKey(key)).toBe('acme-2')
  expect(await hashApiKey(keys[0] ?? '')).toMatch(/^[0-9a-f]{64}$/)
})

test.each([
  '',
  'demo-key',
  'parley_acme_short',
  `parley_Acme_${'x'.repeat(43)}`,
  `parley__${'x'.repeat(43)}`,
  `parley_acme_${'!'.repeat(43)}`,
])('%s is no key of ours', (text) => expect(tenantOfKey(text)).toBeUndefined())

test('a key is found by its whole hash and nothing less', async () => {
  const known = await Promise.all(['a', 'b'].map(async (id) => ({ id, hash: await hashApiKey(id) })))
  expect(findKey(known, await hashApiKey('b'))).toMatchObject({ id: 'b' })
  expect(findKey(known, await hashApiKey('c'))).toBeUndefined()
  expect(findKey(known, '')).toBeUndefined()
  expect(findKey(known, (await hashApiKey('a')).slice(0, 63))).toBeUndefined()
})
