import { evaluate, isTrue } from '../kernel/expression.ts'
import { backoffMs } from '../kernel/retry.ts'
import { byteLength } from '../kernel/text.ts'
import type { Definition, Plan, Step } from './definition.ts'
import { decideEvent, publishAgainAt } from './run-events.ts'
import {
  actionOf,
  dataBytesOf,
  documentOf,
  isBehindPivot,
  isEnded,
  keyOf,
  note,
  runBytes,
  stepOf,
  type Effect,
  type HistoryEntry,
  type Purpose,
  type Run,
  type StepState,
} from './run.ts'

/**
 * What became of a call. `not-started`: it had no effect; `isFinal` when the endpoint refused it for good, `isUncounted` when it
 * was not made at all (its host's breaker is open). `unknown`: it may have had its effect.
 */
export type Outcome =
  | { readonly kind: 'done'; readonly result?: unknown }
  | {
      readonly kind: 'not-started'
      readonly reason: string
      readonly isFinal?: boolean
      readonly isUncounted?: boolean
      /** The effect may be there already: the endpoint answered 409. */
      readonly isConflict?: boolean
      readonly retryInMs?: number
    }
  | { readonly kind: 'unknown'; readonly reason: string; readonly retryInMs?: number }
  /** The event that the step waits for has not been published yet. */
  | { readonly kind: 'waiting' }
  /** Of the platform's own operations: the call was made, and another one has to go on. It does not count as an attempt. */
  | { readonly kind: 'unfinished'; readonly detail: string; readonly inMs: number }

/** A run with what it is decided by. `now` in milliseconds; `random` in [0, 1). */
export interface RunContext {
  readonly run: Run
  readonly definition: Definition
  readonly plan: Plan
  readonly now: number
  readonly random: () => number
  readonly effects: Effect[]
  /** A call of the run is waiting or under way here: it will come back, so none is taken as lost. */
  readonly hasCalls: boolean
  /** How long a step may take until it is reported as stuck, in milliseconds. */
  readonly stuckAfterMs: (step: Step) => number
}

/** Attempts of a compensation, and of a step behind the pivot, before a person is asked; more where the step's own `retry` has more. */
export const stubbornAttempts = 20
/** How often a run is looked at whose calls wait for their turn, in milliseconds. */
const lookAgainMs = 60_000
/** How long after its timeout a call is taken as lost. */
export const lostMs = 5_000
/** How long the log of events may take to note a wait, in milliseconds. */
const registerMs = 10_000
/** Bytes of JSON of one step's result: an event of 64 KiB with its attributes fits. */
export const resultBytes = 66_560

/** Takes the outcome of a call and goes on. An outcome of an earlier call changes nothing; returns whether it counted. */
export function settle(context: RunContext, name: string, call: number, outcome: Outcome): boolean {
  const state = stepOf(context.run, name)
  if (state.phase !== 'active' || state.call !== call || context.run.endedAt > 0) return false
  const one = { ...context, name, state, step: stepNamed(context, name) }
  if (state.purpose === 'act') settleAct(one, outcome)
  else if (state.purpose === 'ask') settleAsk(one, outcome)
  else settleUndo(one, outcome)
  advance(context)
  return true
}

/** Starts what can start now, ends what is over. Called after every change and when the alarm rings. */
export function advance(context: RunContext): void {
  const { run, definition, now } = context
  if (run.endedAt > 0) return
  if (run.direction === 'forward' && now >= run.deadlineAt && !isBehindPivot(run, context.plan))
    startCompensation(context, 'the deadline of the run is over')
  for (const step of definition.steps) passTime(context, step)
  if (run.direction === 'forward') goForward(context)
  if (run.direction === 'back') goBack(context)
  for (const step of definition.steps) reportStuck(context, step)
}

/** What was under way when the actor lost its memory may have happened or not. */
export function resume(context: RunContext): void {
  for (const { name } of context.definition.steps) {
    const state = stepOf(context.run, name)
    if (state.phase !== 'active') continue
    const one = { ...context, name, state, step: stepNamed(context, name) }
    const outcome: Outcome = { kind: 'unknown', reason: 'the call was interrupted' }
    if (state.purpose === 'act') settleAct(one, outcome)
    else if (state.purpose === 'ask') settleAsk(one, outcome)
    else settleUndo(one, outcome)
  }
  advance(context)
}

