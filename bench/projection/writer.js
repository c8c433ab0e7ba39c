import { env as bindings } from 'cloudflare:workers'
import { breakerOf, cacheEpochsOf, shardWriterOf, shardWriters } from '../../durable-objects/address.ts'
import { useBreakers } from '../../src/adapters/dependency.ts'
import { connect } from '../../src/adapters/neon/connect.ts'
import { insertMessages } from '../../src/adapters/neon/insert-messages.ts'
import { setTenants } from '../../src/adapters/neon/set-tenants.ts'
import { useEpochs } from '../../src/adapters/process-epochs.ts'
import { loadConfig } from '../../src/config.ts'
import { batchOf, groupsOf, tenant } from './messages.ts'

export { Breaker } from '../../durable-objects/breaker/breaker.ts'
export { CacheEpochs } from '../../durable-objects/cache-epochs/cache-epochs.ts'
export { Platform } from '../../durable-objects/platform/platform.ts'
export { ShardWriter } from '../../durable-objects/shard-writer/shard-writer.ts'

useBreakers({
  report: ({ tenant: owner, key }, report) => breakerOf(bindings, owner, key).report(key, report),
  keep: () => undefined,
})
useEpochs((known, read) => cacheEpochsOf(bindings).since(known, read))

const sides = {
  /** Each conversation hands over its batches one after the other, and repeats one that is refused. */
  async parley(env, work) {
    const conversation = async (number) => {
      for (let nth = 0; nth < work.batches; nth++) {
        const batch = batchOf(work, number, nth)
        const writer = shardWriterOf(env, 'shard0', tenant, batch.conversation)
        while ((await writer.write(batch)).kind !== 'written') await scheduler.wait(100)
      }
    }
    const writes = async () => {
      const all = await Promise.all(shardWriters(env, 'shard0').map(({ writer }) => writer.stats()))
      return all.reduce((sum, stats) => sum + stats.writes, 0)
    }
    const before = await writes()
    await Promise.all(Array.from({ length: work.conversations }, (_, number) => conversation(number)))
    return (await writes()) - before
  },

  /** The same statement in a loop, as many at one time as the shard has lanes. */
  async proxy(env, work, { rows, lanes }) {
    const config = loadConfig(env)
    const database = connect(config, config.databaseUrl('DATABASE_URL_SHARD0'))
    const groups = groupsOf(work, rows)
    let count = 0
    const lane = async () => {
      for (const group of groups) {
        count++
        await database.transaction([setTenants(database, [tenant]), insertMessages(database, group)])
      }
    }
    await Promise.all(Array.from({ length: lanes }, lane))
    return count
  },
}

export default {
  /** Writes everything one way; answers with the number of transactions and the time they took. */
  async fetch(request, env) {
    const { side, work, loop } = await request.json()
    const started = Date.now()
    const transactions = await sides[side](env, work, loop)
    return Response.json({ transactions, ms: Date.now() - started })
  },
}
