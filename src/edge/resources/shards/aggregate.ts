import type { z } from 'zod'
import { platformOf } from '../../../../durable-objects/address.ts'
import type { Env } from '../../../env.ts'
import { systemClock } from '../../../kernel/clock.ts'
import { log, reasonOf } from '../../../kernel/log.ts'
import { idsOf } from '../../../kernel/request-context.ts'
import type { Found } from '../../../cache/aggregates.ts'
import type { MissingShard } from './ask-shards.ts'

/**
 * What all shards together answer to an operator's question: of at most an hour ago, or of now with `isFresh`. The platform's actor keeps
 * it, and has it asked by one of all that wait for it. When that actor does not answer the shards are asked from here.
 */
export async function aggregate<S extends z.ZodType<{ readonly missing: readonly MissingShard[] }>>(
  env: Env,
  { key, isFresh, schema }: { readonly key: string; readonly isFresh: boolean; readonly schema: S },
  ask: () => Promise<z.input<S>>,
): Promise<{ readonly found: z.output<S>; readonly asOf: number; readonly age: number }> {
  const askAsText = async (): Promise<Found> => {
    const found = schema.parse(await ask())
    return { json: JSON.stringify(found), isWhole: found.missing.length === 0 }
  }
  const { json, asOf } = await fromPlatform(env, key, isFresh, askAsText)
  const age = Math.max(0, Math.floor((systemClock.now() - asOf) / 1000))
  return { found: schema.parse(JSON.parse(json)), asOf, age }
}

async function fromPlatform(env: Env, key: string, isFresh: boolean, ask: () => Promise<Found>) {
  try {
    return await platformOf(env).aggregate(key, isFresh, ask)
  } catch (thrown) {
    log.warn('shards.aggregate-unreachable', { ...idsOf(env.request), reason: reasonOf(thrown) })
    const asOf = systemClock.now()
    return { ...(await ask()), asOf }
  }
}