/** The next time at which something is due, in milliseconds since the epoch; Infinity when only a person can go on. */
export function nextDueAt({ run, plan, now, hasCalls, stuckAfterMs }: RunContext): number {
  const publishAt = publishAgainAt(run, now)
  if (run.endedAt > 0) return publishAt === Infinity ? run.endedAt + run.keepMs : publishAt
  const hasDeadline = run.direction === 'forward' && !isBehindPivot(run, plan)
  let next = Math.min(publishAt, hasDeadline ? run.deadlineAt : Infinity)
  for (const [name, state] of Object.entries(run.steps)) {
    const { phase, dueAt } = state
    if (phase === 'active') next = Math.min(next, Math.max(dueAt + lostMs, hasCalls ? now + lookAgainMs : 0))
    else if (phase === 'pausing' || phase === 'waiting') next = Math.min(next, dueAt)
    const step = plan.steps.get(name)
    if (step !== undefined && isOpen(state) && state.isStuck !== true)
      next = Math.min(next, state.startedAt + stuckAfterMs(step))
  }
  return next
}

const isOpen = ({ phase }: StepState): boolean =>
  phase === 'active' || phase === 'pausing' || phase === 'waiting' || phase === 'attention'

/** Notes once that a step takes longer than usual, or longer than its definition says. */
function reportStuck({ run, now, stuckAfterMs }: RunContext, step: Step): void {
  const state = stepOf(run, step.name)
  if (!isOpen(state) || state.isStuck === true || now < state.startedAt + stuckAfterMs(step)) return
  state.isStuck = true
  note(run, { at: now, event: 'stuck', step: step.name, detail: `it has been ${state.phase} for longer than usual` })
}

/** Turns the run back: no further step starts, and what was done is compensated. */
export function startCompensation({ run, now }: RunContext, reason: string, by?: string): void {
  run.direction = 'back'
  run.reason = reason
  note(run, { at: now, event: 'compensation-started', detail: reason, ...(by === undefined ? {} : { by }) })
}

/** One step of a context. */
interface One extends RunContext {
  readonly name: string
  readonly step: Step
  readonly state: StepState
}

function stepNamed({ plan }: RunContext, name: string): Step {
  const step = plan.steps.get(name)
  if (step === undefined) throw new Error(`the definition has no step "${name}"`)
  return step
}

function passTime(context: RunContext, step: Step): void {
  const state = stepOf(context.run, step.name)
  const one = { ...context, name: step.name, state, step }
  if (state.phase === 'active' && !context.hasCalls && context.now >= state.dueAt + lostMs) settleLost(one)
  if (context.now < state.dueAt) return
  if (state.phase === 'waiting') {
    if (step.sleep === undefined)
      fail(one, `the ${step.wait !== undefined && 'event' in step.wait ? 'event' : 'signal'} did not arrive in time`)
    else finish(one, null)
  } else if (state.phase === 'pausing') {
    if (actionOf(step, state.purpose) === undefined) start(one)
    else begin(one, state.purpose)
  }
}

function settleLost(one: One): void {
  const outcome: Outcome = { kind: 'unknown', reason: 'the call did not come back' }
  if (one.state.purpose === 'act') settleAct(one, outcome)
  else if (one.state.purpose === 'ask') settleAsk(one, outcome)
  else settleUndo(one, outcome)
}

function goForward(context: RunContext): void {
  const { run, definition, plan } = context
  // A skipped step may free the next one, so look until nothing changes.
  for (let changed = true; changed && run.direction === 'forward';) {
    changed = false
    for (const step of definition.steps) {
      const state = stepOf(run, step.name)
      const isFree = (plan.parents.get(step.name) ?? []).every((parent) => isEnded(stepOf(run, parent)))
      if (state.phase !== 'pending' || !isFree || run.direction !== 'forward') continue
      start({ ...context, name: step.name, state, step })
      changed = true
    }
  }
  if (run.direction === 'forward' && definition.steps.every(({ name }) => isEnded(stepOf(run, name))))
    end(context, 'completed')
}

