import { publish } from '../../src/adapters/qstash/client.ts'
import { loadConfig, type Config } from '../../src/config.ts'
import type { Env } from '../../src/env.ts'
import type { QueueReference, RequestedRun } from '../../src/jobs/queue/worker-runs.ts'
import { log, reasonOf } from '../../src/kernel/log.ts'
import { idsOf, type RequestContext } from '../../src/kernel/request-context.ts'
import { backoffMs } from '../../src/kernel/retry.ts'
import type { OpenPlace } from '../shared/open-place.ts'
import type { RunStore } from '../../src/jobs/queue/stores.ts'

/** How long the direct dispatch has to start a run before QStash is asked to bring it as well. */
const directMs = 1_000
/** An alarm this late was lost by the platform, as has been seen (cloudflare-docs#18324): it is set again. */
const missedMs = 10_000

/**
 * Starts worker runs: those due now by calling the Worker of jobs, and by QStash if that does not start them; those for later by
 * QStash, which is the clock. The alarm stands behind both. While QStash accepts no messages it is asked for nothing until
 * a growing pause is over, and direct dispatch and alarm work without it.
 */
export class WorkerDispatcher {
  readonly #place: OpenPlace
  readonly #env: Env
  readonly #config: Config
  readonly #queue: QueueReference
  readonly #runs: RunStore
  #failures = 0
  #closedUntil = 0
  #alarmAt: number | undefined

  constructor(place: OpenPlace, env: Env, queue: QueueReference, runs: RunStore) {
    this.#place = place
    this.#env = env
    this.#queue = queue
    this.#config = loadConfig(env)
    this.#runs = runs
  }

  /** The latest time for which runs can be requested now; none where QStash is not configured. */
  reach(now: number): number {
    if (this.#isOpen(now)) return Infinity
    return this.#config.qstash === undefined ? -Infinity : now
  }

  /** Dispatches requested runs, once they are durable: the platform holds the calls back until then. The trace of `request` goes with them. */
  dispatch(runs: readonly RequestedRun[], now: number, request?: RequestContext): void {
    if (runs.length === 0) return
    const direct = this.#config.qstash === undefined ? [] : runs.filter(({ at }) => at <= now)
    for (const run of direct) this.#place.ctx.waitUntil(this.#startOrPublish(run, now, request))
    const later = runs.filter((run) => !direct.includes(run))
    if (later.length > 0 && this.#isOpen(now)) this.#place.ctx.waitUntil(this.#publish(later, now, request))
  }

  /** Looks again at `at` at the latest. An earlier alarm stays: it finds out what comes next. */
  lookAt(at: number | undefined, now: number): void {
    const wanted = this.#isOpen(now) ? at : Math.min(at ?? Infinity, this.#closedUntil)
    if (wanted === undefined) return
    const isSet = this.#alarmAt !== undefined && this.#alarmAt <= wanted && this.#alarmAt > now - missedMs
    if (isSet) return
    this.#alarmAt = wanted
    void this.#place.alarm.setAlarm(wanted)
  }

  /** The alarm fired: there is none until the next. */
  alarmFired(): void {
    this.#alarmAt = undefined
  }

  #isOpen(now: number): boolean {
    return now >= this.#closedUntil
  }

  /** QStash gets a copy only of a run that the direct dispatch did not start. A run that breaks off is noticed by its silence. */
  async #startOrPublish(run: RequestedRun, now: number, request: RequestContext | undefined): Promise<void> {
    const late = Promise.withResolvers<void>()
    const timer = setTimeout(late.resolve, directMs)
    await Promise.race([this.#start(run.id, request), late.promise])
    clearTimeout(timer)
    if (this.#runs.has(run.id) && this.#isOpen(now)) await this.#publish([run], now, request)
  }

  async #start(run: string, request: RequestContext | undefined): Promise<void> {
    try {
      const started = { ...this.#queue, run }
      await (this.#env.JOBS?.run(started) ?? this.#place.ctx.exports.JobWorker.run(started))
    } catch (thrown) {
      log.warn('jobs.dispatch-failed', { ...idsOf(request), reason: reasonOf(thrown) })
    }
  }

  async #publish(runs: readonly RequestedRun[], now: number, request: RequestContext | undefined): Promise<void> {
    const trace = request?.traceparent === undefined ? {} : { traceparent: request.traceparent }
    try {
      await publish(
        this.#config,
        runs.map(({ id, at }) => ({ ...this.#queue, run: id, at, ...trace })),
      )
      for (const { id } of runs) this.#runs.notePublished(id)
      this.#failures = 0
      this.#closedUntil = 0
    } catch (thrown) {
      this.#failures++
      this.#closedUntil = now + backoffMs(this.#failures, 1000, 60_000, Math.random())
      log.warn('jobs.publish-failed', { ...idsOf(request), failures: this.#failures, reason: reasonOf(thrown) })
      for (const { id, at } of runs) if (at > now) this.#runs.remove(id)
      this.lookAt(this.#closedUntil, now)
    }
  }
}

interface Waiter {
  readonly capacity: number
  readonly wake: (reason: WakeReason) => void
}

/** Why a long poll ends: there are jobs, a newer poll of the same worker overtook it, or its time is up. */
export type WakeReason = 'jobs' | 'overtaken' | 'timeout'

/**
 * Workers in a long poll, so that a job that arrives meanwhile starts at once instead of waiting for a new run. In memory
 * only: a worker that is lost here is replaced like any other.
 */
export class PollWaiters {
  readonly #waiting = new Map<string, Waiter>()

  /** Waits at most `ms`. A worker waits once: its next poll ends this wait. */
  async wait(run: string, capacity: number, ms: number): Promise<WakeReason> {
    const { promise, resolve } = Promise.withResolvers<WakeReason>()
    const timer = setTimeout(() => resolve('timeout'), ms)
    const waiter = { capacity, wake: resolve }
    this.#waiting.set(run, waiter)
    const reason = await promise
    clearTimeout(timer)
    if (this.#waiting.get(run) === waiter) this.#waiting.delete(run)
    return reason
  }

  /** Ends the wait of a worker that polls again. */
  overtake(run: string): void {
    this.#waiting.get(run)?.wake('overtaken')
    this.#waiting.delete(run)
  }

  /** Wakes as many workers as have capacity for so many jobs. */
  wakeFor(jobs: number): void {
    let left = jobs
    for (const [run, { capacity, wake }] of this.#waiting) {
      if (left <= 0) return
      if (capacity <= 0) continue
      left -= capacity
      this.#waiting.delete(run)
      wake('jobs')
    }
  }
}
