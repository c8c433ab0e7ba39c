import { platformOf } from '../../../../durable-objects/address.ts'
import { selectPosition } from '../../../adapters/neon/log-position.ts'
import { readShard, type Reader } from '../../../adapters/neon/read-shard.ts'
import { openShard, shardsOf } from '../../../adapters/neon/shards.ts'
import { loadConfig } from '../../../config.ts'
import type { Env } from '../../../env.ts'
import { systemClock } from '../../../kernel/clock.ts'
import { inLanes } from '../../../kernel/in-lanes.ts'
import { log, reasonOf } from '../../../kernel/log.ts'
import { idsOf } from '../../../kernel/request-context.ts'
import { within } from '../../../kernel/retry.ts'

/** How long all shards together may take: less than a request waits for one dependency. */
export const askMs = 4000
/** Shards that are asked at one time. */
const askedTogether = 16

/** A shard that gave no answer, and why. */
export interface MissingShard {
  readonly shard: string
  readonly reason: string
}

/** The answers of the shards that answered in time, and the shards that did not. */
export interface Answers<T> {
  readonly answers: readonly { readonly shard: string; readonly answer: T }[]
  readonly missing: readonly MissingShard[]
}

/**
 * Asks every shard the same question, a few at one time. A shard that fails or is slow is named, and holds up no other. Where it has
 * replicas, the primary is asked for its position only, and a replica that has replayed that answers: so each answer shows all that
 * was written before the question, and none is older than one before.
 */
export async function askShards<T>(
  env: Env,
  ask: (reader: Reader, isOver: () => boolean) => Promise<T>,
): Promise<Answers<T>> {
  const config = loadConfig(env)
  const endsAt = systemClock.now() + askMs
  const left = () => endsAt - systemClock.now()
  const { shards, replicas } = await shardsOf(config, platformOf(env))
  const isOver = () => left() <= 0
  const askOne = async (shard: string): Promise<T> => {
    const hasReplicas = replicas[shard]?.some(({ state }) => state === 'active') === true
    const position = hasReplicas
      ? await selectPosition(await openShard(config, platformOf(env), shard, 'read', left()))
      : undefined
    const needs = { position, deadlineMs: left() }
    return await readShard(config, platformOf(env), shard, needs, (reader) => ask(reader, isOver))
  }
  const answers: { shard: string; answer: T }[] = []
  const missing: MissingShard[] = []
  await inLanes(askedTogether, shards, async ({ name: shard }) => {
    try {
      if (isOver()) throw new Error('was not asked in time')
      answers.push({ shard, answer: await within(left(), 'the answer', askOne(shard)) })
    } catch (thrown) {
      log.warn('shards.unanswered', { ...idsOf(env.request), shard, reason: reasonOf(thrown) })
      missing.push({ shard, reason: reasonOf(thrown).slice(0, 200) })
    }
  })
  const byName = (a: { readonly shard: string }, b: { readonly shard: string }) => (a.shard < b.shard ? -1 : 1)
  return { answers: answers.toSorted(byName), missing: missing.toSorted(byName) }
}
