import { BucketSet } from '../../../src/activity/bucket-set.ts'
import { activityNumberOf } from '../../../src/events/activity.ts'
import { log, reasonOf } from '../../../src/kernel/log.ts'
import { backoffMs, within } from '../../../src/kernel/retry.ts'

/** How long one call may take, in milliseconds. */
const callMs = 2000
/** After calls have failed for so long, connects do not wait for them any more. */
const timeoutMs = 2000

/** The calls to one Activity actor. */
interface Line {
  /** Buckets of the next call, and the connects that wait for it. */
  waiting: Set<number>
  isWaitedFor: PromiseWithResolvers<void>
  /** Buckets of the call under way, without those given up meanwhile. */
  calling: Set<number>
  isCalled: Promise<void>
  isBusy: boolean
  /** Since when calls fail, in milliseconds since the epoch; 0 while they do not. */
  failingSince: number
}

/** What a tenant's listener needs: the call, how many Activity actors there are, and which buckets are still wanted. */
export interface ListenerParts {
  readonly listen: (actor: number, buckets: readonly number[]) => Promise<void>
  readonly actors: number
  readonly isWanted: (bucket: number) => boolean
  readonly now: () => number
}

/**
 * The buckets of one tenant that the Activity actors publish to this gateway. One call to an actor is under way; what is wanted
 * meanwhile leaves as the next one. A call that fails is repeated, with growing pauses, while its buckets are wanted.
 */
export class BucketListener {
  readonly #parts: ListenerParts
  readonly #confirmed = new BucketSet()
  readonly #lines = new Map<number, Line>()

  constructor(parts: ListenerParts) {
    this.#parts = parts
  }

  /** Buckets that were asked for before the gateway slept. */
  restore(buckets: Iterable<number>): void {
    for (const bucket of buckets) this.#confirmed.add(bucket)
  }

  /** Asks for buckets. Resolves when they are listened to; undefined when they all are. */
  listen(buckets: Iterable<number>): Promise<void> | undefined {
    const waits = new Set<Promise<void>>()
    for (const bucket of buckets) {
      if (this.#confirmed.has(bucket)) continue
      const line = this.#lineOf(bucket)
      const isCalled = line.calling.has(bucket)
      if (!isCalled) line.waiting.add(bucket)
      waits.add(isCalled ? line.isCalled : line.isWaitedFor.promise)
    }
    if (waits.size === 0) return undefined
    for (const [actor, line] of this.#lines) if (line.waiting.size > 0 && !line.isBusy) void this.#run(actor, line)
    return Promise.all(waits).then(() => undefined)
  }

  /** Whether a connect should not wait: the calls of some actor have failed for a while. */
  get isFailing(): boolean {
    const now = this.#parts.now()
    return [...this.#lines.values()].some(
      ({ failingSince }) => failingSince > 0 && Math.abs(now - failingSince) >= timeoutMs,
    )
  }

  /** The actor is answered that the bucket is not wanted. Also a call under way must not make it known: the actor may drop it. */
  giveUp(bucket: number): void {
    this.#confirmed.delete(bucket)
    this.#lines.get(activityNumberOf(bucket, this.#parts.actors))?.calling.delete(bucket)
  }

  #lineOf(bucket: number): Line {
    const actor = activityNumberOf(bucket, this.#parts.actors)
    const known = this.#lines.get(actor)
    if (known !== undefined) return known
    const line: Line = {
      waiting: new Set(),
      isWaitedFor: Promise.withResolvers(),
      calling: new Set(),
      isCalled: Promise.resolve(),
      isBusy: false,
      failingSince: 0,
    }
    this.#lines.set(actor, line)
    return line
  }

  async #run(actor: number, line: Line): Promise<void> {
    line.isBusy = true
    while (line.waiting.size > 0) {
      // The connects of this moment leave together.
      await Promise.resolve()
      const { isWaitedFor } = line
      Object.assign(line, { calling: line.waiting, isCalled: isWaitedFor.promise })
      Object.assign(line, { waiting: new Set<number>(), isWaitedFor: Promise.withResolvers<void>() })
      await this.#call(actor, line)
      for (const bucket of line.calling) this.#confirmed.add(bucket)
      line.calling = new Set()
      isWaitedFor.resolve()
    }
    line.isBusy = false
  }

  /** Returns once the actor has answered, or none of the buckets is wanted any more. */
  async #call(actor: number, line: Line): Promise<void> {
    for (let failures = 0; line.calling.size > 0;) {
      try {
        await within(callMs, 'the activity actor', this.#parts.listen(actor, [...line.calling]))
        line.failingSince = 0
        return
      } catch (thrown) {
        failures++
        if (line.failingSince === 0) line.failingSince = this.#parts.now()
        log.warn('gateway.listen-failed', { actor, failures, buckets: line.calling.size, reason: reasonOf(thrown) })
        await scheduler.wait(backoffMs(failures, 100, 30_000, Math.random()))
        for (const bucket of line.calling) if (!this.#parts.isWanted(bucket)) line.calling.delete(bucket)
      }
    }
  }
}
