import type { Appended } from '../../src/event-log/append.ts'
import type { NewEvent } from '../../src/events/log-event.ts'
import { log, reasonOf } from '../../src/kernel/log.ts'

/** Runs whose events are published in one call and one commit. */
const runsAtOnce = 50

/** Events of one run for one topic. */
export interface RunEvents {
  readonly run: string
  readonly topic: string
  readonly events: readonly NewEvent[]
  /** The entry of the history up to which these events go. */
  readonly upTo: number
}

/** The runs of an actor and the topics of its tenant. */
interface PublisherPort {
  readonly tenant: string
  /** What is to be published of a run; undefined when nothing is. */
  readonly eventsOf: (run: string) => RunEvents | undefined
  readonly append: (topic: string, events: readonly NewEvent[]) => Promise<Appended>
  /** Called in one go for events that are in their topic, or that it will never take. */
  readonly published: (all: readonly RunEvents[]) => void
}

/**
 * Publishes events of runs that are written. They are kept with their run until the topic has them, and the alarm of the actor adds
 * the run again: so each is in its topic once, whatever is repeated.
 */
export class RunPublisher {
  readonly #port: PublisherPort
  readonly #waiting = new Set<string>()
  #isRunning = false

  constructor(port: PublisherPort) {
    this.#port = port
  }

  add(run: string): void {
    this.#waiting.add(run)
  }

  /** Publishes the events of all runs that were added. Never rejects. */
  async run(): Promise<void> {
    if (this.#isRunning) return
    this.#isRunning = true
    try {
      while (this.#waiting.size > 0) {
        const runs = [...this.#waiting].slice(0, runsAtOnce)
        for (const run of runs) this.#waiting.delete(run)
        const wanted = Map.groupBy(
          runs.flatMap((run) => this.#port.eventsOf(run) ?? []),
          ({ topic }) => topic,
        )
        await Promise.all([...wanted].map(async ([topic, all]) => await this.#publish(topic, all)))
      }
    } catch (thrown) {
      log.warn('sagas.event-not-published', { tenant: this.#port.tenant, reason: reasonOf(thrown) })
    } finally {
      this.#isRunning = false
    }
  }

  async #publish(topic: string, all: readonly RunEvents[]): Promise<void> {
    const { tenant, append, published } = this.#port
    const events = all.flatMap((one) => one.events)
    try {
      const appended = await append(topic, events)
      if (appended.kind === 'refused' && appended.error !== 'conflict')
        throw new Error(appended.detail ?? appended.error)
      if (appended.kind === 'refused' && all.length > 1) {
        // One of them has the source and id of an event that the tenant published itself; the others are published.
        for (const one of all) await this.#publish(topic, [one])
        return
      }
      if (appended.kind === 'refused')
        log.error('sagas.event-dropped', { tenant, topic, reason: appended.detail ?? appended.error })
      published(all)
    } catch (thrown) {
      log.warn('sagas.event-not-published', { tenant, topic, reason: reasonOf(thrown) })
    }
  }
}
