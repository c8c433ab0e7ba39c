import { pause } from '../processes.ts'
import type { Collector } from './collector.ts'
import { liveMemory } from './live-memory.ts'
import { collected } from './sample.ts'
import { vitals } from './vitals.ts'

const lookMs = 2000
/** The runtime puts an actor away some ten seconds after the last call; those with pending tasks run them first. */
const steadyMs = 20_000
const timeoutMs = 180_000
/** Actors that do their work by the clock: the tenant's, the queue's. */
const nightWatch = 40

/** The state of workerd without connections: each actor in memory has files open. */
export interface Sleep {
  readonly descriptors: number
  /** After it collected its garbage; what the allocator keeps for the next crowd is in it. */
  readonly memoryKiB: number
  /** The part in use, without the heap of scripts: NaN where it cannot be measured. */
  readonly liveKiB: number
}

/** Waits until workerd puts no more actors away, and says how things are then. */
export async function sleep(url: URL, collectors: readonly Collector[]): Promise<Sleep> {
  const deadline = performance.now() + timeoutMs
  let fewest = Infinity
  for (let since = performance.now(); performance.now() < Math.min(since + steadyMs, deadline); await pause(lookMs)) {
    const { descriptors } = (await vitals()).workerd
    if (descriptors < fewest) [fewest, since] = [descriptors, performance.now()]
  }
  const looks: { readonly memoryKiB: number; readonly liveKiB: number }[] = []
  for (let look = 0; look < 5; look++) {
    const [{ workerdKiB }] = await Promise.all([collected(collectors), nudge(url)])
    looks.push({ memoryKiB: workerdKiB, liveKiB: await liveMemory() })
    await pause(lookMs)
  }
  const least = (of: 'memoryKiB' | 'liveKiB') => Math.min(...looks.map((each) => each[of]))
  return { memoryKiB: least('memoryKiB'), liveKiB: least('liveKiB'), descriptors: (await vitals()).workerd.descriptors }
}

/** A runtime that has nothing to do does not listen to its inspector either. No actor is needed for this answer. */
async function nudge(url: URL): Promise<void> {
  await pause(300)
  const { host } = url
  await fetch(`http://${host}/healthz`).then((response) => response.text())
}

/** KiB by which live memory may differ between two quiet times: uncollected garbage and compiled code. */
const nights = 12 * 1024

/** What is wrong when more memory is in use than before any client connected, though all have left. */
export function kept(before: Sleep, after: Sleep): string | undefined {
  if (!(after.liveKiB > before.liveKiB + nights)) return undefined
  return `workerd's code held ${Math.round(before.liveKiB)} KiB before any client connected and holds ${Math.round(after.liveKiB)} now that all have gone`
}

/** What is wrong when an actor stays awake though all clients have left. */
export function awake(before: Sleep, after: Sleep): string | undefined {
  if (after.descriptors <= before.descriptors + nightWatch) return undefined
  return `workerd had ${before.descriptors} descriptors open before any client connected and has ${after.descriptors} now that all have gone`
}
