import type { SeenEvent } from '../events/log-event.ts'
import type { Expectation, ProcessDefinition } from './definition.ts'

export const instanceStates = ['unstarted', 'open', 'late', 'complete', 'abandoned'] as const
export type InstanceState = (typeof instanceStates)[number]

export const expectationStates = ['idle', 'waiting', 'met', 'late', 'arrived'] as const
type ExpectationState = (typeof expectationStates)[number]

/** Where an expectation of an instance stands. Times in milliseconds since the epoch, null where there is none. */
export interface JudgedExpectation extends Expectation {
  readonly state: ExpectationState
  /** When the first event of type `after` was appended. */
  readonly since: number | null
  readonly dueAt: number | null
  readonly metAt: number | null
  /** How many events of type `expect` there are. */
  readonly seen: number
}

/** What the events of an instance say. */
export interface Judgement {
  readonly state: InstanceState
  readonly expectations: readonly JudgedExpectation[]
  readonly startedAt: number | null
  readonly firstAt: number
  readonly lastAt: number
  /** The next time, of the topics, at which something changes without an event; Infinity when nothing does. */
  readonly changesAt: number
  /** When the instance is deleted, of the topics. */
  readonly endsAt: number
}

/**
 * Judges an instance by the events that belong to it, in whatever order they came. All events that were appended up to `readUpTo`
 * are among them, so that what is late by then is late for certain.
 */
export function judge(definition: ProcessDefinition, seen: readonly SeenEvent[], readUpTo: number): Judgement {
  const times = timesByType(seen)
  const expectations = definition.expectations.map((expectation) => judgeOne(expectation, times, readUpTo))
  const all = seen.map(({ at }) => at)
  const firstAt = Math.min(...all)
  const lastAt = Math.max(...all)
  const startedAt = earliest(definition.events.filter(({ starts }) => starts).map(({ type }) => times.get(type)?.[0]))
  const hasEnded = definition.events.some(({ type, ends }) => ends && times.has(type))
  const has = (state: ExpectationState) => expectations.some((one) => one.state === state)
  const isComplete = startedAt !== null && hasEnded && !has('waiting') && !has('late')
  const idleAt = lastAt + definition.idleSeconds * 1000
  const keepMs = definition.keepSeconds * 1000
  const isAbandoned = !isComplete && readUpTo > idleAt
  const waiting = expectations.flatMap(({ state, dueAt }) => (state === 'waiting' && dueAt !== null ? [dueAt] : []))
  const endsAt = isComplete ? lastAt + keepMs : idleAt + keepMs
  return {
    state: stateOf({ isComplete, isAbandoned, isLate: has('late'), isStarted: startedAt !== null }),
    expectations,
    startedAt,
    firstAt,
    lastAt,
    changesAt: Math.min(...waiting, isComplete || isAbandoned ? Infinity : idleAt + 1),
    endsAt,
  }
}

function stateOf(is: {
  readonly isComplete: boolean
  readonly isAbandoned: boolean
  readonly isLate: boolean
  readonly isStarted: boolean
}): InstanceState {
  if (is.isComplete) return 'complete'
  if (is.isAbandoned) return 'abandoned'
  if (is.isLate) return 'late'
  return is.isStarted ? 'open' : 'unstarted'
}

function judgeOne(
  expectation: Expectation,
  times: ReadonlyMap<string, readonly number[]>,
  readUpTo: number,
): JudgedExpectation {
  const { after, expect, withinSeconds, count } = expectation
  const came = times.get(expect) ?? []
  const since = times.get(after)?.[0] ?? null
  const dueAt = since === null ? null : since + withinSeconds * 1000
  const reached = came[count - 1] ?? null
  const metAt = since === null ? null : reached
  const state = expectationState(dueAt, metAt, readUpTo)
  return { ...expectation, state, since, dueAt, metAt: state === 'waiting' ? null : metAt, seen: came.length }
}

function expectationState(dueAt: number | null, metAt: number | null, readUpTo: number): ExpectationState {
  if (dueAt === null) return 'idle'
  if (metAt !== null && metAt <= dueAt) return 'met'
  // An event that was appended in time may still be unread in another topic.
  if (readUpTo < dueAt) return 'waiting'
  return metAt === null ? 'late' : 'arrived'
}

/** When events of each type were appended, ascending. */
function timesByType(seen: readonly SeenEvent[]): ReadonlyMap<string, readonly number[]> {
  const times = new Map<string, number[]>()
  for (const { type, at } of seen) {
    const known = times.get(type)
    if (known === undefined) times.set(type, [at])
    else known.push(at)
  }
  for (const known of times.values()) known.sort((one, other) => one - other)
  return times
}

function earliest(times: readonly (number | undefined)[]): number | null {
  const known = times.filter((time) => time !== undefined)
  return known.length === 0 ? null : Math.min(...known)
}
