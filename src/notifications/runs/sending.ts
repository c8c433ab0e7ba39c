import { deliveryMs, nextAttempt, recordOutcome } from '../deliveries/next-attempt.ts'
import type {
  Channel,
  ChannelStep,
  Delivery,
  DeliveryOutcome,
  DeliveryReport,
  Profile,
  ProviderState,
  Target,
  TrackedAct,
  WorkflowStep,
} from '../model.ts'
import { sendAt, type SendTime } from '../times/send-at.ts'
import { planOf } from '../workflows/plan.ts'
import { decide, documentOf, isReached } from './document.ts'
import { isOpen, note, type RunContext } from './run.ts'

/** How long a call to a provider may take, in milliseconds. */
export const deliverTimeoutMs = 30_000
/** How long after its timeout a call is taken as lost. */
export const lostMs = 5_000

/** Channels with any number of targets for each user; the others have one address. */
const targeted: readonly Channel[] = ['push', 'chat', 'webhook']
/** An item is put into the feed by the actor itself. */
const feed: readonly ProviderState[] = [{ name: 'in-app', isIdempotent: true, openUntil: 0 }]

type SendingStep = ChannelStep & WorkflowStep

/** Lets a step send. Everything else is decided when the delivery is due, which may be at once. */
export function addDelivery({ run, now }: RunContext, step: SendingStep): void {
  run.deliveries.push(waiting(`${run.id}/${step.name}`, step, now, run.followers > 0))
}

const waiting = (
  id: string,
  { name, channel }: SendingStep,
  dueAt: number,
  isDigest: boolean,
  target?: string,
): Delivery => ({
  id,
  step: name,
  channel,
  ...(target === undefined ? {} : { target }),
  isDigest,
  state: 'waiting',
  dueAt,
  deadlineAt: 0,
  attempts: [],
  possibleDuplicates: 0,
})

/** Makes deliveries that are due go on, and gives up calls that did not come back. Returns whether any changed. */
export function sendDue(context: RunContext): boolean {
  const { run, now } = context
  let isChanged = false
  // Deliveries to several targets are added while the list is read.
  for (const delivery of run.deliveries) {
    if (!isOpen(delivery)) continue
    if (delivery.state === 'active') {
      if (now < delivery.dueAt) continue
      settleDelivery(context, delivery.id, delivery.attempts.length, {
        kind: 'unknown',
        answer: 'the call did not come back',
      })
    } else if (now < delivery.dueAt && !isSettledByState(context, delivery)) continue
    if (isWaiting(delivery) && (now >= delivery.dueAt || isSettledByState(context, delivery))) send(context, delivery)
    isChanged = true
  }
  return isChanged
}

const isWaiting = ({ state }: Delivery): boolean => state === 'waiting'

/** Whether the recipient has seen or read the notification, so that this delivery need not wait for its time. */
function isSettledByState({ spec, state }: RunContext, delivery: Delivery): boolean {
  const { unless } = stepOf(spec.workflow, delivery.step)
  return unless !== undefined && isReached(state, unless)
}

function stepOf(workflow: RunContext['spec']['workflow'], name: string): SendingStep {
  const step = planOf(workflow).steps.get(name)?.step
  if (step?.kind !== 'channel') throw new Error(`workflow "${workflow.name}" has no step "${name}" that sends`)
  return step
}

