import { systemClock } from '../../src/kernel/clock.ts'
import { log, reasonOf } from '../../src/kernel/log.ts'
import { within } from '../../src/kernel/retry.ts'
import { partsOf } from '../../src/notifications/fan-out/parts.ts'
import { HandoverOrder } from '../../src/notifications/fan-out/handover-order.ts'
import { refuse, type Refusal } from '../../src/protocol/errors.ts'
import { requireTenant } from '../../src/tenants/erased.ts'
import { ownName, recipientActors, recipientsNumbered, recipientsNumberOf } from '../address.ts'
import type {
  RecipientSelection,
  NewNotification,
  NotificationPage,
  NotificationQuery,
  NotificationsRpc,
  NotificationView,
  HandoverAnswer,
  HandoverCall,
} from '../notification-contracts.ts'
import { Batcher } from '../shared/batcher.ts'
import { isUsed, migrate } from '../shared/migrate.ts'
import { OpenPlace } from '../shared/open-place.ts'
import { TenantActor } from '../shared/tenant-actor.ts'
import {
  NotificationTable,
  partOfUsers,
  type NewPart,
  type StoredCancel,
  type StoredPart,
} from './notification-table.ts'
import { notificationsSchema } from './schema.ts'

/** Calls to actors of recipients that are under way at once. */
const maxUnderWay = 4
/** A call that takes longer is repeated; a repeat has no effect where the first had one. */
const callMs = 30_000
/** The alarm looks after notifications that are being handed over this often, in milliseconds. */
const lookAgainMs = 10_000
/** Notifications that are taken up, and cancellations that are passed on, by one alarm. */
const atOnce = 100
/** Notifications that one request cancels. */
const maxCanceled = 1000

type Accepted = (NotificationView & { readonly duplicate: boolean }) | Refusal

interface HandedOver {
  readonly id: string
  readonly part: StoredPart
  readonly taken: Extract<HandoverAnswer, { kind: 'taken' }>
}

/**
 * Accepted notifications of a tenant: one of four actors, each with those whose ids hash to its number. Stores what it was given, answers,
 * and then hands it over to the actors of the recipients, a part at a time.
 */
export class Notifications extends TenantActor implements NotificationsRpc {
  readonly #clock = systemClock
  readonly #place = new OpenPlace(this.ctx, this.env, 'notifications')
  readonly #tenant = ownName(this.ctx.id.name).tenant
  readonly #table = new NotificationTable(this.ctx.storage.sql)
  readonly #order = new HandoverOrder(maxUnderWay)
  readonly #accepts = new Batcher<NewNotification, Accepted>((all) => this.#acceptAll(all))
  readonly #handedOver = new Batcher<HandedOver, boolean>((all) => this.#noteAll(all))
  #isUsed = isUsed(this.ctx.storage.sql)
  #alarmAt = Infinity
  #isTelling = false

