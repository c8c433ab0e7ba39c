import { backoffMs } from '../../kernel/retry.ts'
import { byteLength } from '../../kernel/text.ts'
import type { DeliveryOutcome, StepKind, WorkflowStep } from '../model.ts'
import { planOf } from '../workflows/plan.ts'
import { endCanceled, gather, keyFor, leaveDigest } from './digest.ts'
import { deliveriesOf, documentOf, holds, isReached, valueOf } from './document.ts'
import { endOf, isOpen, note, type RunContext, type StepResult } from './run.ts'
import { addDelivery, lostMs, sendDue, settleDelivery } from './sending.ts'

/** What became of the call of a fetch step. `failed` may be tried again, `refused` may not. */
export type FetchOutcome =
  | { readonly kind: 'done'; readonly result: unknown }
  | { readonly kind: 'failed' | 'refused'; readonly reason: string }

export const fetchAttempts = 3
/** Bytes of JSON of the answer that a fetch step, or of the event that a wait keeps. */
export const resultBytes = 16_384
/** Bytes of JSON of the properties that one step may change. */
const propertyBytes = 16_384

type StepOf<Kind extends StepKind['kind']> = Extract<WorkflowStep, { kind: Kind }>

/** Makes all steps and deliveries go on that can. Called for a new run, at its time, and after each change. */
export function advance(context: RunContext): void {
  const { run, now } = context
  if (run.endedAt > 0) return
  for (let isChanged = true; isChanged;) {
    isChanged = makeStep(context)
    isChanged = sendDue(context) || isChanged
  }
  if (run.step === null && run.wait === null && !run.deliveries.some(isOpen)) {
    run.outcome ??= 'completed'
    run.endedAt = now
  }
}

/** Takes the outcome of an attempt of a delivery, and goes on. Returns whether it changed anything. */
export function settle(context: RunContext, delivery: string, attempt: number, outcome: DeliveryOutcome): boolean {
  const isChanged = settleDelivery(context, delivery, attempt, outcome)
  if (isChanged) advance(context)
  return isChanged
}

/** Takes the outcome of the call of a fetch step, and goes on. That of an earlier call changes nothing. */
export function settleFetch(context: RunContext, step: string, call: number, outcome: FetchOutcome): boolean {
  const { run, now, random } = context
  const { wait } = run
  if (run.step !== step || wait?.kind !== 'fetch' || wait.call !== call || !wait.isActive) return false
  if (outcome.kind === 'done' && isKept(outcome.result)) {
    goOn(context, { state: 'done', outcome: 'done', result: outcome.result })
    note(run, now, 'fetch', 'answered', step)
  } else {
    const reason = outcome.kind === 'done' ? `its answer has more than ${resultBytes} bytes` : outcome.reason
    note(run, now, 'fetch', `failed: ${reason}`, step)
    if (outcome.kind !== 'failed' || wait.call >= fetchAttempts) goOn(context, { state: 'done', outcome: 'failed' })
    else Object.assign(wait, { isActive: false, until: now + backoffMs(wait.call, 2_000, 60_000, random()) })
  }
  advance(context)
  return true
}

/** Gives a run an event. Returns whether the run was waiting for it. */
export function eventArrived(
  context: RunContext,
  { event, correlation, data }: { readonly event: string; readonly correlation: string; readonly data: unknown },
): boolean {
  const { run, now } = context
  const { wait } = run
  if (wait?.kind !== 'event' || wait.event !== event || wait.correlation !== correlation || now >= wait.until)
    return false
  note(run, now, 'wait', `the event "${event}" arrived`, run.step ?? undefined)
  goOn(context, { state: 'done', outcome: 'happened', ...(isKept(data) ? { result: data } : {}) })
  advance(context)
  return true
}

/**
 * Cancels the notification of a run. It is taken out of the digest that gathered it; a run that gathered others goes on for
 * them. Returns whether it changed anything.
 */
export function cancel(context: RunContext, reason: string): boolean {
  const { run, now, storage } = context
  if (run.isOwnCanceled || run.outcome === 'canceled') return false
  if (run.endedAt > 0 && run.outcome !== 'gathered') return false
  run.isOwnCanceled = true
  run.events--
  leaveDigest(run, 1, storage, now)
  if (run.events <= 0) {
    endCanceled(run, now, reason)
    return true
  }
  note(run, now, 'canceled', `${reason}; it goes on for ${run.events} that it gathered`)
  for (const delivery of run.deliveries)
    if (delivery.state === 'waiting' && !delivery.isDigest) Object.assign(delivery, { state: 'canceled', reason })
  advance(context)
  return true
}

