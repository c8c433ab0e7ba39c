import { inject, test } from 'vitest'
import { checkDigests } from './digest-model.ts'
import { seeded } from './zones.ts'

test('digests lose, double and reorder nothing on thousands of days', () => {
  const first = inject('seed')
  for (let seed = first; seed < first + 3000; seed++)
    try {
      checkDigests(seeded(seed), 40)
    } catch (thrown) {
      throw new Error(`seed ${seed}`, { cause: thrown })
    }
})
