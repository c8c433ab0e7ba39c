import { env } from 'cloudflare:workers'
import { cacheEpochsOf, shardReaderOf } from '../../../durable-objects/address.ts'
import { coldHistory } from '../../../src/adapters/cold-history.ts'
import { useEpochs } from '../../../src/adapters/process-epochs.ts'
import type { Env } from '../../../src/env.ts'

export { CacheEpochs } from '../../../durable-objects/cache-epochs/cache-epochs.ts'
export { Platform } from '../../../durable-objects/platform/platform.ts'
export { ShardReader } from '../../../durable-objects/shard-reader/shard-reader.ts'

useEpochs((known, read) => cacheEpochsOf(env).since(known, read))

/** What one holder is told to read, as often at the same time. */
interface Wanted {
  readonly conversation: string
  readonly readers: number
}

/** One isolate that holds cached values: reads the first page of a conversation by many readers at once. */
export default {
  async fetch(request, bindings) {
    const { conversation, readers }: Wanted = await request.json()
    const history = coldHistory(bindings, {
      tenant: 'acme',
      placement: async () => ({ shard: 'shard0', epoch: 1 }),
      readPage: (shard, log, page) => shardReaderOf(bindings, shard, log.conversation).page(log, page),
    })
    const pages = await Promise.all(
      Array.from({ length: readers }, () => history.read(conversation, 'epoch', { first: 1, last: 50, revision: 0 })),
    )
    return Response.json(pages.map((page) => page.length))
  },
} satisfies ExportedHandler<Env>