function start(one: One): void {
  const { run, step, state, now, name } = one
  state.startedAt = now
  try {
    if (step.when !== undefined && !isTrue(evaluate(step.when, documentOf(run)))) {
      Object.assign(state, { phase: 'skipped', endedAt: now })
      note(run, { at: now, event: 'skipped', step: name, detail: 'its condition is false' })
      return
    }
  } catch (thrown) {
    fail(one, `when: ${reasonOf(thrown)}`)
    return
  }
  if (step.sleep !== undefined) wait(one, now + step.sleep.seconds * 1000)
  else if (step.wait === undefined || 'event' in step.wait) begin(one, 'act')
  else if (Object.hasOwn(run.signals, step.wait.signal)) {
    const data = run.signals[step.wait.signal]
    delete run.signals[step.wait.signal]
    finish(one, data)
  } else wait(one, now + step.timeoutSeconds * 1000)
}

function wait({ state, run, now, name }: One, until: number): void {
  Object.assign(state, { phase: 'waiting', dueAt: until })
  note(run, { at: now, event: 'waiting', step: name })
}

/** Makes a call; the effect is carried out after the run has been written. */
function begin(one: One, purpose: Purpose): void {
  const { run, step, state, now, name, effects } = one
  const action = actionOf(step, purpose)
  if (action === undefined) throw new Error(`step "${name}" has nothing to call`)
  const isRepeat = state.purpose === purpose
  state.purpose = purpose
  state.attempts = isRepeat ? state.attempts : 0
  state.call++
  state.phase = 'active'
  const isWait = step.wait !== undefined
  const timeoutMs = isWait ? registerMs : step.timeoutSeconds * 1000
  state.dueAt = now + timeoutMs
  delete state.reason
  if (purpose === 'undo' && state.attempts === 0) note(run, { at: now, event: 'compensating', step: name })
  if (purpose === 'act' && state.call === 1) note(run, { at: now, event: 'step-started', step: name })
  effects.push({
    run: run.id,
    step: name,
    call: state.call,
    purpose,
    action,
    timeoutMs,
    key: keyOf(run.id, name, purpose),
    attempt: state.attempts + 1,
    ...(isWait ? { until: state.startedAt + step.timeoutSeconds * 1000 } : {}),
  })
}

function settleAct(one: One, outcome: Outcome): void {
  const { state, step } = one
  if (outcome.kind === 'waiting') {
    wait(one, state.startedAt + step.timeoutSeconds * 1000)
    return
  }
  if (outcome.kind === 'unfinished') {
    goOnLater(one, outcome)
    return
  }
  if (outcome.kind === 'done') {
    finish(one, outcome.result)
    return
  }
  if (!(outcome.kind === 'not-started' && outcome.isUncounted === true)) state.attempts++
  if (outcome.kind === 'unknown') {
    state.isUncertain = true
    if (step.status === undefined) again(one, 'act', outcome.reason, outcome.retryInMs)
    else ask(one)
  } else if (outcome.isFinal === true) refused(one, outcome)
  else again(one, 'act', outcome.reason, outcome.retryInMs)
}

/** Another call goes on with the step. What it says of itself is noted when it changes. */
function goOnLater({ run, state, now, name }: One, { detail, inMs }: Extract<Outcome, { kind: 'unfinished' }>): void {
  if (state.progress !== detail) note(run, { at: now, event: 'progress', step: name, detail })
  Object.assign(state, {
    phase: 'pausing',
    attempts: 0,
    isUncertain: false,
    progress: detail,
    reason: detail,
    dueAt: now + Math.ceil(inMs),
  })
}

