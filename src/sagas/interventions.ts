import type { Step } from './definition.ts'
import { advance, endWait, startCompensation, type RunContext } from './advance.ts'
import { byteLength } from '../kernel/text.ts'
import { dataBytesOf, isBehindPivot, note, runBytes, stepOf, type HistoryEntry } from './run.ts'

/** Why a person's request is refused: the run has ended, has no such step, or the step is not in a state for it. */
export type Intervention =
  | { readonly kind: 'done' }
  | { readonly kind: 'conflict' | 'notFound'; readonly detail: string }

const done = { kind: 'done' } as const
const conflict = (detail: string) => ({ kind: 'conflict', detail }) as const
const ended = conflict('id: the run has ended')
const noStep = (name: string) => ({ kind: 'notFound', detail: `step: the run has no step "${name}"` }) as const

/** Signals kept for steps that do not wait yet. */
export const maxSignals = 50

/** Gives a signal to the step that waits for it, or keeps it for the first that will. A repeat replaces a kept one. */
export function signal(context: RunContext, name: string, data: unknown, by: string): Intervention {
  const { run, definition, now } = context
  if (run.endedAt > 0) return ended
  if (run.direction === 'back') return conflict('id: the run is being compensated and waits for no signals')
  const waiting = definition.steps.find(
    (step) => isSignal(step.wait, name) && stepOf(run, step.name).phase === 'waiting',
  )
  if (waiting === undefined) {
    if (!definition.steps.some((step) => isSignal(step.wait, name)))
      return { kind: 'notFound', detail: `signal: no step of ${definition.name} waits for "${name}"` }
    if (!Object.hasOwn(run.signals, name) && Object.keys(run.signals).length >= maxSignals)
      return conflict(`signal: at most ${maxSignals} wait in a run`)
    if (dataBytesOf(run) + byteLength(JSON.stringify(data ?? null)) > runBytes)
      return conflict(`data: with it the run has more than ${runBytes} bytes of input, results and signals`)
    run.signals[name] = data
    note(run, { at: now, event: 'signal-kept', detail: name, by })
    return done
  }
  endWait(context, waiting.name, data, { detail: `signal ${name}`, by })
  return done
}

const isSignal = (wait: Step['wait'], name: string): boolean =>
  wait !== undefined && 'signal' in wait && wait.signal === name

/** Gives an event to the step that waits for it. A repeat, and one for a step that waits no more, changes nothing. */
export function eventArrived(context: RunContext, name: string, event: unknown): void {
  const { run } = context
  const state = Object.hasOwn(run.steps, name) ? stepOf(run, name) : undefined
  if (run.endedAt > 0 || (state?.phase !== 'waiting' && state?.phase !== 'active' && state?.phase !== 'pausing')) return
  endWait(context, name, event, { detail: 'its event arrived' })
}

/** Turns the run back as a failure would. Behind the pivot it is refused. */
export function cancel(context: RunContext, reason: string, by: string): Intervention {
  const { run, plan } = context
  if (run.endedAt > 0) return ended
  if (run.direction === 'back') return done
  if (isBehindPivot(run, plan)) return conflict(`step "${plan.pivot}" is done, and after it the run only goes forward`)
  startCompensation(context, reason, by)
  advance(context)
  return done
}

/** Tries a step again that needs a person, or whose next attempt is far away, with all its attempts. */
export function retryStep(context: RunContext, name: string, by: string): Intervention {
  const { run, now } = context
  if (!Object.hasOwn(run.steps, name)) return noStep(name)
  if (run.endedAt > 0) return ended
  const state = stepOf(run, name)
  if (state.phase !== 'attention' && state.phase !== 'pausing')
    return conflict(`step: "${name}" is ${state.phase}; only a step in attention or pausing can be tried again`)
  note(run, { at: now, event: 'retried', step: name, by })
  Object.assign(state, { phase: 'pausing', attempts: 0, dueAt: now })
  advance(context)
  return done
}

/**
 * Ends a step that needs a person, pauses or waits, with the result that is given: a step as done, or, while the run is compensated, its
 * compensation as made (or, for a step whose outcome is not known, as not needed).
 */
export function skipStep(
  context: RunContext,
  name: string,
  given: { reason: string; result: unknown },
  by: string,
): Intervention {
  const { run, now } = context
  if (!Object.hasOwn(run.steps, name)) return noStep(name)
  if (run.endedAt > 0) return ended
  const state = stepOf(run, name)
  if (state.phase !== 'attention' && state.phase !== 'pausing' && state.phase !== 'waiting')
    return conflict(`step: "${name}" is ${state.phase}; only a step in attention, pausing or waiting can be skipped`)
  const phase = state.purpose === 'undo' ? 'undone' : run.direction === 'back' ? 'cancelled' : 'done'
  // Compensations that follow may use the result of a step that is undone.
  const result = phase === 'undone' ? state.result : (given.result ?? null)
  Object.assign(state, { phase, dueAt: 0, endedAt: now, result, isUncertain: false })
  note(run, { at: now, event: 'skipped', step: name, detail: given.reason, by })
  advance(context)
  return done
}

/** The newest entries after `n`; undefined when some of them are gone. */
export function historyAfter({ history, entries }: { history: readonly HistoryEntry[]; entries: number }, n: number) {
  const first = history[0]?.n ?? entries + 1
  return n + 1 < first ? undefined : history.filter((entry) => entry.n > n)
}