/** Goes on after the actor lost its memory: calls that were under way may have had their effect or not. */
export function resume(context: RunContext): void {
  const { run, now } = context
  if (run.endedAt > 0) return
  for (const { id, state, attempts } of run.deliveries)
    if (state === 'active')
      settleDelivery(context, id, attempts.length, { kind: 'unknown', answer: 'the call was interrupted' })
  if (run.wait?.kind === 'fetch' && run.wait.isActive) Object.assign(run.wait, { isActive: false, until: now })
  advance(context)
}

/** Ends the wait of the step that is over, or begins the next step. Returns whether anything changed. */
function makeStep(context: RunContext): boolean {
  const { run } = context
  if (run.wait !== null) return endWait(context)
  if (run.step === null) return false
  const planned = planOf(context.spec.workflow).steps.get(run.step)
  if (planned === undefined) throw new Error(`workflow "${run.workflow}" has no step "${run.step}"`)
  const { step } = planned
  if (step.when !== undefined && !check(context, step.name, step.when)) {
    goOn(context, { state: 'skipped' })
    note(run, context.now, 'condition', 'skipped: its condition is false', step.name)
  } else begin(context, step)
  return true
}

/** A condition that does not fit the data is false. */
function check(context: RunContext, step: string, condition: string): boolean {
  try {
    return holds(context, condition)
  } catch (thrown) {
    note(context.run, context.now, 'condition', `does not fit the data, so it is false: ${textOf(thrown)}`, step)
    return false
  }
}

/** The value of an expression; null, with a note, where it does not fit the data. */
function value(context: RunContext, step: string, expression: string): unknown {
  try {
    return valueOf(context, expression)
  } catch (thrown) {
    note(context.run, context.now, 'expression', `does not fit the data: ${textOf(thrown)}`, step)
    return null
  }
}

const textOf = (thrown: unknown): string => (thrown instanceof Error ? thrown.message : String(thrown))

/** Keeps the result of the step, and stands at the one after it. */
function goOn({ run, spec }: RunContext, result: StepResult): void {
  if (run.step === null) return
  run.steps[run.step] = result
  run.step = planOf(spec.workflow).steps.get(run.step)?.next ?? null
  run.wait = null
}

function begin(context: RunContext, step: WorkflowStep): void {
  switch (step.kind) {
    case 'channel':
      return beginChannel(context, step)
    case 'delay':
      context.run.wait = { kind: 'delay', until: context.now + step.seconds * 1000 }
      return note(context.run, context.now, 'delay', `for ${step.seconds} s`, step.name)
    case 'digest':
      return beginDigest(context, step)
    case 'throttle':
      return beginThrottle(context, step)
    case 'wait':
      return beginWait(context, step)
    case 'fetch':
      return beginFetch(context, step, 1)
    case 'branch':
      return beginBranch(context, step)
    case 'update-user':
      return updateUser(context, step)
  }
}

function beginChannel(context: RunContext, step: StepOf<'channel'>): void {
  addDelivery(context, step)
  if (step.awaitsOutcome) context.run.wait = { kind: 'deliveries' }
  else goOn(context, { state: 'done' })
}

function beginDigest(context: RunContext, step: StepOf<'digest'>): void {
  const key = keyFor(context.run, step.name, step.key === undefined ? '' : value(context, step.name, step.key))
  if (gather(context, step.name, step, key)) context.run.steps[step.name] = { state: 'done', outcome: 'gathered' }
}

function beginThrottle(context: RunContext, step: StepOf<'throttle'>): void {
  const { run, now, storage } = context
  const key = keyFor(run, step.name, step.key === undefined ? '' : value(context, step.name, step.key))
  const windowMs = step.seconds * 1000
  const passed = storage.throttle(key).filter((at) => at > now - windowMs)
  if (passed.length < step.limit) {
    storage.saveThrottle(key, [...passed, now], now + windowMs)
    note(run, now, 'throttle', `passed: ${passed.length + 1} of ${step.limit} in ${step.seconds} s`, step.name)
    return goOn(context, { state: 'done' })
  }
  note(run, now, 'throttle', `ended: ${step.limit} in ${step.seconds} s have passed`, step.name)
  run.steps[step.name] = { state: 'done', outcome: 'throttled' }
  Object.assign(run, { outcome: 'throttled', step: null })
}

