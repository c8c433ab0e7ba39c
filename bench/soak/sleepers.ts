import { pause } from '../processes.ts'
import type { Collector } from './collector.ts'
import { collected } from './sample.ts'
import { vitals } from './vitals.ts'

const lookMs = 2000
/** The runtime puts an actor away some ten seconds after the last call; those with work to do pay what they owe first. */
const steadyMs = 20_000
const patienceMs = 180_000
/** Actors that do their work by the clock: the tenant's, the queue's. */
const nightWatch = 40

/** How workerd is when nobody is there: each actor in memory has files open. */
export interface Sleep {
  readonly descriptors: number
  /** After it collected its garbage; what the allocator keeps for the next crowd is in it. */
  readonly memoryKiB: number
}

/** Waits until workerd puts no more actors away, and says how things are then. */
export async function sleep(collectors: readonly Collector[]): Promise<Sleep> {
  const deadline = performance.now() + patienceMs
  let least = Infinity
  for (let since = performance.now(); performance.now() < Math.min(since + steadyMs, deadline); await pause(lookMs)) {
    const { descriptors } = (await vitals()).workerd
    if (descriptors < least) [least, since] = [descriptors, performance.now()]
  }
  return { memoryKiB: (await collected(collectors)).workerdKiB, descriptors: (await vitals()).workerd.descriptors }
}

/** What is wrong when somebody stays awake though all have gone. */
export function awake(before: Sleep, after: Sleep): string | undefined {
  if (after.descriptors <= before.descriptors + nightWatch) return undefined
  return `workerd had ${before.descriptors} descriptors open before anybody came and has ${after.descriptors} now that all have gone`
}