/** Judges a delivery at the moment of sending, and begins an attempt where nothing speaks against it. */
function send(context: RunContext, delivery: Delivery): void {
  const { run, spec, profile, now } = context
  const step = stepOf(spec.workflow, delivery.step)
  if (isSettledByState(context, delivery))
    return skip(context, delivery, 'seen', `not sent: the recipient has ${step.unless ?? 'seen'} it in the app`)
  const { isAllowed, rule } = decide(context, step.channel)
  if (!isAllowed) return skip(context, delivery, 'preferences', `not sent: ${rule}`)
  const reach = reachOf(profile, delivery)
  if (reach.kind === 'none') return skip(context, delivery, 'address', reach.text)
  const time = timeFor(context, step)
  if (time === undefined)
    return skip(context, delivery, 'quiet-hours', 'not sent: quiet hours and windows leave no time')
  if (time.rule !== undefined) {
    delivery.dueAt = time.at
    note(run, now, time.rule, `waits until ${new Date(time.at).toISOString()}`, step.name)
    return
  }
  if (delivery.attempts.length === 0) note(run, now, 'preferences', `allowed: ${rule}`, step.name)
  if (reach.kind === 'targets') {
    const [first, ...others] = reach.targets.map(({ id }) =>
      waiting(`${run.id}/${step.name}/${id}`, step, now, delivery.isDigest, id),
    )
    if (first === undefined) return
    run.deliveries.splice(run.deliveries.indexOf(delivery), 1, first)
    run.deliveries.push(...others)
    attempt(context, first, step, reach.targets[0])
    return
  }
  attempt(context, delivery, step, reach.target)
}

/** The time for a message of this step; `now` in the app, and for messages of high priority. */
function timeFor({ preferences, profile, tenantZone, spec, now }: RunContext, step: SendingStep): SendTime | undefined {
  if (step.channel === 'in-app' || !step.heedsQuietHours || spec.priority === 'high') return { at: now }
  const { recipient, tenant, platform } = preferences
  return sendAt(now, {
    quietHours: recipient?.quietHours ?? tenant?.quietHours ?? platform?.quietHours,
    windows: recipient?.windows ?? tenant?.windows ?? platform?.windows,
    zone: profile.zone ?? tenantZone ?? 'UTC',
  })
}

type Reach =
  | { readonly kind: 'none'; readonly text: string }
  | { readonly kind: 'address'; readonly target?: Target | undefined }
  | { readonly kind: 'targets'; readonly targets: readonly Target[] }

function reachOf({ email, phone, targets }: Profile, { channel, target }: Delivery): Reach {
  if (target !== undefined) {
    const found = targets.find(({ id }) => id === target)
    return found === undefined
      ? none(`not sent: the target "${target}" was removed`)
      : { kind: 'address', target: found }
  }
  if (targeted.includes(channel)) {
    const reached = targets.filter((one) => one.channel === channel)
    return reached.length === 0
      ? none(`not sent: the user has no target of ${channel}`)
      : { kind: 'targets', targets: reached }
  }
  if (channel === 'email' && email === undefined) return none('not sent: the user has no e-mail address')
  if (channel === 'sms' && phone === undefined) return none('not sent: the user has no phone number')
  return { kind: 'address' }
}

const none = (text: string): Reach => ({ kind: 'none', text })

function skip({ run, now }: RunContext, delivery: Delivery, rule: string, reason: string): void {
  // An attempt whose outcome is not known may have sent it.
  const isFailed = delivery.attempts.some(({ outcome }) => outcome === 'unknown')
  Object.assign(delivery, { state: isFailed ? 'failed' : 'skipped', reason })
  note(run, now, rule, reason, delivery.step)
}

function attempt(context: RunContext, delivery: Delivery, step: SendingStep, target: Target | undefined): void {
  const { run, spec, now, effects } = context
  const providers = step.channel === 'in-app' ? feed : reaching(context.providers(step.channel), target)
  const next = nextAttempt(delivery, { providers, onUnknown: step.onUnknown, now })
  if (next.kind === 'failed') return fail(context, delivery, next.reason)
  if (next.kind === 'wait') {
    delivery.dueAt = next.until
    note(run, now, 'provider', `waits until ${new Date(next.until).toISOString()}: ${next.text}`, step.name)
    return
  }
  if (delivery.deadlineAt === 0) delivery.deadlineAt = now + deliveryMs
  delivery.attempts.push({ provider: next.provider, at: now })
  if (next.isPossibleDuplicate) delivery.possibleDuplicates++
  Object.assign(delivery, { state: 'active', dueAt: now + deliverTimeoutMs + lostMs })
  note(run, now, 'provider', `${next.text}${next.isPossibleDuplicate ? ', a possible duplicate' : ''}`, step.name)
  effects.push({
    kind: 'deliver',
    delivery: delivery.id,
    attempt: delivery.attempts.length,
    order: {
      delivery: { id: delivery.id, channel: delivery.channel },
      provider: next.provider,
      source: step.source,
      target,
      document: documentOf(context),
      workflow: spec.workflow.name,
      category: spec.category,
      priority: spec.priority,
      ...(spec.chat === undefined ? {} : { chat: spec.chat }),
    },
    timeoutMs: deliverTimeoutMs,
  })
}