function beginWait(context: RunContext, step: StepOf<'wait'>): void {
  const { run, now } = context
  const until = now + step.timeoutSeconds * 1000
  if (typeof step.for === 'string') {
    run.wait = { kind: 'state', until, for: step.for }
    return note(run, now, 'wait', `until it is ${step.for}`, step.name)
  }
  const correlation = value(context, step.name, step.for.correlation)
  const text = typeof correlation === 'string' ? correlation : JSON.stringify(correlation)
  run.wait = { kind: 'event', until, event: step.for.event, correlation: text }
  note(run, now, 'wait', `for the event "${step.for.event}" of "${text}"`, step.name)
}

function beginFetch(context: RunContext, step: StepOf<'fetch'>, call: number): void {
  const { run, now, effects } = context
  const timeoutMs = step.timeoutSeconds * 1000
  run.wait = { kind: 'fetch', until: now + timeoutMs + lostMs, call, isActive: true }
  effects.push({
    kind: 'fetch',
    step: step.name,
    call,
    url: step.url,
    body: step.body === undefined ? documentOf(context) : value(context, step.name, step.body),
    timeoutMs,
    idempotencyKey: `${run.id}/${step.name}`,
  })
}

function beginBranch(context: RunContext, step: StepOf<'branch'>): void {
  const { run, now } = context
  const found = step.cases.findIndex(({ when }) => check(context, step.name, when))
  const steps = step.cases[found]?.steps ?? step.otherwise
  note(run, now, 'branch', found === -1 ? 'no case holds' : `case ${found + 1}`, step.name)
  goOn(context, { state: 'done', outcome: found === -1 ? 'otherwise' : String(found + 1) })
  run.step = steps[0]?.name ?? run.step
}

function updateUser(context: RunContext, step: StepOf<'update-user'>): void {
  const { run, now, effects, profile } = context
  const properties = value(context, step.name, step.set)
  if (!isRecord(properties) || byteLength(JSON.stringify(properties)) > propertyBytes)
    note(run, now, 'update-user', `not changed: its value is no object of at most ${propertyBytes} bytes`, step.name)
  else {
    context.profile = { ...profile, properties: merged(profile.properties, properties) }
    effects.push({ kind: 'update-user', properties })
    note(run, now, 'update-user', `changed ${Object.keys(properties).join(', ')}`, step.name)
  }
  goOn(context, { state: 'done' })
}

/** Properties with changes; null removes one. */
export const merged = (
  properties: Readonly<Record<string, unknown>>,
  changes: Readonly<Record<string, unknown>>,
): Record<string, unknown> =>
  Object.fromEntries(Object.entries({ ...properties, ...changes }).filter(([, changed]) => changed !== null))

const isRecord = (given: unknown): given is Record<string, unknown> =>
  typeof given === 'object' && given !== null && !Array.isArray(given)

const isKept = (result: unknown): boolean => byteLength(JSON.stringify(result ?? null)) <= resultBytes

/** Goes on when the wait of the step is over. Returns whether it is. */
function endWait(context: RunContext): boolean {
  const { run, spec, state, now } = context
  const { wait, step } = run
  if (wait === null || step === null) return false
  const isOver = now >= endOf(wait)
  switch (wait.kind) {
    case 'delay':
      if (!isOver) return false
      goOn(context, { state: 'done' })
      return true
    case 'digest':
      if (!isOver) return false
      note(run, now, 'digest', `closed with ${run.events} of the user's notifications`, step)
      goOn(context, { state: 'done', outcome: 'closed' })
      return true
    case 'state': {
      const hasHappened = isReached(state, wait.for)
      if (!hasHappened && !isOver) return false
      note(run, now, 'wait', hasHappened ? `it was ${wait.for}` : `it was not ${wait.for} in time`, step)
      goOn(context, { state: 'done', outcome: hasHappened ? 'happened' : 'timeout' })
      return true
    }
    case 'event':
      if (!isOver) return false
      note(run, now, 'wait', `the event "${wait.event}" did not arrive in time`, step)
      goOn(context, { state: 'done', outcome: 'timeout' })
      return true
    case 'deliveries':
      if (deliveriesOf(run, step).some(isOpen)) return false
      goOn(context, { state: 'done' })
      return true
    case 'fetch': {
      if (!isOver) return false
      const planned = planOf(spec.workflow).steps.get(step)?.step
      if (planned?.kind !== 'fetch') throw new Error(`step "${step}" fetches nothing`)
      if (wait.call < fetchAttempts) beginFetch(context, planned, wait.call + 1)
      else {
        note(run, now, 'fetch', 'failed: the call did not come back', step)
        goOn(context, { state: 'done', outcome: 'failed' })
      }
      return true
    }
  }
}
