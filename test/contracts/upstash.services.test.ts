import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Engine } from '../../local/upstash/engine/engine.ts'
import type { Reply } from '../../local/upstash/reply.ts'
import { RespConnection } from '../../local/upstash/resp/connection.ts'
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
    let redis: RespConnection
    let engine: Engine
    /** Stands still while commands are compared: a slow machine would take some of a key's seconds. */
    let now = Date.now()
    let version: string | undefined

    beforeAll(async () => {
      real = await found.start()
      redis = await RespConnection.open(real.url)
      engine = await Engine.create({ now: () => now })
      const [info = null] = await redis.send([['INFO', 'server']])
      version = /redis_version:(\S+)/.exec(typeof info === 'string' ? info : '')?.[1]
    })
    afterAll(async () => {
      redis?.close()
      await real?.stop()
    })

    test('the front finds its Redis again after the connection broke', async () => {
      const world = await openWorld({ redisUrl: real.url })
      const ask = async (path: string) => (await fetch(`${world.url}/${path}?_token=${world.token}`)).json()
      expect(await ask('ping')).toEqual({ result: 'PONG' })
      await redis.send([['CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes']])
      await eventually(async () => expect(await ask('ping')).toEqual({ result: 'PONG' }))
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
      const commands = [['FLUSHALL'], ['SCRIPT', 'FLUSH'], ...sequence]
      const [expected, answered] = [await redis.send(commands), commands.map((command) => engine.run(command))]
      const tell = (replies: Reply[]) =>
        commands.map((command, at) => [command.join(' '), comparable(command, replies[at] ?? null)])
      expect(tell(answered)).toEqual(tell(expected))
    }
  })
}

/** Makes what Redis leaves open equal: the order of sets, and how many digits a double is written with. */
function comparable([name = '']: string[], reply: Reply): unknown {
  if (Array.isArray(reply)) {
    const items = reply.map((item) => comparable([name], item))
    return unordered.has(name.toUpperCase()) ? items.map((item) => JSON.stringify(item)).toSorted() : items
  }
  if (typeof reply === 'bigint') return Number(reply)
  // Redis 7.0 writes 0.10000000000000001 where 7.2 and the engine write 0.1, and adds in long doubles: compared as doubles.
  if (typeof reply === 'string' && /^-?\d+(?:\.\d+)?(?:e[+-]?\d+)?$/.test(reply))
    return inexact(reply) ? Number(reply) : reply
  return reply
}

const inexact = (decimal: string): boolean => /[.e]/.test(decimal) || !Number.isSafeInteger(Number(decimal))
