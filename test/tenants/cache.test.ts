import { expect, test } from 'vitest'
import { TenantCache } from '../../src/tenants/cache.ts'

test('names that tokens make up are forgotten again, however many there are', async () => {
  const asked: string[] = []
  const cache = new TenantCache(async (tenant) => void asked.push(tenant))
  await cache.get('first', 0)
  await cache.get('first', 0)
  for (let n = 0; n < 10_000; n++) await cache.get(`made-up-${n}`, 0)
  await cache.get('first', 0)
  expect(asked.filter((tenant) => tenant === 'first')).toHaveLength(2)
})
