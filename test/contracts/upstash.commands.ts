import { describe, expect, test } from 'vitest'
import type { Here } from './upstash.world.ts'
import { eventually, isAlmost } from './upstash.eventually.ts'

/** Values, conditions, expiry, pipelines and transactions, through the SDK. */
export function commandsContract(here: Here): void {
  describe('values', () => {
    test.each([
      ['text', 'hello'],
      ['unicode', 'é 😀 \u0000 日本'],
      ['the word OK', 'OK'],
      ['an empty string', ''],
      ['JSON', { nested: [1, null, { deep: true }] }],
      ['a number', 42.5],
    ])('%s comes back as it was set', async (_, value) => {
      expect(await here.redis.set('k', value)).toBe('OK')
      expect(await here.redis.get('k')).toEqual(value)
      expect(await here.redis.mget('k', 'missing')).toEqual([value, null])
    })

    test('bytes that are not UTF-8 survive in base64 and are replaced without it', async () => {
      const bytes = Buffer.from([0x00, 0xff, 0xfe, 0x0a, 0x80])
      const headers = { authorization: `Bearer ${here.world.token}` }
      await fetch(`${here.world.url}/set/binary?EX=100`, { method: 'POST', headers, body: bytes })

      const encoded = await here.post('/', ['GET', 'binary'], { 'upstash-encoding': 'base64' })
      expect(await encoded.json()).toEqual({ result: bytes.toString('base64') })
      const plain = await here.post('/', ['GET', 'binary'])
      expect(await plain.json()).toEqual({ result: bytes.toString('utf8') })
      expect(await here.redis.ttl('binary')).toSatisfy(isAlmost(100))
    })

    test('only a status OK standing alone stays plain under base64', async () => {
      const base64 = { 'upstash-encoding': 'base64' }
      const replies = await here.post(
        '/pipeline',
        [
          ['SET', 'k', 'OK'],
          ['GET', 'k'],
          ['TYPE', 'k'],
          ['MGET', 'k', 'none'],
        ],
        base64,
      )
      expect(await replies.json()).toEqual([
        { result: 'OK' },
        { result: btoa('OK') },
        { result: btoa('string') },
        { result: [btoa('OK'), null] },
      ])
    })

    test('the members of a set come back as they were added', async () => {
      expect(await here.redis.sadd<unknown>('set', 'x', { nested: 'é' })).toBe(2)
      expect(await here.redis.smembers('set')).toEqual(expect.arrayContaining(['x', { nested: 'é' }]))
      expect(await here.redis.smismember('set', ['x', 'none'])).toEqual([1, 0])
      expect([await here.redis.spop('set', 5), await here.redis.exists('set')]).toEqual([
        expect.arrayContaining(['x', { nested: 'é' }]),
        0,
      ])
    })

    test('a scan finds every key once while the found ones are being deleted', async () => {
      const keys = Array.from({ length: 100 }, (_, index) => `scan:${index}`)
      await here.redis.mset(Object.fromEntries(keys.map((key) => [key, 1])))
      await here.redis.set('other', 1)
      await here.redis.set('scan:6', 2)
      const found: string[] = []
      let cursor = '0'
      do {
        const [next, page] = await here.redis.scan(cursor, { match: 'scan:*', count: 7 })
        if (page.length > 0) await here.redis.del(...page)
        found.push(...page)
        cursor = next
      } while (cursor !== '0')
      expect(new Set(found)).toEqual(new Set(keys))
      expect(await here.redis.dbsize()).toBe(1)
    })
  })

  describe('conditions and time', () => {
    test('a lock is taken once, and again after it was released', async () => {
      expect(await here.redis.set('lock', 'first', { nx: true, px: 60_000 })).toBe('OK')
      expect(await here.redis.set('lock', 'second', { nx: true, px: 60_000 })).toBeNull()
      expect(await here.redis.getdel('lock')).toBe('first')
      expect(await here.redis.set('lock', 'second', { nx: true, px: 60_000 })).toBe('OK')
    })

    test('SET answers the old value, and keeps or removes the expiry', async () => {
      await here.redis.set('k', 'old', { ex: 100 })
      expect(await here.redis.set('k', 'new', { get: true, keepTtl: true })).toBe('old')
      expect(await here.redis.ttl('k')).toSatisfy(isAlmost(100))
      await here.redis.set('k', 'newer')
      expect(await here.redis.ttl('k')).toBe(-1)
      expect(await here.redis.set('absent', 1, { xx: true })).toBeNull()
    })

    test('a key is gone when its time is over', async () => {
      await here.redis.set('short', 1, { px: 40 })
      expect(await here.redis.pttl('short')).toBeLessThanOrEqual(40)
      await eventually(async () => expect(await here.redis.get('short')).toBeNull())
      expect(await here.redis.ttl('short')).toBe(-2)
    })
  })

  describe('pipelines and transactions', () => {
    test('a failing command of a pipeline leaves the other commands unaffected', async () => {
      const [set, failed, incremented] = await here.redis
        .pipeline()
        .set('text', 'abc')
        .incr('text')
        .incr('n')
        .exec({ keepErrors: true })
      expect(set.result).toBe('OK')
      expect(failed.error).toBe('ERR value is not an integer or out of range')
      expect(incremented.result).toBe(1)
    })

    test('concurrent calls are sent in one pipeline and answered in their order', async () => {
      await here.redis.set('k', 'v')
      expect(
        await Promise.all([here.redis.get('k'), here.redis.incr('n'), here.redis.get('none'), here.redis.incr('n')]),
      ).toEqual(['v', 1, null, 2])
    })

    test('a transaction answers all its replies, failures in their places', async () => {
      const response = await here.post('/multi-exec', [
        ['SET', 'a', 'x'],
        ['INCR', 'a'],
        ['SET', 'b', 'y'],
      ])
      expect(response.status).toBe(200)
      expect(await response.json()).toEqual([
        { result: 'OK' },
        { error: 'ERR value is not an integer or out of range' },
        { result: 'OK' },
      ])
    })

    test('a transaction with an impossible command does nothing at all', async () => {
      const discarded = { error: 'EXECABORT Transaction discarded because of previous errors.' }
      for (const impossible of [['NONSENSE'], ['GET'], ['GET', 'a', 'b']]) {
        const response = await here.post('/multi-exec', [['SET', 'a', 'x'], impossible])
        expect(response.status).toBe(400)
        expect(await response.json()).toEqual(discarded)
      }
      expect(await here.redis.exists('a')).toBe(0)
    })

    test('no other command runs between the commands of a transaction', async () => {
      const transfer = () =>
        here.redis.multi().decr('from').incr('to').mget('from', 'to').exec<[number, number, number[]]>()
      const results = await Promise.all(Array.from({ length: 30 }, transfer))
      for (const [from, to, seen] of results) {
        expect(from + to).toBe(0)
        expect(seen).toEqual([from, to])
      }
      expect(await here.redis.get('to')).toBe(30)
    })

    test('a connection command is refused, alone, in a pipeline and in a transaction', async () => {
      for (const name of ['MULTI', 'SUBSCRIBE', 'BLPOP', 'SELECT', 'AUTH', 'MONITOR', 'QUIT']) {
        const response = await here.post('/', [name, '1', '2'])
        expect(response.status).toBe(400)
        expect(await response.json()).toEqual({ error: `ERR Command is not available: '${name}' over REST` })
      }
      const mixed = await here.post('/pipeline', [['SET', 'a', '1'], ['multi'], ['GET', 'a']])
      expect(await mixed.json()).toEqual([
        { result: 'OK' },
        { error: "ERR Command is not available: 'multi' over REST" },
        { result: '1' },
      ])
      expect((await here.post('/multi-exec', [['SET', 'a', '2'], ['EXEC']])).status).toBe(400)
      expect(await here.redis.get('a')).toBe(1)
    })
  })
}
