import type {
  Channel,
  Delivery,
  DeliveryOrder,
  DigestEvent,
  Note,
  NotificationSpec,
  Profile,
  ProviderState,
  RunDocument,
} from '../model.ts'
import type { PreferenceLayers } from '../preferences/decide.ts'
import { planOf } from '../workflows/plan.ts'

/** What a run waits for at its step, with the time at which the wait ends at the latest. */
export type RunWait =
  | { readonly kind: 'delay'; readonly until: number }
  | DigestWait
  | { readonly kind: 'state'; readonly until: number; readonly for: 'seen' | 'read' | 'interacted' }
  | { readonly kind: 'event'; readonly until: number; readonly event: string; readonly correlation: string }
  /** A call is under way, or waits for its next attempt. */
  | { readonly kind: 'fetch'; until: number; call: number; isActive: boolean }
  | { readonly kind: 'deliveries' }

/** A run gathers others that reach the step with the same key. */
export interface DigestWait {
  readonly kind: 'digest'
  /** Null once the window is closed. */
  key: string | null
  /**
   * When the window ends, as far as is known: runs that were gathered may have prolonged it (`countFollowers`). Absent in one that was opened by a
   * version of the time before runs were gathered without writing their leader; then `until` is the end.
   */
  closesAt?: number
  /** Later than the end, so that an earlier version, which does not count runs that were gathered, leaves the window open. */
  until: number
  /** Of a sliding window: what each run prolongs it by, and when it ends all the same. */
  readonly slideMs?: number
  readonly maxUntil?: number
}

/** A window as a run finds it that reaches a digest step. */
export interface OpenWindow {
  /** The run that opened it. */
  readonly run: string
  /** When it ends, after all runs that were gathered. */
  readonly closesAt: number
  /** The number of the run that was gathered last; 0 before the first. */
  readonly last: number
}

/** A run that was gathered, as the count of its window sees it. */
export interface Follower {
  readonly n: number
  readonly at: number
  readonly events: number
}

/** What became of a step, as conditions see it. Steps that send have the state of their deliveries beside it. */
export interface StepResult {
  readonly state: 'done' | 'skipped'
  /** `happened` or `timeout` of a wait, `done` or `failed` of a fetch, the number of the case of a branch. */
  readonly outcome?: string | undefined
  /** Of a fetch: its answer. Of a wait for an event: the data of the event. */
  readonly result?: unknown
}

export type RunOutcome = 'completed' | 'gathered' | 'throttled' | 'canceled'

/** One workflow for one recipient of one notification: plain JSON, kept in the notice's row. */
export interface Run {
  /** Unique in the tenant; ids of its deliveries begin with it. */
  readonly id: string
  readonly notification: string
  readonly recipient: string
  readonly workflow: string
  readonly version: number
  readonly startedAt: number
  /** What its steps ended with; null while there are steps to be made. Deliveries may still be under way. */
  outcome: RunOutcome | null
  /** When its steps and deliveries had ended; 0 before. */
  endedAt: number
  /** The step at which it stands; null behind the last one. */
  step: string | null
  wait: RunWait | null
  steps: Record<string, StepResult>
  deliveries: Delivery[]
  notes: Note[]
  /** Notifications that it stands for: its own, and those of runs gathered into it. */
  events: number
  /** The number of the newest run that was gathered into it and is counted in `events`. */
  followers: number
  /** The run that goes on for it, its number among the followers of that run, from 1, and when it was gathered. */
  gatheredInto: { readonly run: string; readonly n: number; readonly at?: number } | null
  /** Its own notification was canceled; it goes on for those that it gathered. */
  isOwnCanceled: boolean
}

/** What is stored of one user, read and written in the commit that also writes the run. */
export interface RunStorage {
  /** The window of this user that is open under `key` (`digestKeyOf`). */
  window(key: string): OpenWindow | undefined
  /** A run of this user, with all runs counted that were gathered into it (`countFollowers`). */
  run(id: string): Run | undefined
  /** Writes a run other than that of the context. */
  saveRun(run: Run): void
  /** The runs gathered into a run, the newest first (the greatest `gatheredInto.n`). */
  followers(id: string): Iterable<Run>
  /** A notification as templates see it. */
  event(notification: string): DigestEvent
  /** When runs passed a throttle, the oldest first; empty when nothing is known. */
  throttle(key: string): readonly number[]
  /** Keeps the times of a throttle; they may be dropped after `until`. */
  saveThrottle(key: string, times: readonly number[], until: number): void
}