  constructor(...given: ConstructorParameters<typeof TenantActor>) {
    super(...given)
    if (this.#isUsed) migrate(this.ctx.storage.sql, notificationsSchema)
  }

  /** Stores a notification; the same id again is the same notification. Those that arrive together share a commit. */
  async accept(wanted: NewNotification): Promise<Accepted> {
    this.#place.used()
    if (!this.#isUsed) {
      requireTenant(this.#tenant)
      migrate(this.ctx.storage.sql, notificationsSchema)
      this.#isUsed = true
    }
    const answer = await this.#accepts.add(wanted)
    this.#next()
    return answer
  }

  find(id: string): NotificationView | undefined {
    return this.#isUsed ? this.#table.find(id) : undefined
  }

  /** A page of notifications, the newest first, with where the next one begins. */
  list(query: NotificationQuery): NotificationPage {
    return this.#isUsed ? this.#table.list(query) : { notifications: [], last: undefined }
  }

  /** Cancels notifications with this key, for these users or for all: what has not been sent is not sent any more. Answers their ids. */
  cancel(key: string, users: readonly string[] | undefined): string[] {
    if (!this.#isUsed) return []
    this.#place.used()
    const ids = this.ctx.storage.transactionSync(() => {
      const found = this.#table.withKey(key, maxCanceled)
      for (const id of found)
        if (users === undefined)
          for (const actor of this.#table.cancelAll(id, this.#clock.now())) this.#table.addCancel(id, actor, undefined)
        else for (const [actor, own] of Map.groupBy(users, recipientsNumberOf)) this.#table.addCancel(id, actor, own)
      return found
    })
    if (users === undefined) for (const id of ids) this.#order.remove(id)
    if (ids.length > 0) {
      this.#setAlarm(this.#clock.now() + lookAgainMs)
      void this.#tellCanceled()
    }
    return ids
  }

  /** Never throws: the platform gives up an alarm that fails six times. */
  override async alarm(): Promise<void> {
    this.#alarmAt = Infinity
    const now = this.#clock.now()
    try {
      for (const id of this.#table.due(now, atOnce)) this.#takeUp(id)
      this.#next()
      void this.#tellCanceled()
      const sweepAt = this.ctx.storage.transactionSync(() => this.#table.sweep(now, atOnce))
      const isBusy = !this.#order.isEmpty || this.#table.due(now, 1).length > 0 || this.#table.cancels(1).length > 0
      if (isBusy) this.#setAlarm(now + lookAgainMs)
      this.#setAlarm(this.#table.nextDueAt(now))
      this.#setAlarm(sweepAt)
    } catch (thrown) {
      log.error('notifications.alarm-failed', { tenant: this.#tenant, reason: reasonOf(thrown) })
      this.#setAlarm(now + lookAgainMs)
    }
  }

  #acceptAll(all: readonly NewNotification[]): Accepted[] {
    try {
      return this.#accept(all)
    } catch {
      // One that cannot be stored does not stop the others.
      return all.map((one) => {
        try {
          return this.#accept([one])[0] ?? refuse('internal')
        } catch (thrown) {
          log.error('notifications.not-stored', { tenant: this.#tenant, reason: reasonOf(thrown) })
          return refuse('internal')
        }
      })
    }
  }

  #accept(all: readonly NewNotification[]): Accepted[] {
    const now = this.#clock.now()
    const answers = this.ctx.storage.transactionSync(() => all.map((wanted) => this.#store(wanted)))
    for (const [index, { spec, deliverAt }] of all.entries()) {
      const answer = answers[index]
      if (answer?.kind !== 'notification' || answer.duplicate) continue
      if (deliverAt <= now) this.#takeUp(spec.id)
      // What is handed over at once is looked after by the alarm all the same, since memory may be lost.
      this.#setAlarm(Math.max(deliverAt, now + lookAgainMs))
    }
    return answers
  }

  #store(wanted: NewNotification): Accepted {
    const { spec, selection, fingerprint } = wanted
    const known = this.#table.find(spec.id)
    if (known !== undefined)
      return this.#table.fingerprintOf(spec.id) === fingerprint
        ? { ...known, duplicate: true }
        : refuse('conflict', `idempotencyKey: was used before with another request, for notification ${spec.id}`)
    this.#table.add(wanted, newParts(selection))
    const stored = this.#table.find(spec.id)
    return stored === undefined ? refuse('internal') : { ...stored, duplicate: false }
  }

  #takeUp(id: string): void {
    if (!this.#order.isUnderWay(id)) this.#order.add(id)
  }

  /** Makes calls, as many as may be under way. */
  #next(): void {
    for (;;) {
      const next = this.#order.next(this.#clock.now(), (id, underWay) => this.#table.nextPart(id, underWay))
      if (next === undefined) return
      void this.#handOver(next.id, next)
    }
  }

  async #handOver(id: string, part: StoredPart): Promise<void> {
    this.#place.used()
    try {
      const known = this.#table.specOf(id)
      if (known !== undefined) {
        const call: HandoverCall = { ...known, part: part.recipients }
        const actor = recipientsNumbered(this.env, this.#tenant, part.actor)
        const asked: Promise<HandoverAnswer> = actor.handOver(call)
        const taken = await within(callMs, 'the actor of recipients', asked)
        if (taken.kind === 'busy') {
          this.#pause(id, part.part, taken.retryInMs)
          return
        }
        await this.#handedOver.add({ id, part, taken })
      }
      this.#order.ended(id, part.part, undefined)
      if (this.#table.hasParts(id)) this.#order.add(id)
    } catch (thrown) {
      log.warn('notifications.not-handed-over', { tenant: this.#tenant, notification: id, reason: reasonOf(thrown) })
      this.#pause(id, part.part, 0)
    }
    this.#next()
  }

  /** A part that could not be handed over is tried again by the alarm. */
  #pause(id: string, part: number, leastMs: number): void {
    this.#setAlarm(this.#order.ended(id, part, { now: this.#clock.now(), random: Math.random(), leastMs }))
  }

  #noteAll(all: readonly HandedOver[]): boolean[] {
    try {
      this.ctx.storage.transactionSync(() => {
        for (const { id, part, taken } of all)
          this.#table.handedOver(id, part.part, taken.users, restOf(part.recipients, taken.next))
      })
    } catch (thrown) {
      this.#table.forget()
      throw thrown
    }
    return all.map(() => true)
  }

  /** Tells the actors of recipients of cancellations that they have not confirmed, one after the other. */
  async #tellCanceled(): Promise<void> {
    if (this.#isTelling) return
    this.#isTelling = true
    try {
      for (let all = this.#table.cancels(atOnce); all.length > 0; all = this.#table.cancels(atOnce))
        for (const one of all) await this.#tellOne(one)
    } catch (thrown) {
      log.warn('notifications.cancel-failed', { tenant: this.#tenant, reason: reasonOf(thrown) })
      this.#setAlarm(this.#clock.now() + lookAgainMs)
    } finally {
      this.#isTelling = false
    }
  }

  async #tellOne(cancel: StoredCancel): Promise<void> {
    const known = this.#table.specOf(cancel.notification)
    const actor = recipientsNumbered(this.env, this.#tenant, cancel.actor)
    if (known !== undefined)
      await within(callMs, 'the actor of recipients', actor.cancel({ ...known, users: cancel.users }))
    this.#table.removeCancel(cancel)
  }

  #setAlarm(at: number | undefined): void {
    if (at === undefined || at === Infinity || at >= this.#alarmAt) return
    // A time that is over would be the alarm that rings now, and be lost with it.
    const soonest = Math.max(Math.ceil(at), this.#clock.now() + 1)
    this.#alarmAt = soonest
    void this.#place.alarm.setAlarm(soonest)
  }
}

const allActors: readonly number[] = Array.from({ length: recipientActors }, (_, number) => number)

/** The first parts of a selection; a topic and all users are expanded by each of the actors. */
function newParts(selection: RecipientSelection): NewPart[] {
  if (selection.kind === 'users') return partsOf(selection.users, recipientsNumberOf).map(partOfUsers)
  const recipients: HandoverCall['part'] =
    selection.kind === 'topic' ? { kind: 'topic', topic: selection.topic, after: '' } : { kind: 'everyone', after: '' }
  return allActors.map((actor) => ({ actor, recipients }))
}

/** What remains of a part after a call. */
const restOf = (part: HandoverCall['part'], next: string | null): HandoverCall['part'] | undefined =>
  part.kind === 'users' || next === null ? undefined : { ...part, after: next }
