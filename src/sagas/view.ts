import type { z } from 'zod'
import type { sagaRun, sagaRunSummary } from '../protocol/sagas-api.ts'
import { stateOf, type Run } from './run.ts'

/** A run as a list shows it. */
export const summaryOf = (run: Run): z.input<typeof sagaRunSummary> => ({
  id: run.id,
  saga: run.definition,
  version: run.version,
  state: stateOf(run),
  isStuck: run.endedAt === 0 && Object.values(run.steps).some(isStuckNow),
  startedAt: run.startedAt,
  endedAt: orNull(run.endedAt),
  reason: run.reason ?? null,
})

/** A run with its steps, in the order in which the definition lists them, and its history. */
export const viewOf = (run: Run): z.input<typeof sagaRun> => ({
  ...summaryOf(run),
  input: run.input,
  deadlineAt: run.deadlineAt,
  watchers: [...run.watchers],
  steps: Object.entries(run.steps).map(([name, state]) => ({
    name,
    state: state.phase,
    attempts: state.attempts,
    reason: state.reason ?? null,
    result: state.result ?? null,
    startedAt: orNull(state.startedAt),
    endedAt: orNull(state.endedAt),
    dueAt: orNull(state.dueAt),
  })),
  history: run.history,
})

const isStuckNow = ({ isStuck, phase }: Run['steps'][string]): boolean =>
  isStuck === true && (phase === 'active' || phase === 'pausing' || phase === 'waiting' || phase === 'attention')

const orNull = (time: number): number | null => (time === 0 ? null : time)
