export interface QueueReference {
  readonly tenant: string
  readonly queue: string
}

/** A run of a worker on a queue. The queue knows what it is for and whether it is still wanted. */
export interface WorkerRunReference extends QueueReference {
  readonly run: string
}

/** How long a worker may be silent before its jobs are given to others. Workers poll at least every `heartbeatMs`. */
export const silenceMs = 15_000
export const heartbeatMs = 5_000
/**
 * How long a worker has to poll again after the queue lost its memory; its call failed, so it retries at once. Shorter than
 * the ten seconds after which an idle actor is put to sleep: otherwise each wake-up would begin the wait anew.
 */
export const returnMs = 6_000
/** How long after its time a run that QStash accepted is considered lost. */
export const overdueMs = 30_000
/** The same for a run that QStash does not hold: the direct dispatch starts it within this time, or never. */
export const directOverdueMs = 5_000
/** Workers of a queue at a time; each runs several jobs at once. */
export const maxWorkers = 16
/** Requested runs at a time. Beyond that the queue's alarm requests a run when a job is due. */
export const maxRequestedRuns = 100
/** QStash keeps a message for later at most this long on every plan; what lies further ahead waits in the queue. */
export const carriedAheadMs = 6 * 86_400_000

/** A run that was requested and has not started. `at`: when it is due, in milliseconds since the epoch. */
export interface RequestedRun {
  readonly id: string
  readonly at: number
  /** Whether QStash accepted it. */
  readonly isPublished: boolean
}

/** When a requested run is given up and another may be requested. */
export const overdueAt = ({ at, isPublished }: Omit<RequestedRun, 'id'>): number =>
  at + (isPublished ? overdueMs : directOverdueMs)

/** What decides whether a run is requested. Times in milliseconds since the epoch. */
export interface QueueLoad {
  readonly now: number
  /** Jobs that may start now. */
  readonly claimable: number
  /** Workers that wait for jobs (idle), that run as many as they can (full), and all of them. */
  readonly idle: number
  readonly full: number
  readonly present: number
  readonly requested: readonly Omit<RequestedRun, 'id'>[]
  /** When the next job or schedule is due, if any. */
  readonly nextDue: number | undefined
}

/** The times for which runs are to be requested. */
export function runsToRequest(load: QueueLoad): number[] {
  const { now, nextDue, requested } = load
  const times = Array.from({ length: missingWorkers(load) }, () => now)
  const soon = nextDue !== undefined && nextDue <= now + carriedAheadMs
  if (soon && nextDue > now && requested.length < maxRequestedRuns && !requested.some(({ at }) => at <= nextDue))
    times.push(nextDue)
  return times
}

/**
 * One at a time, and only when every present worker is full: a worker that is about to poll needs no help. Where jobs are
 * quick one worker is as fast as the queue itself; where they are slow each new worker leads to the next.
 */
function missingWorkers({ now, claimable, idle, full, present, requested }: QueueLoad): number {
  const isComing = requested.some(({ at }) => at <= now)
  return claimable > 0 && idle === 0 && full === present && present < maxWorkers && !isComing ? 1 : 0
}

/** When the queue looks again without being called: something is due, overdue or silent by then. */
export function nextLook(
  { now, nextDue, requested }: QueueLoad,
  deadlines: Readonly<Record<'hardEnd' | 'silent' | 'paced', number | undefined>>,
): number | undefined {
  const due = nextDue === undefined ? undefined : nextDue - now > carriedAheadMs ? nextDue - carriedAheadMs : nextDue
  const overdue = requested.map(overdueAt)
  const looks = [due, deadlines.hardEnd, deadlines.silent, deadlines.paced, ...overdue].filter((at) => at !== undefined)
  return looks.length === 0 ? undefined : Math.max(now, Math.min(...looks))
}
