import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from '@upstash/redis'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { type Upstash, type UpstashOptions, startUpstash } from '../../local/upstash/start.ts'
import { eventually } from '../contracts/upstash.eventually.ts'

let folder: string
let dataFile: string
let running: Upstash[]

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'parley-upstash-'))
  dataFile = join(folder, 'nested', 'redis.json')
  running = []
})

afterEach(async () => {
  await Promise.all(running.map((upstash) => upstash.stop()))
  await rm(folder, { recursive: true, force: true })
})

async function start(options: Partial<UpstashOptions> = {}): Promise<{ upstash: Upstash; redis: Redis }> {
  const upstash = await startUpstash({ token: 'token', ...options })
  running.push(upstash)
  return { upstash, redis: new Redis({ url: upstash.url, token: upstash.token, retry: false }) }
}

describe('time', () => {
  test('keys expire at the instant that the given clock shows', async () => {
    const clock = { time: 1_000_000, now: () => clock.time }
    const { redis } = await start({ clock })
    await redis.set('k', 'v', { px: 500 })
    await redis.sadd('s', 1)
    await redis.expire('s', 2)

    clock.time += 499
    expect(await redis.mget('k')).toEqual(['v'])
    expect(await redis.pttl('k')).toBe(1)
    clock.time += 1
    expect(await redis.get('k')).toBeNull()
    expect(await redis.dbsize()).toBe(1)
    clock.time += 1500
    expect(await redis.exists('s')).toBe(0)
    expect(await redis.time()).toEqual([1002, 0])
  })

  test('an expired key is new again: its old type and expiry are gone', async () => {
    const clock = { time: 0, now: () => clock.time }
    const { redis } = await start({ clock })
    await redis.sadd('k', 1)
    await redis.pexpire('k', 10)
    clock.time = 10
    expect(await redis.incr('k')).toBe(1)
    expect(await redis.ttl('k')).toBe(-1)
  })

  test('time does not move during a transaction', async () => {
    const clock = { time: 0, now: () => (clock.time += 100) }
    const { redis } = await start({ clock })
    expect(await redis.multi().set('k', 'v', { px: 50 }).pttl('k').exec()).toEqual(['OK', 50])
  })
})

describe('commands', () => {
  test('a command outside of the supported set is refused by its name, and a transaction with it does nothing', async () => {
    const { redis } = await start()
    await expect(redis.lpush('list', 'a')).rejects.toThrow("ERR unknown command 'lpush', with args beginning with")
    await expect(redis.hset('hash', { a: 1 })).rejects.toThrow("ERR unknown command 'hset'")
    await expect(redis.zadd('zset', { score: 1, member: 'a' })).rejects.toThrow("ERR unknown command 'zadd'")
    await expect(redis.eval('return 1', [], [])).rejects.toThrow("ERR unknown command 'eval'")
    await expect(redis.publish('channel', 'a')).rejects.toThrow("ERR unknown command 'publish'")
    await expect(redis.multi().set('k', 1).rpush('list', 'a').exec()).rejects.toThrow('EXECABORT')
    expect(await redis.dbsize()).toBe(0)
  })

  test('SPOP removes members in the order in which they were added', async () => {
    const { redis } = await start()
    await redis.sadd('set', 'c', 'a', 'b')
    expect(await redis.spop('set')).toBe('c')
    expect(await redis.spop('set', 2)).toEqual(['a', 'b'])
  })
})

