import type { LogEvent } from '../../events/log-event.ts'
import type { Consumer, Delivery, DeliveryOutcome } from './consumer.ts'

/** What happened to a post. With `pauseMs` the endpoint is not called for so long. */
export interface PostResult {
  readonly outcome: DeliveryOutcome
  readonly pauseMs?: number
  /** What the endpoint answered; absent where it was not called. */
  readonly answer?: PostAnswer
}

/** An endpoint's answer to one attempt. */
export interface PostAnswer {
  /** Null where it did not answer. */
  readonly status: number | null
  /** How it began, where that is asked for. */
  readonly beginning: string
  readonly durationMs: number
}

/** Events of a topic in order, beginning behind an offset; `first` is the oldest that it has. */
export interface EventPage {
  readonly events: readonly LogEvent[]
  readonly first: number
  readonly top: number
}

/** What a pusher works with. */
export interface PushPorts {
  now(): number
  /** Reads events of the topic behind an offset. */
  read(after: number, limit: number): Promise<EventPage>
  /** Posts an event to the endpoint; never rejects. */
  post(delivery: Delivery): Promise<PostResult>
  /** Makes changes of the store all or nothing. */
  commit<T>(change: () => T): T
  isPaused(): boolean
  /** The next task of the event loop: what has arrived by now is taken in before it. */
  nextTask(): Promise<unknown>
}

/** Events read in one call. */
const pageSize = 200

/**
 * Pushes the events of a topic to an endpoint: several keys at once, in order for each. An event is settled only when its post has
 * been answered; all posts that were answered meanwhile are settled in one commit.
 */
export class Pusher {
  readonly #consumer: Consumer
  readonly #ports: PushPorts
  readonly #ended: { readonly delivery: Delivery; readonly outcome: DeliveryOutcome }[] = []
  #underWay = 0
  /** The newest offset of the topic; undefined until it was asked. */
  #top: number | undefined
  /** Events that came with the news of them, so that they need not be read. */
  #given: (EventPage & { readonly after: number }) | undefined
  #pausedUntil = 0
  #isRunning = false
  #wake: () => void = () => undefined

  constructor(consumer: Consumer, ports: PushPorts) {
    this.#consumer = consumer
    this.#ports = ports
  }

  /** The topic has events up to `top`, perhaps those of `page`, all that are behind `page.after`. */
  noteTop(top: number, page?: Omit<EventPage, 'top'> & { readonly after: number }): void {
    this.#top = Math.max(this.#top ?? 0, top)
    if (page !== undefined) this.#given = { ...page, top }
    this.#wake()
  }

  /** Something else changed: a pause, a seek, dead letters. */
  noteChange(): void {
    this.#wake()
  }

  get isRunning(): boolean {
    return this.#isRunning
  }

  /** When it has to run again, in milliseconds since the epoch; undefined while nothing waits. */
  nextRun(): number | undefined {
    if (this.#ports.isPaused() || this.#consumer.isFull) return undefined
    const due = this.#consumer.nextDue()
    return due === undefined && this.#pausedUntil <= this.#ports.now()
      ? undefined
      : Math.max(due ?? 0, this.#pausedUntil)
  }

  /** Pushes until nothing can be pushed now and no post is under way. Rejects when the topic cannot be read. */
  async run(): Promise<void> {
    if (this.#isRunning) return
    this.#isRunning = true
    try {
      for (;;) {
        const woken = new Promise<void>((resolve) => (this.#wake = resolve))
        // Posts that were answered at about the same time share a commit.
        if (this.#ended.length > 0) await this.#ports.nextTask()
        this.#settleEnded()
        const canPush = !this.#ports.isPaused() && this.#pausedUntil <= this.#ports.now()
        const hasRead = canPush && (await this.#readAhead())
        if (canPush) this.#postNext()
        if (this.#underWay === 0 && this.#ended.length === 0 && !hasRead) return
        if (!hasRead && this.#ended.length === 0) await woken
      }
    } finally {
      this.#isRunning = false
    }
  }

  #settleEnded(): void {
    if (this.#ended.length === 0) return
    const ended = this.#ended.splice(0)
    this.#ports.commit(() => this.#consumer.settle(ended, this.#ports.now()))
  }

  /** Whether there were events to read. */
  async #readAhead(): Promise<boolean> {
    const limit = Math.min(pageSize, this.#consumer.freeSlots())
    if (limit === 0 || (this.#top !== undefined && this.#consumer.readTo >= this.#top)) return false
    const { generation } = this.#consumer.position
    const { events, first, top } = this.#givenNow(limit) ?? (await this.#ports.read(this.#consumer.readTo, limit))
    this.#top = Math.max(this.#top ?? 0, top)
    // A seek meanwhile reads from somewhere else.
    if (generation !== this.#consumer.position.generation) return true
    this.#ports.commit(() => this.#consumer.take(events, first, this.#ports.now()))
    return events.length > 0
  }

  /** What came with the news, when it is what would be read now. */
  #givenNow(limit: number): EventPage | undefined {
    const given = this.#given
    this.#given = undefined
    return given?.after === this.#consumer.readTo && given.events.length <= limit ? given : undefined
  }

  #postNext(): void {
    for (const delivery of this.#consumer.handOut(this.#ports.now(), Infinity)) {
      this.#underWay++
      void this.#post(delivery)
    }
  }

  async #post(delivery: Delivery): Promise<void> {
    const { outcome, pauseMs = 0 } = await this.#ports.post(delivery)
    this.#underWay--
    if (pauseMs > 0) this.#pausedUntil = this.#ports.now() + pauseMs
    this.#ended.push({ delivery, outcome })
    this.#wake()
  }
}
