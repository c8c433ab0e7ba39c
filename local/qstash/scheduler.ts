import type { Clock } from './clock.ts'
import { nextInstant } from './cron.ts'
import type { Destinations } from './destinations.ts'
import type { Post } from './post.ts'
import type { Schedule } from './store/schedules.ts'
import type { Store } from './store/store.ts'

/** Fires schedules. The cron instant and the moment it comes are kept apart, so that scaled time can hurry it. */
export class Scheduler {
  readonly #store: Store
  readonly #clock: Clock
  readonly #post: Post
  readonly #destinations: Destinations

  constructor(store: Store, clock: Clock, post: Post, destinations: Destinations) {
    this.#store = store
    this.#clock = clock
    this.#post = post
    this.#destinations = destinations
  }

  /** The schedule, waiting for the first cron instant after now. */
  fromNow(schedule: Schedule): Schedule {
    const now = this.#clock.now()
    return this.#waitingFor(schedule, nextInstant(schedule.cron, now), now, now)
  }

  /** Publishes for each schedule that is due, and moves it on. Call inside a transaction. */
  fireDue(now: number): void {
    for (const schedule of this.#store.schedules.due(now)) {
      const ids = this.#fire(schedule)
      const fired = { ...schedule, lastAt: schedule.nextAt, lastStates: inProgress(ids) }
      this.#store.schedules.put(this.#movedOn(fired, now))
    }
  }

  /** A destination that is gone (a deleted URL group) gets nothing; the schedule lives on. */
  #fire({ id, destination, options, body, callerIp, queue }: Schedule): string[] {
    const targets = this.#destinations.find(destination) ?? []
    return targets.map((target) => this.#post.write({ ...target, options, body, callerIp, queue, scheduleId: id }).id)
  }

  /** Instants missed while this process was down have fired once, just now; the next one lies ahead. */
  #movedOn(schedule: Schedule, now: number): Schedule {
    const { nextAt, dueAt } = schedule
    if (nextAt === null || dueAt === null) return schedule

    const scaledNow = nextAt + (now - dueAt) / this.#clock.lasting(1)
    return this.#waitingFor(schedule, nextInstant(schedule.cron, scaledNow), nextAt, dueAt)
  }

  /** `instant` comes as long after `dueFrom` as it lies after `nominalFrom`, time being scaled. */
  #waitingFor(schedule: Schedule, instant: number | undefined, nominalFrom: number, dueFrom: number): Schedule {
    if (instant === undefined) return { ...schedule, nextAt: null, dueAt: null }
    return { ...schedule, nextAt: instant, dueAt: dueFrom + this.#clock.lasting(instant - nominalFrom) }
  }
}

function inProgress(ids: string[]): Schedule['lastStates'] {
  return Object.fromEntries(ids.map((id) => [id, 'IN_PROGRESS']))
}
