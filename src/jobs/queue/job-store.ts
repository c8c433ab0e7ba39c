import type { Job } from '../model/job.ts'
import type { Counts, Phase } from '../model/phase.ts'
import type { FullAt } from '../model/rate.ts'
import type { Policy } from '../model/policy.ts'
import type { Schedule } from '../schedules/schedule.ts'
import type { ScheduleShare } from '../schedules/schedule-share.ts'
import type { RequestedRun } from './worker-runs.ts'

/** A job's columns that change while it lives. */
export type Change = Partial<
  Pick<
    Job,
    'payload' | 'phase' | 'rank' | 'attempts' | 'run' | 'visit' | 'permitted' | 'since' | 'progress' | 'note' | 'result'
  >
>

/** Who holds a unique name, and until when at least. */
export interface JobReservation {
  readonly job: string
  readonly until: number
}

/** Where a job stands among those of its phase. */
export type Place = Pick<Job, 'rank' | 'seq'>
export type Named = Place & Pick<Job, 'id'>

/** What the ledger is written in. Two answers: an actor's SQLite, and the same SQL in Node for the simulation. */
export interface JobStore {
  get(id: string): Job | undefined
  /** Adds a job; the place in `seq` is given by the books. */
  add(job: Omit<Job, 'seq'>): Job
  change(job: Job, change: Change): Job

  /** Makes the `limit` ready jobs whose turn it is active, `run` and `attempts` raised, in turn; fewer when they are large. */
  claim(limit: number, visit: string, now: number): Job[]
  /** Jobs of a phase whose rank is at most `rank`, lowest first. */
  upTo(phase: Phase, rank: number, limit: number): Job[]
  /** Jobs of a phase in order of rank, `descending` from the end. */
  inPhase(phase: Phase, limit: number, descending?: boolean): Job[]
  /** Jobs of a phase in order of rank, those behind `place`: by name only, since each may be large. */
  namesBehind(phase: Phase, place: Place, limit: number): Named[]
  lowestRank(phase: Phase): number | undefined
  counts(): Counts
  nextTurn(): number
  activeOf(visit: string): Job[]

  /** Jobs that hold a place of the key. */
  placesTaken(key: string): number
  /** The next job in the key's line that holds no place. */
  nextInLine(key: string): Job | undefined
  keyRate(key: string): FullAt
  setKeyRate(key: string, fullAt: FullAt): void
  /** The last start of the key that is reserved and has not come; 0 when there is none. */
  lastReserved(key: string): number
  /** Jobs that wait for a start they reserved by the queue's rate of keys, and not by one of their own, are due to ask again. */
  giveUpReserved(now: number): void
  queueRate(): FullAt
  setQueueRate(fullAt: FullAt): void

  /** Notes that `job` must wait for `others`; tells who waits for one, and lets go. */
  await(job: string, others: readonly string[]): void
  waitingFor(other: string): string[]
  /** Lets `job` no longer wait for `other`; returns how many it still waits for. */
  release(job: string, other: string): number
  forgetWaits(job: string): void

  unique(name: string): JobReservation | undefined
  setUnique(name: string, held: JobReservation): void

  /** Keeps a log line of a job, the last hundred of them. */
  addLine(job: string, at: number, line: string): void
  lines(job: string): { readonly at: number; readonly line: string }[]

  requestedRuns(): RequestedRun[]
  addRequestedRun(run: RequestedRun): void
  /** False when the run was not requested, or has started. */
  removeRequestedRun(id: string): boolean

  policy(): Policy
  setPolicy(policy: Policy): void

  schedule(name: string): Schedule | undefined
  /** At most `limit` schedules behind the name `after`, by name, without the payloads of their jobs. */
  schedulesAfter(after: string, limit: number): Schedule[]
  /** At most `limit` schedules that are due, the oldest first. */
  dueSchedules(now: number, limit: number): Schedule[]
  nextSchedule(): number | undefined
  putSchedule(schedule: Schedule): void
  removeSchedule(name: string): boolean
  /** What all schedules of the queue come to. */
  scheduleShare(): ScheduleShare
  /** What one schedule takes as it is stored; undefined when there is none of that name. */
  scheduleBytes(name: string): number | undefined

  /** Forgets ended jobs whose time of keeping is over, at most `limit`; returns how many. */
  forget(now: number, limit: number): number
}
