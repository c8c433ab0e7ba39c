import type {
  NotificationSpec,
  Profile,
  ProviderState,
  RunDocument,
  WorkflowStep,
} from '../../src/notifications/model.ts'
import type { PreferenceLayers } from '../../src/notifications/preferences/decide.ts'
import { advance, settle } from '../../src/notifications/runs/advance.ts'
import { closingTime, countFollowers, mayHaveUncounted } from '../../src/notifications/runs/digest.ts'
import {
  digestKeyOf,
  newRun,
  nextDueAt,
  type OpenWindow,
  type Effect,
  type Run,
  type RunContext,
  type RunStorage,
} from '../../src/notifications/runs/run.ts'

export const at = Date.UTC(2026, 10, 30, 12)

/** A notification of a workflow with these steps. */
export const specOf = (steps: readonly WorkflowStep[], fields: Partial<NotificationSpec> = {}): NotificationSpec => ({
  id: 'n1',
  at,
  workflow: { name: 'comment', version: 1, priority: 'normal', steps },
  priority: 'normal',
  data: {},
  ...fields,
})

export const email = (name: string, fields: object = {}): WorkflowStep => ({
  name,
  kind: 'channel',
  channel: 'email',
  source: { content: { body: 'Hello' } },
  onUnknown: 'wait',
  heedsQuietHours: true,
  awaitsOutcome: false,
  ...fields,
})
export const inApp = (name: string): WorkflowStep => email(name, { channel: 'in-app' })

/** One user whose runs are stored as text, so that only what is written is known later. */
export class TestUser implements RunStorage {
  now = at
  profile: Profile = { id: 'u1', email: 'ada@example.com', phone: '+4912345', properties: {}, targets: [] }
  preferences: PreferenceLayers = {}
  state: RunDocument['state'] = { isSeen: false, isRead: false, isInteracted: false }
  providers: readonly ProviderState[] = [{ name: 'postmark', isIdempotent: true, openUntil: 0 }]
  /** Whether each message is delivered at once. */
  isDelivering = false
  readonly effects: Effect[] = []
  readonly specs = new Map<string, NotificationSpec>()
  runs = new Map<string, string>()
  throttles = new Map<string, readonly number[]>()

  /** Begins a run of a notification; one that there is stays as it is. */
  start(spec: NotificationSpec): Run {
    this.specs.set(spec.id, spec)
    if (this.runs.has(spec.id)) return this.get(spec.id)
    const run = newRun(spec, { id: spec.id, recipient: this.profile.id }, this.now)
    return this.change(run, advance)
  }

  /** Runs a change of a run and writes it. */
  change(run: Run, work: (context: RunContext) => unknown): Run {
    const spec = this.specs.get(run.notification)!
    const context: RunContext = {
      run,
      spec,
      profile: this.profile,
      preferences: this.preferences,
      state: this.state,
      providers: () => this.providers,
      storage: this,
      now: this.now,
      random: () => 0.5,
      effects: this.effects,
    }
    const before = this.effects.length
    work(context)
    this.profile = context.profile
    this.saveRun(run)
    if (this.isDelivering)
      for (const effect of this.effects.slice(before))
        if (effect.kind === 'deliver')
          this.do(run.id, (later) => settle(later, effect.delivery, effect.attempt, { kind: 'delivered' }))
    return this.get(run.id)
  }

  do(id: string, work: (context: RunContext) => unknown): Run {
    return this.change(this.get(id), work)
  }

  /** A run as the actor reads it: with all that were gathered into it. */
  get(id: string): Run {
    const run: Run = JSON.parse(this.runs.get(id)!)
    if (mayHaveUncounted(run)) countUncounted(run, this.#stored())
    return run
  }

  all(): Run[] {
    const stored = this.#stored()
    for (const run of stored) if (mayHaveUncounted(run)) countUncounted(run, stored)
    return stored
  }

  #stored(): Run[] {
    return [...this.runs.values()].map((text): Run => JSON.parse(text))
  }

  /** Lets all runs go on that are due up to this time, each at its time. */
  pass(until: number): void {
    for (;;) {
      const [next] = this.all().sort((a, b) => nextDueAt(a) - nextDueAt(b))
      if (next === undefined || nextDueAt(next) > until) break
      this.now = Math.max(this.now, nextDueAt(next))
      this.do(next.id, advance)
    }
    this.now = until
  }

  /** The effects since the last call. */
  taken(): Effect[] {
    return this.effects.splice(0)
  }

  window(key: string): OpenWindow | undefined {
    const stored = this.#stored().find((run) => digestKeyOf(run) === key)
    if (stored?.wait?.kind !== 'digest') return undefined
    const last = this.followers(stored.id)[0]?.gatheredInto
    return { run: stored.id, closesAt: closingTime(stored.wait, last?.at), last: last?.n ?? 0 }
  }

  run(id: string): Run | undefined {
    return this.runs.has(id) ? this.get(id) : undefined
  }

  saveRun(run: Run): void {
    this.runs.set(run.id, JSON.stringify(run))
  }

  followers(id: string): Run[] {
    return followersIn(this.#stored(), id).toReversed()
  }

  event(notification: string): { id: string; at: number; data: unknown } {
    const { id, at: when, data } = this.specs.get(notification)!
    return { id, at: when, data }
  }

  throttle(key: string): readonly number[] {
    return this.throttles.get(key) ?? []
  }

  saveThrottle(key: string, times: readonly number[]): void {
    this.throttles.set(key, times)
  }
}

/** The runs that were gathered into a run, the oldest first. */
const followersIn = (stored: readonly Run[], id: string): Run[] =>
  stored.filter(({ gatheredInto }) => gatheredInto?.run === id).sort((a, b) => a.gatheredInto!.n - b.gatheredInto!.n)

function countUncounted(run: Run, stored: readonly Run[]): void {
  const uncounted = followersIn(stored, run.id).filter(({ gatheredInto }) => gatheredInto!.n > run.followers)
  countFollowers(
    run,
    uncounted.map(({ gatheredInto, events }) => ({ n: gatheredInto!.n, at: gatheredInto!.at ?? 0, events })),
  )
}
