import { createHash } from 'node:crypto'
import { Ratelimit } from '@upstash/ratelimit'
import { describe, expect, test } from 'vitest'
import type { Here } from './upstash.contract.ts'

/** Scripts, and the rate limiter that is made of them. */
export function scriptsContract(here: Here): void {
  describe('scripts', () => {
    test('a script is loaded, found by its name, and forgotten', async () => {
      const script = here.redis.createScript<[string, number]>('return {ARGV[1], #KEYS}')
      expect(await script.exec(['a', 'b'], ['é😀'])).toEqual(['é😀', 2])
      const sha = await here.redis.scriptLoad('return 1')
      expect(await here.redis.scriptExists(sha, 'f'.repeat(40))).toEqual([1, 0])
      expect(await here.redis.evalsha(sha, [], [])).toBe(1)
      await here.redis.scriptFlush()
      await expect(here.redis.evalsha(sha, [], [])).rejects.toThrow('NOSCRIPT No matching script. Please use EVAL.')
    })

    test('a script that asks for key locking runs, under the name of the text that was sent', async () => {
      const source = "#!lua flags=allow-key-locking\nreturn redis.call('INCR', KEYS[1])"
      await here.redis.scriptFlush()
      const sha = await here.redis.scriptLoad(source)
      expect(sha).toBe(createHash('sha1').update(source).digest('hex'))
      expect(await here.redis.scriptExists(sha)).toEqual([1])
      expect(await here.redis.evalsha(sha, ['n'], [])).toBe(1)
      expect(await here.redis.eval(source, ['n'], [])).toBe(2)
    })

    test('a script sees bytes, not characters', async () => {
      await here.redis.set('k', 'é😀')
      expect(await here.redis.eval("return #redis.call('GET', KEYS[1])", ['k'], [])).toBe(6)
    })

    // Windows of a day: they follow the clock, and the calls would sooner be on both sides of a shorter one's end.
    test('a sliding window lets through what it promises', async () => {
      const limiter = new Ratelimit({
        redis: here.redis,
        limiter: Ratelimit.slidingWindow(3, '1 d'),
        ephemeralCache: false,
      })
      const outcomes = []
      for (let call = 0; call < 4; call += 1) outcomes.push(await limiter.limit('someone'))
      expect(outcomes.map(({ success }) => success)).toEqual([true, true, true, false])
      expect((await limiter.limit('someone else')).remaining).toBe(2)
    })

    test('a token bucket and a fixed window let through what they promise', async () => {
      for (const limiter of [Ratelimit.tokenBucket(1, '1 d', 2), Ratelimit.fixedWindow(2, '1 d')]) {
        const limit = new Ratelimit({ redis: here.redis, limiter, ephemeralCache: false, prefix: crypto.randomUUID() })
        const outcomes = [await limit.limit('x'), await limit.limit('x'), await limit.limit('x')]
        expect(outcomes.map(({ success }) => success)).toEqual([true, true, false])
        await limit.resetUsedTokens('x')
        expect((await limit.limit('x')).success).toBe(true)
      }
    })
  })
}
