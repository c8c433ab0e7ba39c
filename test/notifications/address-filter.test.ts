import { expect, test } from 'vitest'
import { AddressFilter, KnownFilters, type StoredFilter } from '../../src/notifications/channels/address-filter.ts'

test('a filter has every address that was added, in either case, and seldom another', () => {
  const filter = AddressFilter.withCapacity(2000)
  const address = (n: number) => `user${n}@example.com`
  for (let n = 0; n < 2000; n++) filter.add(address(n))
  expect(Array.from({ length: 2000 }, (_, n) => n).filter((n) => !filter.mayHave(address(n).toUpperCase()))).toEqual([])
  const wrong = Array.from({ length: 10_000 }, (_, n) => address(n + 2000)).filter((other) => filter.mayHave(other))
  expect(wrong.length).toBeLessThan(300)
  expect(AddressFilter.withCapacity(0).mayHave('ann@example.com')).toBe(false)
  expect(AddressFilter.withCapacity(10_000_000).bits.length).toBe(131_072)
})

test('the catalog is asked once in five seconds for a tenant, and sends a filter only when it is another', async () => {
  const filters = new KnownFilters()
  const asked: (string | undefined)[] = []
  let stored = AddressFilter.withCapacity(0)
  let version = 'a'
  const ask = async (known: string | undefined): Promise<StoredFilter> => {
    asked.push(known)
    return known === version ? { version } : { version, bits: stored.bits }
  }
  const mayHave = (now: number) => filters.mayHave('acme', 'ann@example.com', now, ask)
  expect(await Promise.all([mayHave(0), mayHave(1), mayHave(4999)])).toContain(false)
  asked.length = 0
  expect(await mayHave(4999)).toBe(false)
  expect(asked).toEqual([])

  stored = AddressFilter.withCapacity(1)
  stored.add('Ann@Example.com')
  version = 'b'
  // While one call asks, the others use what is known.
  expect(await Promise.all([mayHave(10_000), mayHave(10_001)])).toEqual([true, false])
  expect(asked).toEqual(['a'])
  expect(await mayHave(16_000)).toBe(true)
  expect(asked).toEqual(['a', 'b'])
})
