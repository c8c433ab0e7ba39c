/**
 * Where a job is in its life. The order carries meaning: up to `pausing` a job takes a place of its key, up to `held` it is
 * in the line of its key, from `done` on it has ended.
 */
export const phases = {
  /** May start now. */
  ready: 0,
  active: 1,
  /** Between two attempts, or until its key's rate allows a start; keeps its place, so that no job of its key overtakes it. */
  pausing: 2,
  /** Behind others of its key. */
  held: 3,
  /** Before its `runAt`. */
  delayed: 4,
  /** Other jobs must end first. */
  blocked: 5,
  done: 6,
  /** Discarded by its handler, or because a job it waited for did not succeed. */
  failed: 7,
  /** Out of attempts: a dead letter, kept so that it can be inspected and sent again. */
  dead: 8,
  cancelled: 9,
} as const

export type Phase = (typeof phases)[keyof typeof phases]

const byNumber = new Map<number, Phase>(Object.values(phases).map((phase) => [phase, phase]))

/** The phase with this number; throws when there is none. */
export function toPhase(number: number): Phase {
  const phase = byNumber.get(number)
  if (phase === undefined) throw new Error(`a job is in phase ${number}, which this version does not know`)
  return phase
}

/** The phases as the API names them. */
export const jobStates = ['waiting', 'delayed', 'active', 'done', 'failed', 'dead', 'cancelled'] as const

export type JobState = (typeof jobStates)[number]

const states: Readonly<Record<Phase, JobState>> = {
  0: 'waiting',
  1: 'active',
  2: 'delayed',
  3: 'waiting',
  4: 'delayed',
  5: 'waiting',
  6: 'done',
  7: 'failed',
  8: 'dead',
  9: 'cancelled',
}

export const stateOf = (phase: Phase): JobState => states[phase]

/** Whether a job waits for a time, which is its rank. */
export const isTimed = (phase: Phase): boolean => phase === phases.pausing || phase === phases.delayed

export const hasEnded = (phase: Phase): boolean => phase >= phases.done

/** Numbers within one priority: 2^44 of them and 201 priorities stay below 2^53, up to which a number is exact. */
const orders = 2 ** 44

/** The rank of a ready job: by priority, then by when it became ready, so that keys alternate and none starves. */
export const readyRank = (priority: number, order: number): number => (100 - priority) * orders + order

/** The order in a ready job's rank. */
export const orderOf = (rank: number): number => rank % orders

/** How many jobs are in each phase, by its number. */
export type PhaseCounts = readonly number[]