const reaching = (providers: readonly ProviderState[], target: Target | undefined): readonly ProviderState[] =>
  providers.filter(
    ({ targetTypes }) => target === undefined || targetTypes === undefined || targetTypes.includes(target.type),
  )

function fail({ run, now }: RunContext, delivery: Delivery, reason: string): void {
  Object.assign(delivery, { state: 'failed', reason })
  note(run, now, 'failed', reason, delivery.step)
}

/**
 * Takes the outcome of an attempt. The outcome of an earlier attempt than the last counts only when it says that the message was
 * delivered. Returns whether anything changed.
 */
export function settleDelivery(context: RunContext, id: string, number: number, outcome: DeliveryOutcome): boolean {
  const { run, now, random, effects } = context
  const delivery = run.deliveries.find((one) => one.id === id)
  const made = delivery?.attempts[number - 1]
  if (delivery === undefined || made === undefined) return false
  const isLast = number === delivery.attempts.length && delivery.state === 'active'
  const isFirst = made.outcome === undefined || (made.outcome === 'unknown' && outcome.kind === 'delivered')
  if (!isFirst || (!isLast && outcome.kind !== 'delivered')) return false
  recordOutcome(delivery, made, outcome, now, random())
  note(
    run,
    now,
    outcome.kind,
    `"${made.provider}"${outcome.answer === undefined ? '' : `: ${outcome.answer}`}`,
    delivery.step,
  )
  if (outcome.kind === 'delivered') {
    delete delivery.reason
    Object.assign(delivery, { state: 'delivered' })
    return true
  }
  if (outcome.kind === 'gone') {
    Object.assign(delivery, { state: 'failed', reason: 'the address does not exist any more' })
    effects.push({ kind: 'remove-target', channel: delivery.channel, target: delivery.target })
    return true
  }
  if (outcome.kind === 'not-needed') {
    skip(context, delivery, 'chat', `not sent: ${outcome.answer}`)
    return true
  }
  if (run.outcome === 'canceled') Object.assign(delivery, { state: 'canceled', reason: 'canceled' })
  else Object.assign(delivery, { state: 'waiting', dueAt: now })
  return true
}

/**
 * Takes what a provider reports of a message that it had taken. A delivery of which it was not known whether it was sent has failed then; a
 * delivered one keeps its state. Returns whether anything changed: a repeat changes nothing.
 */
export function reportDelivery({ run, now }: RunContext, id: string, report: DeliveryReport): boolean {
  const delivery = run.deliveries.find((one) => one.id === id)
  if (delivery === undefined || !delivery.attempts.some(({ provider }) => provider === report.provider)) return false
  const known = delivery.report
  if (known !== undefined && known.provider === report.provider && known.reason === report.reason) return false
  delivery.report = report
  if (isOpen(delivery)) Object.assign(delivery, { state: 'failed', reason: `its provider reported: ${report.reason}` })
  const detail = report.detail === '' ? '' : `: ${report.detail}`
  note(run, now, report.reason, `"${report.provider}" reported it${detail}`, delivery.step)
  return true
}

/** Notes that the recipient opened a message or followed one of its links. Returns whether it was the first time. */
export function trackDelivery({ run, now }: RunContext, id: string, act: TrackedAct): boolean {
  const delivery = run.deliveries.find((one) => one.id === id)
  const field = act === 'opened' ? 'openedAt' : 'clickedAt'
  if (delivery === undefined || delivery.attempts.length === 0 || delivery[field] !== undefined) return false
  delivery[field] = now
  note(run, now, act, act === 'opened' ? 'the recipient opened it' : 'the recipient followed a link', delivery.step)
  return true
}
