import type { Clock } from '../../src/kernel/clock.ts'
import { openActors, TooManyActors } from '../../src/limits/open-actors.ts'

/** Calls of one step of a task. */
export const callsPerStep = 8
/** Steps of large tasks under way at once, in all actors of this process; one while the process is young. */
const steps = 2
/** After a start the tasks of many actors resume at once: for so long they go slowly, and the oldest goes first. */
const youngMs = 30_000
const longestRestMs = 250
/** A step that never ended belongs to an actor that lost its memory. */
const lostMs = 15_000
/** How long a step waits for a place among the open actors. */
const noPlaceMs = 60_000
/** A waiting actor that has not asked for so long waits no longer. */
const silentMs = 1000

/** A task as the process sees it: the oldest goes first. */
interface Waiting {
  readonly since: number
  askedAt: number
}

// Plain numbers of the whole process: actors may read what others wrote, and must not wait for others' promises.
const underWay = new Map<symbol, number>()
const waiting = new Map<symbol, Waiting>()
let startedAt: number | undefined

/** How a task is paced: `since` is when it became pending, `begun` is called before each step. */
export interface Pacing {
  readonly clock: Clock
  readonly since: number
  readonly begun?: () => void
  /** Calls of the whole work, where these items are a part of it: it rests after its parts, too. */
  readonly calls?: number
}

/**
 * Does pending work in steps of a few calls, and pauses after each for at least as long as it took: while commands wait
 * the steps take longer, and so do the pauses. Tries every item, then throws the first failure. `since` is when the work
 * became pending, in milliseconds since the epoch.
 */
export async function inSteps<T>(
  items: readonly T[],
  { clock, since, begun: noteBegun, calls = items.length }: Pacing,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const tried: PromiseSettledResult<void>[] = []
  for (let first = 0; first < items.length; first += callsPerStep) {
    const leave = await waitForStep(calls, clock, since)
    noteBegun?.()
    const begun = clock.now()
    tried.push(...(await Promise.allSettled(items.slice(first, first + callsPerStep).map(work))))
    leave()
    const isLast = calls <= items.length && first + callsPerStep >= items.length
    if (!isLast) await scheduler.wait(restMs(clock.now() - begun, isYoung(clock.now())))
  }
  const failed = tried.find((each) => each.status === 'rejected')
  if (failed !== undefined) throw failed.reason
}

/** Pause after a step that took `tookMs`: tasks get a third of the time, and a fifth after a start. */
export const restMs = (tookMs: number, young: boolean): number =>
  Math.min(longestRestMs, Math.max(1, (young ? 4 : 2) * tookMs))

/**
 * Waits until the process has a place for a step. Work of one step has it at once, but right after a start and while so many
 * actors are open that tasks may open no more. Throws after a minute of that; the task then runs again later.
 */
async function waitForStep(items: number, clock: Clock, since: number): Promise<() => void> {
  const me = Symbol('task')
  const asked = clock.now()
  while (!openActors.hasFreePlace(clock.now())) {
    if (clock.now() - asked > noPlaceMs) throw new TooManyActors(noPlaceMs)
    await scheduler.wait(100 + Math.floor(Math.random() * 200))
  }
  while (!mayStep(me, items, clock.now(), since)) await scheduler.wait(5 + Math.floor(Math.random() * 10))
  waiting.delete(me)
  underWay.set(me, clock.now() + lostMs)
  return () => void underWay.delete(me)
}

function mayStep(me: symbol, items: number, now: number, since: number): boolean {
  const young = isYoung(now)
  if (!young && items <= callsPerStep) return true
  // Also what a clock that was set back since left in the future.
  for (const [other, until] of underWay) if (until <= now || until > now + lostMs) underWay.delete(other)
  for (const [other, { askedAt }] of waiting) if (Math.abs(now - askedAt) > silentMs) waiting.delete(other)
  waiting.set(me, { since, askedAt: now })
  if (underWay.size >= (young ? 1 : steps)) return false
  return [...waiting].every(([other, { since: theirs }]) => other === me || since <= theirs)
}

function isYoung(now: number): boolean {
  startedAt ??= now
  return now - startedAt < youngMs && now >= startedAt
}
