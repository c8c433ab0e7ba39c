import type { Env } from '../../src/env.ts'
import {
  isNotificationEvent,
  maxChanges,
  notificationEventsOf,
  type NotedChanges,
  type NotificationChange,
  type NotificationEvent,
} from '../../src/events/own-events.ts'
import type { Delivery } from '../../src/notifications/model.ts'
import type { Run } from '../../src/notifications/runs/run.ts'
import { EventOutbox } from '../shared/event-outbox.ts'
import { appendOwnEvents } from '../shared/own-events.ts'

/** What was published of a delivery before it changed. */
type PublishedState = Pick<Delivery, 'state' | 'report' | 'openedAt' | 'clickedAt'> & { readonly attempts: number }

/** Publishes `notification.*` of the users of one actor, while the tenant has a reader of its own events. */
export class NotificationEvents {
  readonly outbox: EventOutbox<NotedChanges>
  /** Changes of the commit under way, by their event. */
  readonly #noted = new Map<NotificationEvent, NotificationChange[]>()

  constructor(
    kv: SyncKvStorage,
    env: Env,
    { tenant, name }: { readonly tenant: string; readonly name: string },
    wakeAt: (at: number) => void,
    now: number,
  ) {
    const eventsOf = (entries: Parameters<typeof notificationEventsOf>[1]) => notificationEventsOf(name, entries)
    this.outbox = new EventOutbox({ tenant, kv, append: appendOwnEvents(env), eventsOf, wakeAt }, now)
  }

  /** Called before a run changes; undefined while nothing is published. */
  statesOf(run: Run): readonly PublishedState[] | undefined {
    if (!this.outbox.isOn) return undefined
    return run.deliveries.map(({ state, report, openedAt, clickedAt, attempts }) => ({
      state,
      report,
      openedAt,
      clickedAt,
      attempts: attempts.length,
    }))
  }

  /** Notes what has changed of a run since `before`, which is empty for a run that begins. */
  noteRun(run: Run, before: readonly PublishedState[] | undefined, isNew: boolean, at: number): void {
    if (before === undefined) return
    const { notification, recipient: user } = run
    const known = isNew ? [] : before
    if (isNew) this.#add('created', { notification, user, at })
    for (const [place, delivery] of run.deliveries.entries()) {
      const { state, attempts, step, channel, reason, report, openedAt, clickedAt } = delivery
      const last = known[place]
      const provider = attempts.at(-1)?.provider
      const change = { notification, user, at, step, channel, ...(provider === undefined ? {} : { provider }) }
      if (attempts.length > 0 && (last?.attempts ?? 0) === 0) this.#add('sent', change)
      if (report !== undefined && report !== last?.report) this.#add('reported', { ...change, reason: report.reason })
      if (openedAt !== last?.openedAt) this.#add('opened', change)
      if (clickedAt !== last?.clickedAt) this.#add('clicked', change)
      if (state === last?.state) continue
      if (state === 'delivered') this.#add('delivered', change)
      if (state === 'failed') this.#add('failed', { ...change, ...(reason === undefined ? {} : { reason }) })
    }
  }

  /** Notes a mark of items; one that is not published is passed over. */
  noteMark(user: string, mark: string, notifications: readonly string[], at: number): void {
    if (!this.outbox.isOn || !isNotificationEvent(mark)) return
    for (const notification of notifications) this.#add(mark, { notification, user, at })
  }

  /** Writes what was noted, in the commit that makes the changes. */
  write(now: number): void {
    for (const [event, changes] of this.#noted)
      for (let from = 0; from < changes.length; from += maxChanges)
        this.outbox.note({ event, changes: changes.slice(from, from + maxChanges) }, now)
    this.#noted.clear()
  }

  /** Drops what waits of a user; returns how many entries had any. Throws while some of it is being published. */
  eraseUser(user: string): number {
    return this.outbox.rewrite((noted) => {
      const changes = noted.changes.filter((change) => change.user !== user)
      if (changes.length === noted.changes.length) return noted
      return changes.length === 0 ? undefined : { ...noted, changes }
    })
  }

  /** After a rollback nothing in memory holds. */
  forget(): void {
    this.#noted.clear()
  }

  #add(event: NotificationEvent, change: NotificationChange): void {
    const noted = this.#noted.get(event)
    if (noted === undefined) this.#noted.set(event, [change])
    else noted.push(change)
  }
}
