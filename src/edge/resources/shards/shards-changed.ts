import { shardsChanged } from '../../../adapters/neon/shards.ts'
import type { Env } from '../../../env.ts'
import { shardsTag } from '../../../tenants/shard-cache.ts'
import { invalidate } from '../../identity/tenants.ts'

/** The list of shards was changed: here it is read again, elsewhere within a second. */
export async function shardsWereChanged(env: Env, version: number): Promise<void> {
  shardsChanged(version)
  await invalidate(env, [shardsTag])
}
