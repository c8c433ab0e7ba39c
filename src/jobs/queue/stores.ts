import type { Job } from '../model/job.ts'
import type { PhaseCounts, Phase } from '../model/phase.ts'
import type { FullAt } from '../model/rate.ts'
import type { Policy } from '../model/policy.ts'
import type { ScheduleStore } from '../schedules/schedule.ts'
import type { RequestedRun } from './worker-runs.ts'

/** What a queue keeps: in an actor's SQLite, or in that of Node in tests and simulations. */
export interface QueueStores {
  readonly jobs: JobStore
  readonly keys: KeyStore
  readonly waits: WaitStore
  readonly uniques: UniqueStore
  readonly runs: RunStore
  readonly settings: SettingsStore
  readonly schedules: ScheduleStore
  readonly lines: LineStore
}

/** The columns of a job that change during its life. */
export type JobChange = Partial<
  Pick<
    Job,
    | 'payload'
    | 'phase'
    | 'rank'
    | 'attempts'
    | 'run'
    | 'workerRun'
    | 'permitted'
    | 'since'
    | 'progress'
    | 'note'
    | 'result'
  >
>

/** A position in the order of a phase. */
export type RankCursor = Pick<Job, 'rank' | 'seq'>

export interface JobStore {
  get(id: string): Job | undefined
  /** Adds a job and gives it its `seq`. */
  add(job: Omit<Job, 'seq'>): Job
  change(job: Job, change: JobChange): Job
  /** Makes the first `limit` ready jobs active, with `run` and `attempts` raised; fewer when they are large. */
  claim(limit: number, run: string, now: number): Job[]
  /** Jobs of a phase with at most this rank, the lowest first. */
  upTo(phase: Phase, rank: number, limit: number): Job[]
  /** Ids of the jobs of a phase behind `cursor`, by rank; without the jobs, each of which may be large. */
  idsAfter(phase: Phase, cursor: RankCursor, limit: number): (RankCursor & Pick<Job, 'id'>)[]
  lowestRank(phase: Phase): number | undefined
  counts(): PhaseCounts
  /** A number higher than any before: the order in which jobs of one priority become ready. */
  nextOrder(): number
  /** Jobs that a worker run has. */
  activeOf(run: string): Job[]
}

export interface KeyStore {
  /** How many jobs of the key are ready, active or pausing. */
  placesTaken(key: string): number
  /** The first held job of the key. */
  nextInLine(key: string): Job | undefined
  rate(key: string): FullAt
  setRate(key: string, fullAt: FullAt): void
  /** The time of the last start that is reserved for the key and has not come; 0 when there is none. */
  lastReserved(key: string): number
  /** Makes jobs that wait for a start reserved by the queue's `keyRate` due now, so that they reserve anew. */
  releaseReserved(now: number): void
}

export interface WaitStore {
  /** Notes that `job` waits for `others`. */
  add(job: string, others: readonly string[]): void
  /** Ids of the jobs that wait for `other`. */
  waitingFor(other: string): string[]
  /** `job` no longer waits for `other`; returns for how many it still waits. */
  remove(job: string, other: string): number
  /** `job` no longer waits for any. */
  forget(job: string): void
}

/** The job that holds a unique name; a throttled name is held until a time. */
export interface UniqueHolder {
  readonly job: string
  readonly until: number
}

export interface UniqueStore {
  get(name: string): UniqueHolder | undefined
  set(name: string, holder: UniqueHolder): void
}

/** Worker runs that were requested and have not started. */
export interface RunStore {
  all(): RequestedRun[]
  has(id: string): boolean
  add(run: RequestedRun): void
  /** False when the run was not requested, or has started. */
  remove(id: string): boolean
  /** QStash accepted the run. */
  notePublished(id: string): void
}

/** The log of each job, the newest hundred lines. */
export interface LineStore {
  add(job: string, at: number, line: string): void
  of(job: string): { readonly at: number; readonly line: string }[]
}

export interface SettingsStore {
  readonly policy: Policy
  setPolicy(policy: Policy): void
  /** When the bucket of the queue's own rate is full. */
  readonly rate: FullAt
  setRate(fullAt: FullAt): void
  /** Whether the tenant is suspended, so that no job starts and no schedule runs. */
  readonly isHeld: boolean
  setHeld(isHeld: boolean): void
}
