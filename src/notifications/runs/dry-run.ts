import type { Delivery, Note, NotificationSpec, Profile, ProviderState, RunDocument } from '../model.ts'
import type { PreferenceLayers } from '../preferences/decide.ts'
import { advance, eventArrived, settle, settleFetch } from './advance.ts'
import { newRun, nextDueAt, type Effect, type Run, type RunContext, type RunStorage } from './run.ts'

/** What a dry run supposes. Times are milliseconds since the epoch. */
export interface DryRunGiven {
  readonly spec: NotificationSpec
  readonly profile: Profile
  readonly actor?: Partial<Profile> | undefined
  readonly preferences: PreferenceLayers
  readonly tenantZone?: string | undefined
  readonly providers: RunContext['providers']
  readonly now: number
  /** When the recipient sees, reads or interacts with the item in the feed; never without it. */
  readonly seenAt?: number | undefined
  readonly readAt?: number | undefined
  readonly interactedAt?: number | undefined
  /** What fetch steps are answered, by their names; the call fails for the others. */
  readonly fetched?: Readonly<Record<string, unknown>> | undefined
  /** Events that arrive, by their types; the correlation always fits. */
  readonly events?: Readonly<Record<string, { readonly at: number; readonly data?: unknown }>> | undefined
}

/** A message that would be sent. */
export interface DryRunMessage {
  readonly at: number
  readonly step: string
  readonly channel: Delivery['channel']
  readonly provider: string
  readonly target?: string | undefined
  readonly document: RunDocument
}

export interface DryRun {
  readonly outcome: Run['outcome']
  readonly endedAt: number
  /** Each decision with its rule, in the order of time. */
  readonly notes: readonly Note[]
  readonly messages: readonly DryRunMessage[]
  /** The properties of the user at the end. */
  readonly properties: Readonly<Record<string, unknown>>
}

/** Changes after which a dry run is given up, which no definition that was checked reaches. */
const maxChanges = 10_000

/**
 * Runs a workflow for one user on a clock of its own, without effects: no provider and no address is called, each message counts as
 * delivered by the provider that would be asked first, and no other notification is gathered into a digest.
 */
export function dryRun(given: DryRunGiven): DryRun {
  const { spec } = given
  const run = newRun(spec, { id: 'dry-run', recipient: given.profile.id }, given.now)
  const messages: DryRunMessage[] = []
  let { profile, now } = given
  let steps = 0
  const change = (work: (context: RunContext) => unknown) => {
    if (++steps > maxChanges) throw new Error(`the dry run of "${spec.workflow.name}" does not end`)
    const effects: Effect[] = []
    const context = contextOf(given, run, profile, now, effects)
    work(context)
    profile = context.profile
    for (const effect of effects) carryOut(effect)
  }
  const carryOut = (effect: Effect) => {
    if (effect.kind === 'deliver') {
      const { order, delivery, attempt } = effect
      const { provider, target, document } = order
      const step = run.deliveries.find(({ id }) => id === delivery)?.step ?? ''
      messages.push({ at: now, step, channel: order.delivery.channel, provider, target: target?.id, document })
      change((context) => settle(context, delivery, attempt, { kind: 'delivered' }))
    } else if (effect.kind === 'fetch')
      change((context) => settleFetch(context, effect.step, effect.call, answerOf(given, effect.step)))
  }
  change(advance)
  for (;;) {
    const next = nextChange(given, run, now)
    if (run.endedAt > 0 || next === Infinity) break
    now = Math.max(now, next)
    const event = arrivingNow(given, run, now)
    change(event === undefined ? advance : (context) => eventArrived(context, event))
  }
  return { outcome: run.outcome, endedAt: run.endedAt, notes: run.notes, messages, properties: profile.properties }
}

const contextOf = (
  { spec, actor, preferences, tenantZone, providers, ...given }: DryRunGiven,
  run: Run,
  profile: Profile,
  now: number,
  effects: Effect[],
): RunContext => ({
  run,
  spec,
  profile,
  actor,
  preferences,
  tenantZone,
  providers: (channel) => providers(channel).map((provider): ProviderState => ({ ...provider, openUntil: 0 })),
  state: {
    isSeen: now >= (given.seenAt ?? Infinity),
    isRead: now >= (given.readAt ?? Infinity),
    isInteracted: now >= (given.interactedAt ?? Infinity),
  },
  storage: alone(spec, given.now),
  now,
  random: () => 0,
  effects,
})

/** A user of whom nothing is stored. */
const alone = ({ id, actor, data }: NotificationSpec, at: number): RunStorage => ({
  window: () => undefined,
  run: () => undefined,
  saveRun: () => {},
  followers: () => [],
  event: () => ({ id, at, actor, data }),
  throttle: () => [],
  saveThrottle: () => {},
})

const answerOf = ({ fetched }: DryRunGiven, step: string): Parameters<typeof settleFetch>[3] =>
  fetched !== undefined && Object.hasOwn(fetched, step)
    ? { kind: 'done', result: fetched[step] }
    : { kind: 'refused', reason: 'the dry run was given no answer for it' }

/** When something happens next: the run goes on, the recipient looks at the item, or the event arrives. */
function nextChange({ seenAt, readAt, interactedAt, events }: DryRunGiven, run: Run, now: number): number {
  const looks = [seenAt, readAt, interactedAt].filter((at) => at !== undefined && at > now)
  const event = run.wait?.kind === 'event' ? events?.[run.wait.event]?.at : undefined
  const arrives = event === undefined || event < now ? Infinity : event
  return Math.min(nextDueAt(run), arrives, ...looks.map((at) => at ?? Infinity))
}

function arrivingNow(
  { events }: DryRunGiven,
  { wait }: Run,
  now: number,
): Parameters<typeof eventArrived>[1] | undefined {
  if (wait?.kind !== 'event') return undefined
  const { event, correlation, until } = wait
  const arriving = events?.[event]
  if (arriving === undefined || arriving.at !== now || now >= until) return undefined
  return { event, correlation, data: arriving.data }
}
