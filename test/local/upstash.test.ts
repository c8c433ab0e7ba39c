import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from '@upstash/redis'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
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
  test('keys live exactly as long as the given clock says', async () => {
    const clock = { time: 1_000_000, now: () => clock.time }
    const { redis } = await start({ clock })
    await redis.set('k', 'v', { px: 500 })
    await redis.hset('h', { a: 1 })
    await redis.expire('h', 2)

    clock.time += 499
    expect(await redis.mget('k')).toEqual(['v'])
    expect(await redis.pttl('k')).toBe(1)
    clock.time += 1
    expect(await redis.get('k')).toBeNull()
    expect(await redis.dbsize()).toBe(1)
    clock.time += 1500
    expect(await redis.exists('h')).toBe(0)
    expect(await redis.time()).toEqual([1002, 0])
  })

  test('a key that has ended is new again: its old type and score of time are forgotten', async () => {
    const clock = { time: 0, now: () => clock.time }
    const { redis } = await start({ clock })
    await redis.lpush('k', 1)
    await redis.pexpire('k', 10)
    clock.time = 10
    expect(await redis.incr('k')).toBe(1)
    expect(await redis.ttl('k')).toBe(-1)
  })

  test('time stands still for a whole script', async () => {
    const clock = { time: 0, now: () => (clock.time += 100) }
    const { redis } = await start({ clock })
    const source = "redis.call('SET', KEYS[1], 'v', 'PX', 50) return redis.call('PTTL', KEYS[1])"
    expect(await redis.eval(source, ['k'], [])).toBe(50)
  })
})

describe('persistence', () => {
  test('everything is as it was after a stop and a start', async () => {
    const clock = { time: 5000, now: () => clock.time }
    const before = await start({ dataFile, clock })
    await before.redis.mset({ text: 'é😀\u0000', json: { a: [1] } })
    await before.redis.set('short', 1, { px: 100 })
    await before.redis.set('long', 1, { px: 900 })
    await before.redis.hset('hash', { a: '1', b: 'x' })
    await before.redis.rpush('list', 'c', 'a', 'b')
    await before.redis.sadd('set', 'x', 'y')
    await fetch(`${before.upstash.url}/zadd/zset/inf/last/-0.5/first?_token=token`)
    const body = Buffer.from([0, 255, 10])
    await fetch(`${before.upstash.url}/set/binary?_token=token`, { method: 'POST', body })
    await before.upstash.stop()

    clock.time += 500
    const { redis, upstash } = await start({ dataFile, clock })
    expect(await redis.mget('text', 'json', 'short')).toEqual(['é😀\u0000', { a: [1] }, null])
    expect(await redis.pttl('long')).toBe(400)
    expect(await redis.hgetall('hash')).toEqual({ a: 1, b: 'x' })
    expect(await redis.lrange('list', 0, -1)).toEqual(['c', 'a', 'b'])
    expect(await redis.smembers('set')).toEqual(['x', 'y'])
    expect(await redis.zrange('zset', 0, -1, { withScores: true })).toEqual(['first', -0.5, 'last', 'inf'])
    const headers = { authorization: 'Bearer token', 'upstash-encoding': 'base64' }
    const binary = await fetch(`${upstash.url}/get/binary`, { headers })
    expect(await binary.json()).toEqual({ result: body.toString('base64') })
    expect(await redis.dbsize()).toBe(8)
  })

  test('a change is on disk within moments, without a stop', async () => {
    const { redis } = await start({ dataFile })
    await redis.set('greeting', 'hello')
    const saved = await eventually(async () => await readFile(dataFile, 'utf8'))
    expect(saved).toContain('"greeting"')
    expect(await readdir(join(folder, 'nested'))).toEqual(['redis.json'])
  })

  test('what a script or a transaction wrote is saved, and what was deleted stays deleted', async () => {
    const before = await start({ dataFile })
    await before.redis.set('gone', 1)
    await before.redis.eval("return redis.call('SET', 'scripted', 1)", [], [])
    await before.redis.multi().set('together', 1).del('gone').exec()
    await before.upstash.stop()
    const { redis } = await start({ dataFile })
    expect((await redis.keys('*')).toSorted()).toEqual(['scripted', 'together'])
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
  test('a stop ends open subscriptions and frees the port', async () => {
    const { upstash } = await start()
    const stream = await fetch(`${upstash.url}/subscribe/x`, { headers: { authorization: 'Bearer token' } })
    const ended = stream.text().catch(() => 'cut')
    await upstash.stop()
    expect(await ended).toMatch(/cut|data: subscribe,x,1/)
    const again = await start({ port: upstash.port })
    expect(again.upstash.port).toBe(upstash.port)
  })

  test('a port in use is an error at start', async () => {
    const { upstash } = await start()
    await expect(startUpstash({ token: 'token', port: upstash.port })).rejects.toThrow('EADDRINUSE')
  })

  test('without a Redis behind it, every request fails aloud instead of looking like a miss', async () => {
    const { redis } = await start({ redisUrl: 'redis://127.0.0.1:1' })
    await expect(redis.get('k')).rejects.toThrow('no Redis at 127.0.0.1:1')
    await expect(redis.multi().get('k').exec()).rejects.toThrow('no Redis at 127.0.0.1:1')
  })

  test('an empty token is refused, for it would open the door to everyone', async () => {
    await expect(startUpstash({ token: '' })).rejects.toThrow('token')
  })
})