/** What the actor has to do. The first two are done after the commit, the others are written in it. */
export type Effect =
  | {
      readonly kind: 'deliver'
      readonly delivery: string
      /** The number of the attempt, from 1; `settle` is given it again. */
      readonly attempt: number
      readonly order: Omit<DeliveryOrder, 'tenant'>
      readonly timeoutMs: number
    }
  | {
      readonly kind: 'fetch'
      readonly step: string
      /** The number of the call, from 1; `settleFetch` is given it again. */
      readonly call: number
      readonly url: string
      readonly body: unknown
      readonly timeoutMs: number
      /** The same for all attempts. */
      readonly idempotencyKey: string
    }
  /** Properties to be merged into those of the profile; null removes one. */
  | { readonly kind: 'update-user'; readonly properties: Readonly<Record<string, unknown>> }
  /** The address or target does not exist any more; without `target` it is the e-mail address or the phone number. */
  | { readonly kind: 'remove-target'; readonly channel: Channel; readonly target?: string | undefined }

/** A run with what it is decided by. */
export interface RunContext {
  readonly run: Run
  /** The notification of the run, with the version of the workflow that the run names. */
  readonly spec: NotificationSpec
  /** Changed by steps that update the user. */
  profile: Profile
  readonly actor?: Partial<Profile> | undefined
  readonly preferences: PreferenceLayers
  /** The zone of users without one of their own. */
  readonly tenantZone?: string | undefined
  /** What the recipient did with the item in the feed. */
  readonly state: RunDocument['state']
  readonly providers: (channel: Channel) => readonly ProviderState[]
  readonly storage: RunStorage
  /** Milliseconds since the epoch. */
  readonly now: number
  /** In [0, 1). */
  readonly random: () => number
  readonly effects: Effect[]
}

/** A run of which no step has started. */
export function newRun(
  spec: NotificationSpec,
  wanted: { readonly id: string; readonly recipient: string },
  now: number,
): Run {
  return {
    id: wanted.id,
    notification: spec.id,
    recipient: wanted.recipient,
    workflow: spec.workflow.name,
    version: spec.workflow.version,
    startedAt: now,
    outcome: null,
    endedAt: 0,
    step: planOf(spec.workflow).first,
    wait: null,
    steps: {},
    deliveries: [],
    notes: [],
    events: 1,
    followers: 0,
    gatheredInto: null,
    isOwnCanceled: false,
  }
}

/** Notes that a run keeps, the newest ones. */
export const maxNotes = 200
const noteLength = 300

/** Notes a decision. The first notes and the newest stay. */
export function note(run: Run, at: number, rule: string, text: string, step?: string): void {
  run.notes.push({ at, ...(step === undefined ? {} : { step }), rule, text: text.slice(0, noteLength) })
  if (run.notes.length > maxNotes) run.notes.splice(maxNotes / 2, run.notes.length - maxNotes)
}

/** The key under which a run gathers others now. */
export const digestKeyOf = ({ wait }: Run): string | undefined =>
  wait?.kind === 'digest' && wait.key !== null ? wait.key : undefined

/** The event that a run waits for now. */
export const awaitedEventOf = ({ wait }: Run): { readonly event: string; readonly correlation: string } | undefined =>
  wait?.kind === 'event' ? wait : undefined

/** When a wait ends at the latest; Infinity where its deliveries say. */
export function endOf(wait: RunWait): number {
  if (wait.kind === 'deliveries') return Infinity
  return wait.kind === 'digest' ? (wait.closesAt ?? wait.until) : wait.until
}

export const isOpen = ({ state }: Delivery): boolean => state === 'waiting' || state === 'active'

/** The next time at which something is due; Infinity when nothing is. */
export function nextDueAt({ wait, deliveries, endedAt }: Run): number {
  if (endedAt > 0) return Infinity
  let next = wait === null ? Infinity : endOf(wait)
  for (const delivery of deliveries) if (isOpen(delivery)) next = Math.min(next, delivery.dueAt)
  return next
}
