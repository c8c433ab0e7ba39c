import { Ratelimit } from '@upstash/ratelimit'
import { Redis } from '@upstash/redis'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { forPlainRedis } from '../../bench/limits/peers.ts'
import { Engine } from '../../local/upstash/engine/engine.ts'
import { redisServerBackend } from '../../local/upstash/redis-server.ts'
import type { Backend, Reply } from '../../local/upstash/reply.ts'
import { upstashContract } from './upstash.contract.ts'
import { eventually } from './upstash.eventually.ts'
import { randomCommands } from './upstash.fuzz.ts'
import { readSequence, sequences, unordered } from './upstash.sequences.ts'
import { type RealRedis, findRealRedis, openWorld } from './upstash.world.ts'

const found = findRealRedis()

if ('reason' in found) test.skip(found.reason)
else {
  upstashContract(`with ${found.name}`, async () => {
    const real = await found.start()
    const world = await openWorld({ redisUrl: real.url })
    const close = async () => {
      await world.close()
      await real.stop()
    }
    return { ...world, close }
  })

  describe(`the engine answers like ${found.name}`, () => {
    let real: RealRedis
    let redis: Backend
    let engine: Engine
    /** Does not move while commands are compared, so that a slow machine leaves every TTL as it was. */
    let now = Date.now()
    let version: string | undefined

    beforeAll(async () => {
      real = await found.start()
      redis = redisServerBackend(real.url)
      engine = new Engine({ now: () => now })
      const [info = null] = await redis.pipeline([['INFO', 'server']])
      version = /redis_version:(\S+)/.exec(typeof info === 'string' ? info : '')?.[1]
    })
    afterAll(async () => {
      await redis?.stop()
      await real?.stop()
    })

    test('the REST server connects to Redis again after the connection broke', async () => {
      const world = await openWorld({ redisUrl: real.url })
      const ask = async (path: string) => (await fetch(`${world.url}/${path}?_token=${world.token}`)).json()
      expect(await ask('ping')).toEqual({ result: 'PONG' })
      await redis.pipeline([['CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes']])
      await eventually(async () => expect(await ask('ping')).toEqual({ result: 'PONG' }))
      await world.close()
    })

    test('the limiters of the benchmark run on a Redis that refuses the first line of their scripts', async () => {
      const world = await openWorld({ redisUrl: real.url })
      const upstash = forPlainRedis(new Redis({ url: world.url, token: world.token }))
      for (const limiter of [Ratelimit.slidingWindow(2, '1 d'), Ratelimit.tokenBucket(1, '1 d', 2)]) {
        const limit = new Ratelimit({ redis: upstash, limiter, ephemeralCache: false, prefix: crypto.randomUUID() })
        const outcomes = [await limit.limit('x'), await limit.limit('x'), await limit.limit('x')]
        expect(outcomes.map(({ success }) => success)).toEqual([true, true, false])
      }
      const [info = null] = await redis.pipeline([['INFO', 'commandstats']])
      const calls = (name: string) => Number(new RegExp(`cmdstat_${name}:calls=(\\d+)`).exec(String(info))?.[1] ?? 0)
      expect([calls('eval'), calls('evalsha')]).toEqual([2, 6])
      await world.close()
    })

    for (const [family, lines] of Object.entries(sequences))
      test.for(lines)(`${family}: %s`, async (line, { skip }) => {
        skip(version?.startsWith('7.0.') !== true, `error texts are those of Redis 7.0; this is ${version}`)
        await compare(readSequence(line))
      })

    test.for([1, 2, 3, 4, 5, 6, 7, 8])('a thousand random commands, seed %i', async (seed, { skip }) => {
      skip(version?.startsWith('7.0.') !== true, `error texts are those of Redis 7.0; this is ${version}`)
      await compare(randomCommands(seed, 1000))
    })

    async function compare(sequence: string[][]): Promise<void> {
      now = Date.now()
      const commands = [['FLUSHALL'], ...sequence]
      const [expected, answered] = [await redis.pipeline(commands), commands.map((command) => engine.run(command))]
      const tell = (replies: readonly Reply[]) =>
        commands.map((command, at) => [command.join(' '), comparable(command, replies[at] ?? null)])
      expect(tell(answered)).toEqual(tell(expected))
    }
  })
}

/** Makes equal what Redis leaves open: the order of sets and keys. A JSON reader sees integers as doubles. */
function comparable([name = '']: string[], reply: Reply): unknown {
  if (Array.isArray(reply)) {
    const items = reply.map((item) => comparable([name], item))
    return unordered.has(name.toUpperCase()) ? items.map((item) => JSON.stringify(item)).toSorted() : items
  }
  return typeof reply === 'bigint' ? Number(reply) : reply
}
