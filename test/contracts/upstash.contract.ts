import { Redis } from '@upstash/redis'
import { afterAll, beforeAll, beforeEach, describe } from 'vitest'
import { commandsContract } from './upstash.commands.ts'
import { protocolContract } from './upstash.protocol.ts'
import type { Here, UpstashWorld } from './upstash.world.ts'

/** The part of Upstash's protocol that Parley relies on, tested with Upstash's SDK. The database is flushed before each test. */
export function upstashContract(name: string, open: () => Promise<UpstashWorld>): void {
  describe(`Upstash Redis, ${name}`, () => {
    let world: UpstashWorld
    let redis: Redis

    beforeAll(async () => {
      world = await open()
      redis = new Redis({ url: world.url, token: world.token, retry: false })
    })
    afterAll(async () => await world?.close())
    beforeEach(async () => void (await redis.flushdb()))

    const here: Here = {
      get world() {
        return world
      },
      get redis() {
        return redis
      },
      post: (path, body, headers = {}) =>
        fetch(`${world.url}${path}`, {
          method: 'POST',
          headers: { authorization: `Bearer ${world.token}`, ...headers },
          body: typeof body === 'string' ? body : JSON.stringify(body),
        }),
    }

    commandsContract(here)
    protocolContract(here)
  })
}
