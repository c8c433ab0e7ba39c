import type { RequestContext } from '../kernel/request-context.ts'
import type { LeaseHolder } from './holder.ts'
import type { LocalLimits } from './local-limits.ts'
import { TooManyActors } from './open-actors.ts'
import type { Source, Taken } from './ports.ts'

/** One level of a decision: a user, the user's tenant, the whole system. */
export interface Level {
  readonly key: string
  readonly cost: number
  readonly source: Source
  /**
   * What applies when the limiter cannot be reached. `open`: this process alone keeps the limit. `closed`: every
   * request is refused.
   */
  readonly whenUnreachable: 'open' | 'closed'
  /** The same when too many actors are open for the limiter to be asked: by default this process alone keeps the limit. */
  readonly whenFull?: 'alone' | 'refuse'
  /** The request that the decision is for, for log lines. */
  readonly request?: RequestContext | undefined
}

/** A decision through all levels, or the level that refused. */
export type Decision =
  | { readonly kind: 'taken' }
  | { readonly kind: 'limited'; readonly key: string; readonly retryAfterMs: number; readonly isFull?: true }
  | { readonly kind: 'unreachable'; readonly key: string }

/** What decides: leases first, local buckets when there is no limiter. `alone`: requests do not share questions. */
export interface Decider {
  readonly holder: LeaseHolder
  readonly fallback: LocalLimits
  readonly alone: boolean
  /** Called when a limiter could not be reached. */
  readonly onUnreachable: (level: Level, thrown: unknown) => void
}

/** Takes from every level or from none: what earlier levels gave is returned when a later one refuses. */
export async function decideAll(decider: Decider, levels: readonly Level[]): Promise<Decision> {
  const { holder } = decider
  const undo: (() => Promise<void> | void)[] = []
  for (const level of levels) {
    const { key, cost, source } = level
    const known = holder.takeNow(key, source.clock(), cost)
    const lease = holder.leaseOf(key)
    const taken = known ?? (await askLevel(decider, level))
    if (taken.kind !== 'taken') {
      for (const giveBack of undo) await giveBack()
      return { ...taken, key }
    }
    const { at } = taken
    if (known !== undefined) undo.push(() => holder.putBack(key, cost, lease))
    else if (at !== undefined) undo.push(() => refund(decider, level, at))
  }
  return { kind: 'taken' }
}

/**
 * The same without waiting, one unit each; undefined when a limiter has to be asked first, and then nothing was taken.
 */
export function decideNow(holder: LeaseHolder, keys: readonly string[], now: number): Taken | undefined {
  for (const [place, key] of keys.entries()) {
    const taken = holder.takeNow(key, now)
    if (taken?.kind === 'taken') continue
    for (const earlier of keys.slice(0, place)) holder.putBack(earlier, 1, holder.leaseOf(earlier))
    return taken
  }
  return { kind: 'taken' }
}

/** `isFull`: the limiter was not asked, since too many actors are open. */
type LevelTaken =
  | Taken
  | { readonly kind: 'limited'; readonly retryAfterMs: number; readonly isFull: true }
  | { readonly kind: 'unreachable' }

async function askLevel({ holder, fallback, alone, onUnreachable }: Decider, level: Level): Promise<LevelTaken> {
  const { key, cost, source, whenUnreachable, whenFull } = level
  try {
    return await (alone ? holder.takeAlone(key, source, cost) : holder.take(key, source, cost))
  } catch (thrown) {
    if (thrown instanceof TooManyActors && whenFull === 'refuse')
      return { kind: 'limited', retryAfterMs: thrown.retryAfterMs, isFull: true }
    onUnreachable(level, thrown)
    const counters = holder.countersOf(key)
    if (whenUnreachable === 'open') {
      counters.failedOpen++
      return fallback.takeAll(key, (await source.rules()).windows, source.clock(), cost)
    }
    counters.failedClosed++
    return { kind: 'unreachable' }
  }
}

/** Units that the limiter decided are refunded there. A lost refund only makes the limit stricter. */
async function refund({ onUnreachable }: Decider, level: Level, at: number): Promise<void> {
  await level.source.limiter.refund(level.cost, at).catch((thrown: unknown) => onUnreachable(level, thrown))
}
