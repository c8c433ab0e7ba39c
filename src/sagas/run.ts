import { byteLength } from '../kernel/text.ts'
import type { Action, Definition, Plan, RunEventType, Step } from './definition.ts'

/**
 * Where a step stands. `active`: a call is under way. `pausing`: between two attempts. `waiting`: for a signal or a timer.
 * `attention`: a person has to decide. `unresolved`: its outcome is not known and it is compensated as if it were done.
 */
export type StepPhase =
  | 'pending'
  | 'active'
  | 'pausing'
  | 'waiting'
  | 'attention'
  | 'done'
  | 'skipped'
  | 'failed'
  | 'cancelled'
  | 'unresolved'
  | 'undone'

/** What a call is made for: the step itself, the question what became of it, or its compensation. */
export type Purpose = 'act' | 'ask' | 'undo'

export interface StepState {
  phase: StepPhase
  purpose: Purpose
  /** Number of the newest call; an outcome of another changes nothing. */
  call: number
  /** Attempts of this purpose that counted. */
  attempts: number
  /** An attempt may have had its effect: its outcome was not known. */
  isUncertain: boolean
  /** When a pause, a timer, the wait for a signal, or the call under way ends at the latest; 0 when nothing is timed. */
  dueAt: number
  startedAt: number
  endedAt: number
  /** Why it failed, pauses or needs a person. */
  reason?: string
  result?: unknown
  /** What an operation of the platform said last about a step that takes several calls. */
  progress?: string
  /** It was reported as stuck. */
  isStuck?: boolean
}

export type RunState = 'running' | 'compensating' | 'attention' | 'completed' | 'compensated'

/** One line of a run's history; `n` counts from 1. */
export interface HistoryEntry {
  readonly n: number
  readonly at: number
  readonly event: string
  readonly step?: string
  readonly detail?: string
  /** The user or key that asked for it; absent when the run did it itself. */
  readonly by?: string
}

export interface Run {
  readonly id: string
  readonly definition: string
  readonly version: number
  input: unknown
  readonly watchers: readonly string[]
  readonly keepMs: number
  readonly startedAt: number
  readonly deadlineAt: number
  direction: 'forward' | 'back'
  /** Why it turned back. */
  reason?: string
  endedAt: number
  readonly steps: Record<string, StepState>
  /** Signals that arrived before a step waited for them. */
  readonly signals: Record<string, unknown>
  history: HistoryEntry[]
  /** The number of the newest entry: the history keeps the newest ones only. */
  entries: number
  /** Events that are not in their topic yet, the oldest first; absent without one. */
  unpublished?: RunEvent[]
}

/** An event of a run as it was decided: nothing of it changes afterwards, so that a repeat is the same event. */
export interface RunEvent {
  readonly type: RunEventType
  /** The number of the entry of the history that it is about. */
  readonly n: number
  readonly at: number
  /** Of `saga.attention`: the step that waits for a person. */
  readonly step?: string
  readonly reason?: string
}

/** A call to make, once the run is written. */
export interface Effect {
  readonly run: string
  readonly step: string
  readonly call: number
  readonly purpose: Purpose
  readonly action: Action
  readonly timeoutMs: number
  readonly key: string
  readonly attempt: number
  /** Of a wait for an event: when it ends, in milliseconds since the epoch. */
  readonly until?: number
}

/** What expressions are evaluated on. */
export interface SagaDocument {
  readonly input: unknown
  readonly steps: Readonly<Record<string, { readonly state: StepPhase; readonly result: unknown }>>
  readonly run: {
    readonly id: string
    readonly saga: string
    readonly version: number
    readonly startedAt: number
    /** Why the run turned back; absent while it goes forward. */
    readonly reason?: string
  }
}

export const historyLength = 500
/** Bytes of JSON of what a run keeps of its tenant: input, results and signals. A row of an actor holds 2 MB. */
export const runBytes = 262_144

/** Bytes of JSON of what the run keeps of its tenant now. */
export function dataBytesOf({ input, steps, signals }: Run): number {
  const results = Object.values(steps).map(({ result }) => result ?? null)
  return byteLength(JSON.stringify([input, signals, results]))
}

/** The state of a run in the words of the API. */
export function stateOf(run: Run): RunState {
  if (run.endedAt > 0) return run.direction === 'forward' ? 'completed' : 'compensated'
  if (Object.values(run.steps).some(({ phase }) => phase === 'attention')) return 'attention'
  return run.direction === 'forward' ? 'running' : 'compensating'
}

/** A new run, of which no step has started. */
export function newRun(
  { name, version, steps, deadlineSeconds }: Definition,
  wanted: {
    readonly id: string
    readonly input: unknown
    readonly watchers: readonly string[]
    readonly keepMs: number
  },
  now: number,
): Run {
  const run: Run = {
    ...wanted,
    definition: name,
    version,
    startedAt: now,
    deadlineAt: now + (deadlineSeconds ?? longestSeconds) * 1000,
    direction: 'forward',
    endedAt: 0,
    steps: Object.fromEntries(steps.map((step) => [step.name, pending()])),
    signals: {},
    history: [],
    entries: 0,
  }
  note(run, { at: now, event: 'started' })
  return run
}

/** A run ends after a year at the latest, in seconds. */
export const longestSeconds = 365 * 86_400

const pending = (): StepState => ({
  phase: 'pending',
  purpose: 'act',
  call: 0,
  attempts: 0,
  isUncertain: false,
  dueAt: 0,
  startedAt: 0,
  endedAt: 0,
})

export function note(run: Run, entry: Omit<HistoryEntry, 'n'>): void {
  run.entries++
  run.history.push({ n: run.entries, ...entry })
  if (run.history.length > historyLength) run.history.splice(0, run.history.length - historyLength)
}

export function documentOf(run: Run): SagaDocument {
  const steps = Object.entries(run.steps).map(([name, { phase, result }]) => [name, { state: phase, result }] as const)
  return {
    input: run.input,
    steps: Object.fromEntries(steps),
    run: {
      id: run.id,
      saga: run.definition,
      version: run.version,
      startedAt: run.startedAt,
      ...(run.reason === undefined ? {} : { reason: run.reason }),
    },
  }
}

/** The key under which an endpoint makes an effect once: the same for every attempt. */
export const keyOf = (run: string, step: string, purpose: Purpose): string =>
  purpose === 'undo' ? `${run}/${step}/undo` : `${run}/${step}`

/** The step's state; throws for a step that the run does not have. */
export function stepOf(run: Run, name: string): StepState {
  const state = run.steps[name]
  if (state === undefined || !Object.hasOwn(run.steps, name)) throw new Error(`the run has no step "${name}"`)
  return state
}

export const isEnded = ({ phase }: StepState): boolean => phase === 'done' || phase === 'skipped'

/** Whether only going forward is left. */
export const isBehindPivot = (run: Run, { pivot }: Plan): boolean =>
  pivot !== undefined && run.steps[pivot]?.phase === 'done'

/** The action of a call for this purpose; undefined when the step has none. */
export function actionOf(step: Step, purpose: Purpose): Action | undefined {
  if (purpose === 'undo') return step.compensate
  if (purpose === 'ask') return step.status
  if (step.wait !== undefined && 'event' in step.wait) return step.wait
  return step.call ?? step.operation
}
