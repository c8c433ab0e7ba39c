/**
 * Where a job stands, as the ledger sorts it. The order carries meaning: up to `pausing` a job holds one of its key's
 * places, up to `held` it stands in its key's line, from `done` on it has ended.
 */
export const phases = {
  /** May start now. */
  ready: 0,
  active: 1,
  /** Between two attempts, or until its key's rate allows it; keeps its place, so that nothing behind it overtakes. */
  pausing: 2,
  /** Behind others of its key. */
  held: 3,
  /** Its time has not come. */
  delayed: 4,
  /** Other jobs must end first. */
  blocked: 5,
  done: 6,
  /** Given up by its handler, or for a job it waited for. */
  failed: 7,
  /** Out of attempts: a dead letter, kept to be looked at and sent again. */
  dead: 8,
  cancelled: 9,
} as const

export type Phase = (typeof phases)[keyof typeof phases]

/** The same in the words of the API. */
export type JobState = 'waiting' | 'delayed' | 'active' | 'done' | 'failed' | 'dead' | 'cancelled'

/** Every word of the API. */
export const jobStates = [
  'waiting',
  'delayed',
  'active',
  'done',
  'failed',
  'dead',
  'cancelled',
] as const satisfies JobState[]

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

/** Whether it waits for a moment, which its rank says. */
export const isTimed = (phase: Phase): boolean => phase === phases.pausing || phase === phases.delayed

export const hasEnded = (phase: Phase): boolean => phase >= phases.done

/** The phases behind one word of the API. */
export const phasesOf = (state: JobState): Phase[] => Object.values(phases).filter((phase) => states[phase] === state)

/** How many jobs are in each phase, by its number. */
export type Counts = readonly number[]

/** The same in the words of the API. */
export function countStates(counts: Counts): Record<JobState, number> {
  const totals = { waiting: 0, delayed: 0, active: 0, done: 0, failed: 0, dead: 0, cancelled: 0 }
  for (const phase of Object.values(phases)) totals[states[phase]] += counts[phase] ?? 0
  return totals
}