/** The endpoint refused. After an attempt whose outcome is not known that may mean that the effect is there already. */
function refused(one: One, { reason, isConflict }: Extract<Outcome, { kind: 'not-started' }>): void {
  const { state, step } = one
  if (!state.isUncertain) fail(one, reason)
  else if (step.status !== undefined) ask(one)
  else if (isConflict === true) resolveUnknown(one, reason)
  else fail(one, reason)
}

/** Asks what became of the step. Attempts of the step go on counting: a question is none of them. */
function ask(one: One): void {
  const { attempts } = one.state
  begin(one, 'ask')
  one.state.attempts = attempts
}

function settleAsk(one: One, outcome: Outcome): void {
  const { state } = one
  const { attempts } = state
  state.purpose = 'act'
  if (outcome.kind !== 'done') {
    if (outcome.kind !== 'waiting' && outcome.kind !== 'unfinished')
      again(one, 'act', outcome.reason, outcome.retryInMs)
    return
  }
  const answer = statusIn(outcome.result)
  if (answer.outcome === 'done') finish(one, answer.result)
  else {
    if (answer.outcome === 'not-started') state.isUncertain = false
    state.attempts = attempts
    again(one, 'act', `its status is ${answer.outcome}`)
  }
}

/** The body of a status call: `{"outcome": "done" | "not-started" | "unknown", "result"?}`. All else is unknown. */
function statusIn(body: unknown): { readonly outcome: 'done' | 'not-started' | 'unknown'; readonly result: unknown } {
  if (typeof body !== 'object' || body === null || !('outcome' in body)) return { outcome: 'unknown', result: null }
  const result = 'result' in body ? body.result : null
  if (body.outcome === 'done') return { outcome: 'done', result }
  return { outcome: body.outcome === 'not-started' ? 'not-started' : 'unknown', result: null }
}

function settleUndo(one: One, outcome: Outcome): void {
  const { run, state, name, now } = one
  if (outcome.kind === 'done') {
    Object.assign(state, { phase: 'undone', dueAt: 0 })
    note(run, { at: now, event: 'compensated', step: name })
    return
  }
  if (outcome.kind === 'waiting') return
  if (outcome.kind === 'unfinished') {
    goOnLater(one, outcome)
    return
  }
  if (!(outcome.kind === 'not-started' && outcome.isUncounted === true)) state.attempts++
  if (outcome.kind === 'not-started' && outcome.isFinal === true)
    needPerson(one, `its compensation was refused: ${outcome.reason}`)
  else again(one, 'undo', outcome.reason, outcome.retryInMs)
}

/** Another attempt after a pause, or the end of attempts. */
function again(one: One, purpose: 'act' | 'undo', reason: string, retryInMs?: number): void {
  const { run, state, step, now, name, random, plan } = one
  const isStubborn = purpose === 'undo' || isBehindPivot(run, plan)
  const attempts = isStubborn ? Math.max(stubbornAttempts, step.retry.attempts) : step.retry.attempts
  state.purpose = purpose
  state.reason = reason
  const isGivenUp = purpose === 'act' && run.direction === 'back' && !state.isUncertain
  if (state.attempts >= attempts || isGivenUp) {
    giveUp(one, purpose, reason)
    return
  }
  const { seconds, maxSeconds } = step.retry
  const pause = state.attempts === 0 ? 0 : backoffMs(state.attempts, seconds * 1000, maxSeconds * 1000, random())
  Object.assign(state, { phase: 'pausing', dueAt: now + Math.ceil(Math.max(pause, retryInMs ?? 0)) })
  note(run, {
    at: now,
    event: purpose === 'undo' ? 'compensation-failed' : 'attempt-failed',
    step: name,
    detail: reason,
  })
}

function giveUp(one: One, purpose: 'act' | 'undo', reason: string): void {
  if (purpose === 'undo') needPerson(one, `its compensation failed: ${reason}`)
  else if (one.state.isUncertain) resolveUnknown(one, reason)
  else fail(one, reason)
}

/** It is not known whether the step had its effect, and no answer is left to wait for. */
function resolveUnknown(one: One, reason: string): void {
  const { run, step, state, now, plan } = one
  if (step.onUnknown === 'attention' || isBehindPivot(run, plan)) {
    needPerson(one, `its outcome is not known: ${reason}`)
    return
  }
  Object.assign(state, { phase: 'unresolved', dueAt: 0, endedAt: now, reason })
  if (run.direction === 'forward') startCompensation(one, `the outcome of "${one.name}" is not known: ${reason}`)
}

