import { describe, expect, test } from 'vitest'
import { TenantCache, type Admission } from '../../src/tenants/cache.ts'

// Answers about a tenant that overtake one another.

/** A cache whose questions are answered by hand, in any order. */
function story() {
  const asked: ReturnType<typeof Promise.withResolvers<Admission | undefined>>[] = []
  const cache = new TenantCache(() => {
    const question = Promise.withResolvers<Admission | undefined>()
    asked.push(question)
    return question.promise
  })
  /** Asks, as after a change. */
  const ask = () => {
    cache.forget('acme')
    void cache.get('acme', 0).catch(() => undefined)
  }
  const answer = async (nth: number, admission: Admission | undefined) => {
    asked[nth]?.resolve(admission)
    await asked[nth]?.promise
  }
  const fail = async (nth: number) => {
    asked[nth]?.reject(new Error('away'))
    await asked[nth]?.promise.catch(() => undefined)
  }
  return { cache, asked, ask, answer, fail }
}

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what it says does not matter here
const saying = (name: string) => ({ record: { name } }) as Admission
const [before, after] = [saying('before'), saying('after')]

describe('an answer that is overtaken by a newer one', () => {
  test.each([
    ['a tenant', before],
    ['none', undefined],
  ])('changes nothing: %s', async (_, late) => {
    const { cache, ask, answer } = story()
    for (let n = 0; n < 2; n++) ask()
    await answer(1, after)
    await answer(0, late)
    expect(cache.last('acme')).toBe(after)
    expect(cache.fresh('acme', 1)).toBe(after)
  })

  test('by failing changes nothing either, and no caller asks again', async () => {
    const { cache, asked, ask, answer, fail } = story()
    for (let n = 0; n < 2; n++) ask()
    await answer(1, after)
    await fail(0)
    expect(cache.fresh('acme', 1)).toBe(after)
    expect(await cache.get('acme', 1)).toBe(after)
    expect(asked).toHaveLength(2)
  })

  test('is all there is while the newer one is on its way, and not believed longer than that', async () => {
    const { cache, ask, answer } = story()
    for (let n = 0; n < 2; n++) ask()
    await answer(0, before)
    expect(cache.last('acme')).toBe(before)
    expect(cache.fresh('acme', 1)).toBeUndefined()
    await answer(1, after)
    expect(cache.last('acme')).toBe(after)
  })
})

describe('a question asked anew', () => {
  test('is asked after the one under way, once for all that wait for it', async () => {
    const { cache, asked, answer } = story()
    void cache.get('acme', 0)
    const [one, other] = [cache.anew('acme', 0), cache.anew('acme', 0)]
    expect(asked).toHaveLength(1)
    await answer(0, before)
    await Promise.resolve()
    expect(asked).toHaveLength(2)
    await answer(1, after)
    expect(await Promise.all([one, other])).toEqual([after, after])
    expect(asked).toHaveLength(2)
  })
})

describe('the present state of a tenant, for decisions about credentials', () => {
  /** A cache, and the invalidations that its process knows. */
  function process() {
    const names = ['first', 'second', 'third']
    const invalidated: string[] = []
    const known = { isReachable: true }
    const cache = new TenantCache(async () => saying(names.shift() ?? ''), {
      refresh: async () => known.isReachable,
      mark: () => ({ log: 'l', seq: invalidated.length }),
      isInvalidated: (mark, tag) => invalidated.slice(mark?.seq).includes(tag),
    })
    const name = async (now: number) => (await cache.current('acme', now))?.record.name
    return { name, invalidated, known }
  }

  test('is asked for again once it was invalidated, and not before', async () => {
    const { name, invalidated } = process()
    expect([await name(0), await name(5000)]).toEqual(['first', 'first'])
    invalidated.push('tenant:other')
    expect(await name(6000)).toBe('first')
    invalidated.push('tenant:acme')
    expect([await name(6001), await name(6002)]).toEqual(['second', 'second'])
  })

  test('is asked for once a second while invalidations cannot be known', async () => {
    const { name, known } = process()
    known.isReachable = false
    expect([await name(0), await name(999), await name(1000)]).toEqual(['first', 'first', 'second'])
  })
})

describe('a tenant that changed', () => {
  test('is not what it was before to any caller, also where the old answer arrives after the change', async () => {
    const { cache, answer } = story()
    void cache.get('acme', 0)
    await answer(0, before)
    expect(cache.lately('acme', 1)).toBe(before.record)
    cache.forget('acme')
    // The first use asks; until the answer is here nothing is known.
    expect(cache.lately('acme', 3_600_000)).toBeUndefined()
    cache.forget('acme')
    await answer(1, before)
    expect(cache.lately('acme', 3_600_001)).toBeUndefined()
    await answer(2, after)
    expect(cache.lately('acme', 3_600_002)).toBe(after.record)
  })

  test('is asked for again by its next use when every tenant may have changed', async () => {
    const { cache, asked, answer } = story()
    void cache.get('acme', 0)
    await answer(0, before)
    cache.forgetAll()
    expect(cache.fresh('acme', 1)).toBeUndefined()
    expect(cache.lately('acme', 1)).toBeUndefined()
    await answer(1, after)
    expect(cache.lately('acme', 2)).toBe(after.record)
    expect(asked).toHaveLength(2)
  })

  test('is used meanwhile when it is only asked for once more', async () => {
    const { cache, answer } = story()
    void cache.get('acme', 0)
    await answer(0, before)
    void cache.anew('acme', 1)
    expect(cache.lately('acme', 1)).toBe(before.record)
  })
})

test('a tenant is asked for again at once when the clock was set back by more than a second', async () => {
  const { cache, asked, answer } = story()
  void cache.get('acme', 100_000)
  await answer(0, before)
  expect(cache.fresh('acme', 99_500)).toBe(before)
  expect(cache.fresh('acme', 30_000)).toBeUndefined()
  void cache.get('acme', 30_000)
  await answer(1, after)
  expect(asked).toHaveLength(2)
  expect(cache.fresh('acme', 30_000)).toBe(after)
})
