/** Which visit to which queue. The ledger knows the rest, and whether it is expected. */
export interface WorkerRunReference {
  readonly tenant: string
  readonly queue: string
  readonly visit: string
}

/** How long a visitor may be silent before its jobs are given to others; visitors speak up every `heartbeatMs`. */
export const silenceMs = 15_000
export const heartbeatMs = 5_000
/**
 * How long a visitor has to come back to a queue that lost its memory; its call failed, so it tries again at once.
 * Shorter than the ten seconds after which an idle actor is put to sleep: else each waking would begin the wait anew.
 */
export const returnMs = 6_000
/** How long after its time a visit that was asked for is believed lost by the carrier. */
export const overdueMs = 30_000
/** Visitors at a time; each brings its own hands. */
export const maxWorkers = 16
/** Visits asked for at a time. Beyond it the queue's own alarm sends for somebody when a job is due. */
export const maxRequestedRuns = 100
/** QStash keeps a message for later at most this long on every plan; what lies further ahead waits in the ledger. */
export const carriedAheadMs = 6 * 86_400_000

/** What decides whether somebody has to be sent for. Times in milliseconds since the epoch. */
export interface Situation {
  readonly now: number
  /** Jobs that may start now. */
  readonly claimable: number
  /** Visitors here: with hands free and told to stay (idle), with all hands full, or about to come back. */
  readonly idle: number
  readonly full: number
  readonly present: number
  /** When those asked for are to come. */
  readonly requested: readonly number[]
  /** When the next job or schedule is due, if any. */
  readonly nextDue: number | undefined
}

/** Moments for which visits are to be asked of the carrier, now. */
export function runsToRequest(situation: Situation): number[] {
  const { now, nextDue, requested: asked } = situation
  const times = Array.from({ length: missingWorkers(situation) }, () => now)
  const soon = nextDue !== undefined && nextDue <= now + carriedAheadMs
  if (soon && nextDue > now && asked.length < maxRequestedRuns && !asked.some((at) => at <= nextDue))
    times.push(nextDue)
  return times
}

/**
 * One at a time, and only when none of those here has a hand free: those who come back in a moment need no help.
 * Where jobs are quick one visitor is as fast as the ledger itself; where they are slow each newcomer calls the next.
 */
function missingWorkers({ now, claimable, idle, full, present, requested: asked }: Situation): number {
  const onTheirWay = asked.some((at) => at <= now)
  return claimable > 0 && idle === 0 && full === present && present < maxWorkers && !onTheirWay ? 1 : 0
}

/** When to look again though nobody calls: something is due, overdue or has gone silent. */
export function nextLook(
  { now, nextDue, requested: asked }: Situation,
  deadlines: Readonly<Record<'hardEnd' | 'silent' | 'paced', number | undefined>>,
): number | undefined {
  const due = nextDue === undefined ? undefined : nextDue - now > carriedAheadMs ? nextDue - carriedAheadMs : nextDue
  const overdue = asked.map((at) => at + overdueMs)
  const looks = [due, deadlines.hardEnd, deadlines.silent, deadlines.paced, ...overdue].filter((at) => at !== undefined)
  return looks.length === 0 ? undefined : Math.max(now, Math.min(...looks))
}
