import type { Attempt, Delivery, Note } from '../model.ts'
import type { Run } from './run.ts'

/**
 * A run that has ended, without what follows from its key, what only runs need that go on, and what is as it nearly always is. Most rows are such
 * runs, and a row of more than a quarter of a page takes a page of its own.
 */
interface EndedRun {
  readonly workflow: string
  readonly version: number
  readonly startedAt: number
  readonly outcome: Run['outcome']
  readonly endedAt: number
  readonly deliveries: readonly StoredDelivery[]
  readonly notes: readonly Timed<Note>[]
  /** 1 without it. */
  readonly events?: number | undefined
  /** 0 without it. */
  readonly followers?: number | undefined
  readonly gatheredInto?: Run['gatheredInto'] | undefined
  readonly isOwnCanceled?: boolean | undefined
}

/** A time is kept as `after`, since the start of the run in milliseconds; 0 without it. */
type Timed<T extends { readonly at: number }> = Omit<T, 'at'> & { readonly after?: number | undefined }
/** Its id begins with that of the run. */
type StoredDelivery = Omit<Delivery, 'id' | 'dueAt' | 'deadlineAt' | 'attempts' | 'isDigest' | 'possibleDuplicates'> & {
  readonly attempts: readonly Timed<Attempt>[]
  readonly isDigest?: boolean | undefined
  readonly possibleDuplicates?: number | undefined
}

/** All members are named, also those that may be absent, so that none is forgotten. */
type Whole<T> = { [K in keyof Required<T>]: T[K] }

/** A run as JSON text. */
export const runText = (run: Run): string => JSON.stringify(run.endedAt > 0 ? endedRun(run) : run)

/** Reads what `runText` has written, or an earlier version, which wrote all runs whole. */
export function readRun(text: string, key: { readonly user: string; readonly notification: string }): Run {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the actor wrote it
  const stored = JSON.parse(text) as Run | EndedRun
  return 'id' in stored ? stored : wholeRun(stored, key)
}

const unless = <T>(value: T, usual: T): T | undefined => (value === usual ? undefined : value)

// Members are named one by one, which costs a third of what taking objects apart does: each decision writes one.
function endedRun(run: Run): Whole<EndedRun> {
  const { startedAt } = run
  return {
    workflow: run.workflow,
    version: run.version,
    startedAt,
    outcome: run.outcome,
    endedAt: run.endedAt,
    deliveries: run.deliveries.map((delivery) => endedDelivery(delivery, startedAt)),
    notes: run.notes.map(({ at, step, rule, text }): Whole<Timed<Note>> => ({
      after: unless(at - startedAt, 0),
      step,
      rule,
      text,
    })),
    events: unless(run.events, 1),
    followers: unless(run.followers, 0),
    gatheredInto: run.gatheredInto ?? undefined,
    isOwnCanceled: unless(run.isOwnCanceled, false),
  }
}

const endedDelivery = (delivery: Delivery, startedAt: number): Whole<StoredDelivery> => ({
  step: delivery.step,
  channel: delivery.channel,
  target: delivery.target,
  state: delivery.state,
  reason: delivery.reason,
  report: delivery.report,
  openedAt: delivery.openedAt,
  clickedAt: delivery.clickedAt,
  isDigest: unless(delivery.isDigest, false),
  possibleDuplicates: unless(delivery.possibleDuplicates, 0),
  attempts: delivery.attempts.map(({ at, provider, outcome, answer, retryAt }): Whole<Timed<Attempt>> => ({
    after: unless(at - startedAt, 0),
    provider,
    outcome,
    answer,
    retryAt,
  })),
})

function wholeRun(
  stored: EndedRun,
  { user, notification }: { readonly user: string; readonly notification: string },
): Run {
  const { workflow, version, startedAt, outcome, endedAt } = stored
  const { events = 1, followers = 0, gatheredInto = null, isOwnCanceled = false } = stored
  const id = `${notification}/${user}`
  return {
    id,
    notification,
    recipient: user,
    workflow,
    version,
    startedAt,
    outcome,
    endedAt,
    step: null,
    wait: null,
    steps: {},
    deliveries: stored.deliveries.map(({ attempts, isDigest = false, possibleDuplicates = 0, ...rest }) => ({
      id: `${id}/${rest.step}${rest.target === undefined ? '' : `/${rest.target}`}`,
      dueAt: 0,
      deadlineAt: 0,
      isDigest,
      possibleDuplicates,
      ...rest,
      attempts: attempts.map((attempt) => withTime(attempt, startedAt)),
    })),
    notes: stored.notes.map((note) => withTime(note, startedAt)),
    events,
    followers,
    gatheredInto,
    isOwnCanceled,
  }
}

const withTime = <T>({ after = 0, ...rest }: T & { readonly after?: number | undefined }, startedAt: number) => ({
  at: startedAt + after,
  ...rest,
})