describe('persistence', () => {
  test('every key is unchanged after a stop and a start', async () => {
    const clock = { time: 5000, now: () => clock.time }
    const before = await start({ dataFile, clock })
    await before.redis.mset({ text: 'é😀\u0000', json: { a: [1] } })
    await before.redis.set('short', 1, { px: 100 })
    await before.redis.set('long', 1, { px: 900 })
    await before.redis.sadd('set', 'x', 'y')
    const body = Buffer.from([0, 255, 10])
    await fetch(`${before.upstash.url}/set/binary?_token=token`, { method: 'POST', body })
    await before.upstash.stop()

    clock.time += 500
    const { redis, upstash } = await start({ dataFile, clock })
    expect(await redis.mget('text', 'json', 'short')).toEqual(['é😀\u0000', { a: [1] }, null])
    expect(await redis.pttl('long')).toBe(400)
    expect(await redis.smembers('set')).toEqual(['x', 'y'])
    const headers = { authorization: 'Bearer token', 'upstash-encoding': 'base64' }
    const binary = await fetch(`${upstash.url}/get/binary`, { headers })
    expect(await binary.json()).toEqual({ result: body.toString('base64') })
    expect(await redis.dbsize()).toBe(5)
  })

  test('a change is on disk within moments, without a stop', async () => {
    const { redis } = await start({ dataFile })
    await redis.set('greeting', 'hello')
    const saved = await eventually(async () => await readFile(dataFile, 'utf8'))
    expect(saved).toContain('"greeting"')
    expect(await readdir(join(folder, 'nested'))).toEqual(['redis.json'])
  })

  test('the writes and deletions of a transaction are saved', async () => {
    const before = await start({ dataFile })
    await before.redis.set('gone', 1)
    await before.redis.multi().set('together', 1).del('gone').exec()
    await before.upstash.stop()
    const { redis } = await start({ dataFile })
    expect((await redis.keys('*')).toSorted()).toEqual(['together'])
  })

  test('a snapshot with hashes, lists and sorted sets is opened, and those keys are dropped with a log line', async () => {
    const file = join(folder, 'redis.json')
    const keys = [
      { key: 'text', value: { type: 'string', bytes: 'hello' } },
      { key: 'hash', value: { type: 'hash', fields: [['a', '1']] } },
      { key: 'list', value: { type: 'list', items: ['a'] } },
      { key: 'set', expiresAt: 9_999_999_999_999, value: { type: 'set', members: ['x'] } },
      { key: 'zset', value: { type: 'zset', members: [['a', '1.5']] } },
    ]
    await writeFile(file, JSON.stringify({ format: 'upstash-stand-in', version: 1, keys }))
    const logged = vi.spyOn(console, 'error').mockImplementation(() => {})
    const { redis } = await start({ dataFile: file })
    expect((await redis.keys('*')).toSorted()).toEqual(['set', 'text'])
    expect(await redis.smembers('set')).toEqual(['x'])
    expect(await redis.ttl('set')).toBeGreaterThan(1_000_000)
    expect(logged.mock.calls).toEqual([[expect.stringContaining('dropped 3 keys')]])
    logged.mockRestore()
  })

  test('nothing is written when nothing has changed', async () => {
    const { upstash, redis } = await start({ dataFile })
    await redis.get('k')
    await upstash.stop()
    await expect(readFile(dataFile)).rejects.toThrow('ENOENT')
  })

  test('a file that is not a snapshot is set aside, and the cache starts empty', async () => {
    for (const text of [
      '{"format":"something else"}',
      '{"format":"upstash-stand-in","version":1,"keys":[{"key":1}]}',
      'not JSON',
    ]) {
      const own = await mkdtemp(join(folder, 'damaged-'))
      const file = join(own, 'redis.json')
      await writeFile(file, text)
      const { redis, upstash } = await start({ dataFile: file })
      expect(await redis.keys('*')).toEqual([])
      await redis.set('k', 1)
      await upstash.stop()
      const { redis: again } = await start({ dataFile: file })
      expect(await again.get('k')).toBe(1)
      const aside = (await readdir(own)).filter((name) => name.startsWith('redis.json.damaged-'))
      expect(await Promise.all(aside.map((name) => readFile(join(own, name), 'utf8')))).toEqual([text])
    }
  })
})

describe('starting and stopping', () => {
  test('a stop frees the port', async () => {
    const { upstash } = await start()
    await upstash.stop()
    const again = await start({ port: upstash.port })
    expect(again.upstash.port).toBe(upstash.port)
  })

  test('a port in use is an error at start', async () => {
    const { upstash } = await start()
    await expect(startUpstash({ token: 'token', port: upstash.port })).rejects.toThrow('EADDRINUSE')
  })

  test('without a Redis behind the REST server every request fails, so that none looks like a miss', async () => {
    const { redis } = await start({ redisUrl: 'redis://127.0.0.1:1' })
    await expect(redis.get('k')).rejects.toThrow('no Redis at 127.0.0.1:1')
    await expect(redis.multi().get('k').exec()).rejects.toThrow('no Redis at 127.0.0.1:1')
  })

  test('an empty token is refused', async () => {
    await expect(startUpstash({ token: '' })).rejects.toThrow('token')
  })
})
