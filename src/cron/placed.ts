import type { Database } from '../adapters/neon/connect.ts'
import { selectPlaced } from '../adapters/neon/select-placed.ts'

const page = 100

/** Every tenant that lives on a shard, page by page. */
export async function* placedOn(shard: Database): AsyncGenerator<readonly string[]> {
  let tenants = await selectPlaced(shard, '', page)
  while (tenants.length > 0) {
    yield tenants
    tenants = await selectPlaced(shard, tenants.at(-1) ?? '', page)
  }
}