function needPerson(one: One, reason: string): void {
  const { run, state, now, name } = one
  Object.assign(state, { phase: 'attention', dueAt: 0, reason })
  note(run, { at: now, event: 'attention', step: name, detail: reason })
  decideEvent(one, 'saga.attention', { step: name, reason })
}

function finish(one: One, result: unknown, entry: Pick<HistoryEntry, 'detail' | 'by'> = {}): void {
  const { run, state, now, name } = one
  const tooLong = excessOf(run, result)
  // Its effect is there. Going forward only a person can say with what; going back it is compensated like any other.
  if (tooLong !== undefined && run.direction === 'forward') {
    needPerson(one, tooLong)
    return
  }
  const kept = tooLong === undefined ? (result ?? null) : null
  Object.assign(state, { phase: 'done', dueAt: 0, endedAt: now, result: kept, isUncertain: false })
  delete state.reason
  note(run, { at: now, event: 'step-done', step: name, ...entry })
}

/** Ends the wait of a step with what it waited for. */
export function endWait(
  context: RunContext,
  name: string,
  result: unknown,
  entry: Pick<HistoryEntry, 'detail' | 'by'>,
): void {
  finish({ ...context, name, state: stepOf(context.run, name), step: stepNamed(context, name) }, result, entry)
  advance(context)
}

function excessOf(run: Run, result: unknown): string | undefined {
  const bytes = byteLength(JSON.stringify(result ?? null))
  if (bytes > resultBytes) return `its result is longer than ${resultBytes} bytes of JSON`
  return bytes + dataBytesOf(run) > runBytes
    ? `with its result the run has more than ${runBytes} bytes of input, results and signals`
    : undefined
}

function fail(one: One, reason: string): void {
  const { run, state, now, name, plan } = one
  if (isBehindPivot(run, plan)) {
    needPerson(one, reason)
    return
  }
  Object.assign(state, { phase: 'failed', dueAt: 0, endedAt: now, reason })
  note(run, { at: now, event: 'step-failed', step: name, detail: reason })
  if (run.direction === 'forward') startCompensation(one, `"${name}" failed: ${reason}`)
}

/** Lets go of what has not begun, waits for what is under way, and compensates what is done, the latest first. */
function goBack(context: RunContext): void {
  const { run, definition, now } = context
  for (const step of definition.steps) {
    const state = stepOf(run, step.name)
    const isUnbegun = state.phase === 'pending' || state.phase === 'waiting'
    if (isUnbegun || (state.phase === 'pausing' && state.purpose === 'act' && !state.isUncertain))
      Object.assign(state, { phase: 'cancelled', dueAt: 0, endedAt: now })
  }
  const states = definition.steps.map((step) => ({ step, state: stepOf(run, step.name) }))
  if (states.some(({ state: { phase } }) => phase === 'active' || phase === 'pausing' || phase === 'attention')) return
  const next = states
    .filter(
      ({ step, state }) => step.compensate !== undefined && (state.phase === 'done' || state.phase === 'unresolved'),
    )
    .toSorted(
      (a, b) =>
        b.state.endedAt - a.state.endedAt || definition.steps.indexOf(b.step) - definition.steps.indexOf(a.step),
    )
    .at(0)
  if (next === undefined) end(context, 'compensated')
  else begin({ ...context, name: next.step.name, step: next.step, state: next.state }, 'undo')
}

function end(context: RunContext, event: 'completed' | 'compensated'): void {
  const { run, now, definition } = context
  run.endedAt = now
  if (definition.forgetsInput === true) run.input = null
  note(run, { at: now, event })
  decideEvent(context, `saga.${event}`, run.reason === undefined ? {} : { reason: run.reason })
}

const reasonOf = (thrown: unknown): string => (thrown instanceof Error ? thrown.message : String(thrown))
