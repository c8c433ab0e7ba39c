import { evaluate, isTrue } from '../../kernel/expression.ts'
import { byteLength } from '../../kernel/text.ts'
import {
  channels,
  type Channel,
  type Delivery,
  type DeliveryState,
  type DigestEvent,
  type RunDocument,
} from '../model.ts'
import { decideChannel } from '../preferences/decide.ts'
import type { Run, RunContext, RunStorage } from './run.ts'

/** Notifications of a digest that a document has at most, and their bytes of JSON. */
export const shownEvents = 100
export const shownEventBytes = 65_536

/** What expressions and templates of a run see now. */
export function documentOf(context: RunContext): RunDocument {
  const { run, spec, profile, actor, state, storage } = context
  const events = shownOf(run, storage)
  // The notification of the run is not shown when it was canceled; the oldest that is left stands for it.
  const first = run.isOwnCanceled ? events[0] : undefined
  return {
    recipient: profile,
    ...(actor === undefined || run.isOwnCanceled ? {} : { actor }),
    data: run.isOwnCanceled ? (first?.data ?? null) : spec.data,
    events,
    total: run.events,
    steps: stepsOf(run),
    state,
  }
}

/** The newest events of a run, in the order in which they were gathered. */
function shownOf(run: Run, storage: RunStorage): DigestEvent[] {
  // Nearly all runs have gathered nothing: their one notification is not measured.
  if (run.followers === 0) return [...newestFirst(run, storage)]
  const shown: DigestEvent[] = []
  let bytes = 0
  for (const event of newestFirst(run, storage)) {
    bytes += byteLength(JSON.stringify(event.data ?? null))
    if (shown.length > 0 && (shown.length >= shownEvents || bytes > shownEventBytes)) break
    shown.push(event)
  }
  return shown.toReversed()
}

/** All notifications that a run stands for. A run that was gathered may have gathered others before, at another step. */
export function* newestFirst(run: Run, storage: RunStorage): Generator<DigestEvent> {
  if (run.followers > 0) for (const follower of storage.followers(run.id)) yield* newestFirst(follower, storage)
  if (!run.isOwnCanceled) yield storage.event(run.notification)
}

/** Results of steps; one that sends has `state`, what became of its deliveries together. */
function stepsOf({ steps, deliveries }: Run): Record<string, unknown> {
  const sent = new Map<string, DeliveryState[]>()
  for (const { step, state } of deliveries) sent.set(step, [...(sent.get(step) ?? []), state])
  return Object.fromEntries(
    Object.entries(steps).map(([name, result]) => {
      const states = sent.get(name)
      return [name, states === undefined ? result : { ...result, state: together(states) }]
    }),
  )
}

/** One that was delivered counts, then one that may still be, then one that failed. */
function together(states: readonly DeliveryState[]): DeliveryState {
  for (const state of ['delivered', 'active', 'waiting', 'failed', 'canceled'] as const)
    if (states.includes(state)) return state === 'active' ? 'waiting' : state
  return 'skipped'
}

/** The value of an expression on the run's document; conditions also see `preferences`, whether each channel is allowed. */
export function valueOf(context: RunContext, expression: string): unknown {
  const document = documentOf(context)
  return evaluate(
    expression,
    expression.includes('preferences') ? { ...document, preferences: allowedIn(context) } : document,
  )
}

/** Whether a condition holds. Throws where the expression does not fit the data. */
export const holds = (context: RunContext, condition: string): boolean => isTrue(valueOf(context, condition))

const allowedIn = (context: RunContext): Record<string, boolean> =>
  Object.fromEntries(channels.map((channel) => [channel, decide(context, channel).isAllowed]))

/** Whether the recipient may be sent this run on a channel, now. */
export const decide = ({ preferences, spec, now }: RunContext, channel: Channel): ReturnType<typeof decideChannel> =>
  decideChannel(preferences, {
    channel,
    workflow: spec.workflow.name,
    category: spec.category,
    conversation: spec.conversation,
    now,
  })

/** Deliveries of a step. */
export const deliveriesOf = ({ deliveries }: Run, step: string): Delivery[] =>
  deliveries.filter((delivery) => delivery.step === step)

/** Whether the recipient has gone so far with the item in the feed. What was read or interacted with has been seen. */
export function isReached(
  { isSeen, isRead, isInteracted }: RunDocument['state'],
  wanted: 'seen' | 'read' | 'interacted',
): boolean {
  if (wanted === 'interacted') return isInteracted
  return wanted === 'read' ? isRead || isInteracted : isSeen || isRead || isInteracted
}
