import { publish } from '../../src/adapters/qstash/client.ts'
import { loadConfig } from '../../src/config.ts'
import type { Env } from '../../src/env.ts'
import type { RequestedRun } from '../../src/jobs/queue/job-store.ts'
import { log, reasonOf } from '../../src/kernel/log.ts'
import { backoffMs } from '../../src/kernel/retry.ts'
import { ownName, jobWorkerOf } from '../address.ts'
import type { SqlJobStore } from './sql-job-store.ts'

/** An alarm this late was lost by the platform, as has been seen (cloudflare-docs#18324): it is set again. */
const missedMs = 10_000

/**
 * Sends for visitors through QStash, and keeps the alarm that looks again when nobody comes. Whoever is wanted now is
 * called on the short way as well: the door lets in who comes first. While QStash does not take messages nothing is
 * asked of it until a growing pause is over; the short way and the alarm do meanwhile.
 */
export class WorkerDispatcher {
  readonly #ctx: DurableObjectState
  readonly #env: Env
  readonly #store: SqlJobStore
  #failures = 0
  #closedUntil = 0
  #alarmAt: number | undefined

  constructor(ctx: DurableObjectState, env: Env, books: SqlJobStore) {
    this.#ctx = ctx
    this.#env = env
    this.#store = books
  }

  /** Up to which moment visits can be asked for now; without a QStash nobody would come. */
  reach(now: number): number {
    if (this.#isOpen(now)) return Infinity
    return loadConfig(this.#env).qstash === undefined ? -Infinity : now
  }

  /** Sends for visits, once what was decided is durable: the platform holds the calls back until then. */
  dispatch(asked: readonly RequestedRun[], now: number): void {
    if (asked.length === 0) return
    if (loadConfig(this.#env).qstash !== undefined)
      for (const { id, at } of asked) if (at <= now) this.#ctx.waitUntil(this.#startRun(id))
    if (this.#isOpen(now)) this.#ctx.waitUntil(this.#publish(asked, now))
  }

  /** Looks again at `at` at the latest. An earlier alarm stays: it will find out what comes next. */
  lookAt(at: number | undefined, now: number): void {
    const wanted = this.#isOpen(now) ? at : Math.min(at ?? Infinity, this.#closedUntil)
    if (wanted === undefined) return
    const set = this.#alarmAt !== undefined && this.#alarmAt <= wanted && this.#alarmAt > now - missedMs
    if (set) return
    this.#alarmAt = wanted
    void this.#ctx.storage.setAlarm(wanted)
  }

  /** The alarm rang: there is none until the next. */
  alarmFired(): void {
    this.#alarmAt = undefined
  }

  #isOpen(now: number): boolean {
    return now >= this.#closedUntil
  }

  /** A visit that breaks off is noticed by its silence, and one that never came is brought by QStash. */
  async #startRun(visit: string): Promise<void> {
    const { tenant, name: queue } = ownName(this.#ctx.id.name)
    try {
      await jobWorkerOf(this.#ctx).run({ tenant, queue, visit })
    } catch (thrown) {
      log.warn('jobs.call-failed', { why: reasonOf(thrown) })
    }
  }

  async #publish(asked: readonly RequestedRun[], now: number): Promise<void> {
    const { tenant, name: queue } = ownName(this.#ctx.id.name)
    try {
      await publish(
        loadConfig(this.#env),
        asked.map(({ id, at }) => ({ tenant, queue, visit: id, at })),
      )
      for (const { id } of asked) this.#store.noteSent(id)
      this.#failures = 0
      this.#closedUntil = 0
    } catch (thrown) {
      this.#failures++
      this.#closedUntil = now + backoffMs(this.#failures, 1000, 60_000, Math.random())
      log.warn('jobs.carry-failed', { failures: this.#failures, why: reasonOf(thrown) })
      for (const { id, at } of asked) if (at > now) this.#store.removeRequestedRun(id)
      this.lookAt(this.#closedUntil, now)
    }
  }
}
