import type { ErasedUser, MessagesOfErased } from '../../src/events/erased-user.ts'
import { systemClock } from '../../src/kernel/clock.ts'
import { randomToken } from '../../src/kernel/id.ts'
import { log, reasonOf } from '../../src/kernel/log.ts'
import type { Ready } from '../../src/kernel/ready.ts'
import { within } from '../../src/kernel/retry.ts'
import { ownKeepMs, ownSagasTenant } from '../../src/sagas/own.ts'
import { requested, userErasure, type UserErasure } from '../../src/tenants/user-erasure.ts'
import { ownName, sagaOf } from '../address.ts'
import { ListedName, listAfterMs } from '../shared/listed-name.ts'
import type { Alarm } from '../shared/open-place.ts'
import { isUsed } from '../shared/migrate.ts'
import type { Settings } from '../shared/settings.ts'
import { TenantActor } from '../shared/tenant-actor.ts'
import type { EntryTable } from './entry-table.ts'
import { clearEntries, conversationsAfter, eraseShown } from './erased-entries.ts'

const erasureKey = 'erasure'
/** Set once the run of the erasure was started. */
const startedKey = 'erasureStarted'
const startMs = 10_000
/** A token is void until then: for good. The latest time that there is, in milliseconds since the epoch. */
const forever = 8_640_000_000_000_000

/** What an inbox stores of its user. */
interface Own {
  readonly settings: Settings
  readonly entries: EntryTable
  readonly alarm: Alarm
  /** Creates the tables, on the first write. */
  readonly create: () => void
}

/** The erasure of a user, which the user's inbox is the authority on: its state outlives all else that is stored of the user. */
export abstract class UserData extends TenantActor {
  /** A member of the instance: others cannot call it. */
  protected abstract readonly own: () => Own
  abstract revoke(): Ready<number>

  /** Refuses all tokens of the user from now on, and starts the run that erases the user. The same again is the same run. */
  async requestErasure(messages: MessagesOfErased): Promise<UserErasure> {
    const known = this.erasure()
    if (known === undefined) {
      this.own().create()
      const { settings, alarm } = this.own()
      const now = systemClock.now()
      const [run, pseudonym] = [`erase-${randomToken(16)}`, `erased-${randomToken(16)}`]
      settings.set(erasureKey, JSON.stringify(requested({ run, messages, pseudonym }, now)))
      settings.set('revokedAt', forever)
      void alarm.setAlarm(now + listAfterMs)
      await this.revoke()
    }
    await this.#start()
    const erasure = this.erasure()
    if (erasure === undefined) throw new Error('the erasure was not stored')
    return erasure
  }

  /** How far the erasure is; undefined when the user is not erased. */
  erasure(): UserErasure | undefined {
    const stored = this.own().settings.get(erasureKey)
    return stored === undefined ? undefined : userErasure.parse(JSON.parse(stored))
  }

  /** Stores where the erasure is now. False when another call has gone on meanwhile. */
  saveErasure(before: number, erasure: UserErasure): boolean {
    const known = this.erasure()
    if (known?.revision !== before) return false
    this.own().settings.set(erasureKey, JSON.stringify(erasure))
    return true
  }

  /** Conversations that the user is or was in, after `after`, in their order. */
  conversationsOf(after: string, limit: number): string[] {
    const { sql } = this.ctx.storage
    return isUsed(sql) ? conversationsAfter(sql, after, limit) : []
  }

  /** Takes another user, who is erased, out of what this list shows of a conversation. Returns whether the user was in it. */
  eraseShown(conversation: string, erased: ErasedUser): boolean {
    const { sql } = this.ctx.storage
    return isUsed(sql) && eraseShown(sql, conversation, erased)
  }

  /** Deletes the list of an erased user. Returns how many entries it had. */
  eraseEntries(): number {
    if (this.erasure() === undefined) return 0
    this.own().entries.reread()
    return clearEntries(this.ctx.storage.sql)
  }

  /** Has the name listed, by which a deletion of the tenant finds this actor, and starts a run that was not started. */
  override async alarm(): Promise<void> {
    const erasure = this.erasure()
    // Once it is over, the list has the id of the actor instead.
    if (erasure?.phase !== 'erased') await new ListedName(this.ctx, this.env, 'Inbox').note()
    if (erasure !== undefined) await this.#start()
  }

  async #start(): Promise<void> {
    const { settings, alarm } = this.own()
    const erasure = this.erasure()
    if (erasure === undefined || erasure.phase === 'erased' || settings.get(startedKey) !== undefined) return
    const { tenant, name: user } = ownName(this.ctx.id.name)
    const wanted = {
      id: erasure.run,
      saga: 'user-erasure',
      input: JSON.stringify({ tenant, user }),
      watchers: [],
      keepMs: ownKeepMs,
    }
    try {
      const start = async () => await sagaOf(this.env, ownSagasTenant, erasure.run).start(wanted)
      const started = await within(startMs, 'the run', start())
      if (started.kind === 'refused') throw new Error(started.detail ?? started.error)
      settings.set(startedKey, 1)
    } catch (thrown) {
      log.warn('users.erasure-not-started', { tenant, run: erasure.run, reason: reasonOf(thrown) })
      void alarm.setAlarm(systemClock.now() + listAfterMs)
    }
  }
}
